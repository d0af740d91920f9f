//! Hostile messages: nothing of them runs or asks for anything, wherever it is shown; without
//! walls it does.

use std::time::Duration;

use serde_json::json;

use super::Stage;
use crate::{
    browser::{
        Claims,
        driver::http,
        hostile,
        post::Client,
        world::{Counter, base64, wait_for},
    },
    run::{Failure, say},
};

/// Bodies that do nothing in this browser, walls or not.
const SILENT_MAX: usize = 12;

impl Stage<'_> {
    /// Pictures of the web are not asked for, unless the reader wants them; then by us alone.
    pub(super) fn remote(&self, claims: &mut Claims) -> Result<(), Failure> {
        let counter = Counter::start()?;
        self.sandbox.inbox("remote")?;
        let place = format!("http://127.0.0.1:{}/hit/picture", counter.port);
        let html = format!(
            "<style>div{{height:9px;background:url({place}/style.png)}}</style><div></div>\
             <img id=own src='{place}/own.png'><img id=odd src='{place}/odd.svg'>\
             <img src='http://127.0.0.1:{}/api/inboxes'>",
            self.sandbox.page
        );
        self.sandbox.send("remote", "Pictures", &html)?;
        self.inbox("remote")?;
        self.browser.comes("return document.querySelector('.row') !== null");
        self.browser.press("jo")?;
        let told = "return document.getElementById('web')?.textContent.includes('127.0.0.1')";
        let shown = self.browser.comes(told);
        claims.check("who would learn of it is told", shown, &self.text("#web"));
        self.browser.frame_text("div").map(drop).unwrap_or_default();
        let hits = counter.take();
        claims.check("without permission nothing is asked", hits.is_empty(), &format!("{hits:?}"));
        self.browser.click("#remote")?;
        let all = ["own.png", "odd.svg", "style.png"];
        let come = wait_for(Duration::from_secs(10), || counter.count() >= all.len());
        let width = || self.browser.frame_number("#own", "naturalWidth").unwrap_or_default();
        let seen = wait_for(Duration::from_secs(5), || width() == 1);
        let hits = counter.take();
        claims.check("with it the pictures are there", come && seen, &format!("{hits:?}"));
        let odd = self.browser.frame_number("#odd", "naturalWidth")?;
        claims.check("but those that are documents", odd == 0, &odd.to_string());
        self.picture("remote")?;
        self.axe("remote pictures", claims)?;
        // The browser asked us; that its own request would have been seen is shown by the others.
        self.browser.open(&format!("http://127.0.0.1:{}/control/22", counter.port))?;
        let direct = wait_for(Duration::from_secs(5), || counter.count() > 0);
        claims.check("and a page without walls asks by itself", direct, "");
        Ok(())
    }

    /// No hostile message runs or asks for anything, and each would.
    pub(super) fn hostile(&self, claims: &mut Claims) -> Result<(), Failure> {
        let counter = Counter::start()?;
        self.sandbox.inbox("hostile")?;
        let mut ids = Vec::new();
        for (number, text) in hostile::BODIES.iter().enumerate() {
            let body = hostile::body(text, counter.port, number);
            ids.push(self.sandbox.send("hostile", &format!("hostile {number} {body}"), &body)?);
        }
        // From the newest to the oldest, by keys, as somebody would who reads them all.
        self.inbox("hostile")?;
        self.browser.comes("return document.querySelector('.row') !== null");
        for id in ids.iter().rev() {
            self.browser.press("jo")?;
            let shown = format!(
                "const frame = document.querySelector('.message[data-id=\"{id}\"] iframe');\
                 if (!frame) return false; frame.loading = 'eager'; return true"
            );
            if !self.browser.comes(&shown) {
                claims.check("a hostile message is shown", false, id);
            }
        }
        // And each as a document of its own.
        for id in &ids {
            self.browser.open(&self.sandbox.url(&format!("/render/{id}")))?;
        }
        self.browser.open(&self.sandbox.url("/view/latest.html?inbox=hostile"))?;
        let hits = counter.take();
        claims.check(
            "no hostile message runs, and none asks for anything",
            hits.is_empty(),
            &format!("{hits:?}"),
        );
        for number in 0..hostile::BODIES.len() {
            self.browser.open(&format!("http://127.0.0.1:{}/control/{number}", counter.port))?;
        }
        let mut hits = counter.take();
        let acts = |hits: &[String], number: usize| {
            let of = |hit: &String| hit.split(['/', '?']).nth(3) == Some(&number.to_string());
            hits.iter().any(of)
        };
        // Some need a moment longer than their page takes to load.
        let mut silent = Vec::new();
        for number in 0..hostile::BODIES.len() {
            if acts(&hits, number) {
                continue;
            }
            self.browser.open(&format!("http://127.0.0.1:{}/control/{number}", counter.port))?;
            wait_for(Duration::from_millis(300), || counter.count() > 0);
            hits.extend(counter.take());
            if !acts(&hits, number) {
                silent.push(number);
            }
        }
        let ran = hits.iter().filter(|hit| hit.starts_with("/hit/script/")).count();
        let asked = hits.iter().filter(|hit| hit.starts_with("/hit/load/")).count();
        say(&format!(
            "browser: without walls {ran} ran and {asked} asked; these do neither in \
            this browser: {silent:?}"
        ));
        claims.check(
            "without walls they do both",
            ran >= 60 && asked >= 30 && silent.len() <= SILENT_MAX,
            &format!("{silent:?} {hits:?}"),
        );
        Ok(())
    }
    /// Texts of a message, of programs and of queries are shown as what they are.
    pub(super) fn texts(&self, claims: &mut Claims) -> Result<(), Failure> {
        let counter = Counter::start()?;
        let texts: Vec<String> = (hostile::FIRST_TEXT..)
            .zip(hostile::TEXTS)
            .map(|(number, text)| hostile::body(text, counter.port, number))
            .collect();
        for (number, text) in texts.iter().enumerate() {
            let id = self.tell(number, text)?;
            self.read(claims, text, &id)?;
        }
        let hits = counter.take();
        claims.check("no text runs where it is shown", hits.is_empty(), &format!("{hits:?}"));
        for number in 0..texts.len() {
            self.browser.open(&format!("http://127.0.0.1:{}/text/{number}", counter.port))?;
            let ran = wait_for(Duration::from_secs(3), || counter.count() > 0);
            claims.check(&format!("text {number} would"), ran, "");
            counter.take();
        }
        Ok(())
    }

    /// A message that has a text everywhere, in an inbox of that name; gives its id.
    fn tell(&self, number: usize, text: &str) -> Result<String, Failure> {
        let word = format!("=?utf-8?b?{}?=", base64(text.as_bytes()));
        let plain = text.replace(['\\', '"'], "");
        let quoted = text.replace('"', "\\\"");
        let message = format!(
            "From: {word} <a@a.example>\r\nTo: {word} <b@b.example>\r\nSubject: {word}\r\n\
             X-Odd: {plain}\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\
             --b\r\nContent-Type: application/odd; name=\"{quoted}\"\r\n\
             Content-Disposition: attachment; filename=\"{quoted}\"\r\n\r\nx\r\n--b--"
        );
        let mut client = Client::connect(self.sandbox.smtp)?;
        client
            .say(&format!("EHLO {}\r\n", if number == 0 { "<script>x</script>" } else { "x" }))
            .unwrap_or_default();
        client.log_in(text, "x")?;
        client.send(&message)?;
        // What it is refused for is told, too.
        client.say(&format!("ODD {text}\r\n")).unwrap_or_default();
        client.say(&format!("RCPT TO:<{text}>\r\n")).unwrap_or_default();
        let inbox = text.trim().to_lowercase();
        let (_, listed) = http(
            self.sandbox.page,
            "GET",
            &format!("/api/inboxes/{}/messages", escaped(&inbox)),
            None,
        )?;
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap_or_default();
        let id = listed.pointer("/messages/0/id").and_then(serde_json::Value::as_str);
        let id = id.ok_or_else(|| Failure(format!("no message in {inbox}: {listed}")))?.to_owned();
        let tags = json!({ "tags": [text.chars().filter(|c| !c.is_control()).take(90)
            .collect::<String>()], "read": false });
        http(self.sandbox.page, "PATCH", &format!("/api/messages/{id}"), Some(&tags.to_string()))?;
        let label = json!({ "label": text.chars().take(60).collect::<String>() });
        let path = format!("/api/inboxes/{}/tokens", escaped(&inbox));
        http(self.sandbox.page, "POST", &path, Some(&label.to_string()))?;
        Ok(id)
    }

    /// Looks at it from all sides.
    fn read(&self, claims: &mut Claims, text: &str, id: &str) -> Result<(), Failure> {
        let inbox = escaped(&text.trim().to_lowercase());
        self.inbox(&format!("{inbox}?message={id}"))?;
        let written = json!(text);
        let whole = format!(
            "return document.querySelector('.message h2')?.textContent === {written}.trim()\
             && document.querySelector('.row .subject')?.textContent === {written}.trim()"
        );
        let is_whole = self.browser.comes(&whole);
        claims.check("a text is shown as it is", is_whole, &self.text(".message h2"));
        for tab in ["text", "checks", "header", "parts", "raw", "conversation"] {
            self.browser.click(&format!("label[for=tab-{tab}]"))?;
            if tab == "checks" {
                self.browser.comes("return document.querySelector('[data-load]') === null");
            }
        }
        self.clean(claims, "message")?;
        let query = escaped(text);
        for path in [
            format!("/inbox/{inbox}?query={query}"),
            format!("/inbox/{inbox}?query=subject:{query}&message={id}"),
            format!("/inbox/{inbox}/settings"),
            format!("/inbox/{query}"),
            format!("/inbox/{query}/settings"),
            "/inboxes".to_owned(),
            "/refusals".to_owned(),
            format!("/inbox/{inbox}/message/{query}"),
            format!("/inbox/{inbox}/message/{id}/checks"),
        ] {
            self.browser.open(&self.sandbox.url(&path))?;
            self.clean(claims, path.split(['?', '%']).next().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Nothing but what we wrote is in the document.
    fn clean(&self, claims: &mut Claims, place: &str) -> Result<(), Failure> {
        let odd = "return [...document.querySelectorAll('script, svg, img, iframe, [onload],\
            [onerror]')].filter(one => !(one.src ?? '').startsWith(location.origin))\
            .map(one => one.outerHTML)";
        let odd = self.browser.run(odd)?;
        let is_clean = odd.as_array().is_some_and(Vec::is_empty);
        if !is_clean {
            claims.check(&format!("texts are no markup in {place}"), false, &odd.to_string());
        }
        Ok(())
    }

    /// Attachments that are documents do not run where their address is opened.
    pub(super) fn files(&self, claims: &mut Claims) -> Result<(), Failure> {
        let counter = Counter::start()?;
        self.sandbox.inbox("files")?;
        let attached: Vec<serde_json::Value> = (hostile::FIRST_FILE..)
            .zip(hostile::FILES)
            .map(|(number, (kind, name, text))| {
                let text = hostile::body(text, counter.port, number);
                json!({ "Content": base64(text.as_bytes()), "Filename": name, "ContentType": kind })
            })
            .collect();
        let message = json!({ "From": { "Email": "a@a.example" },
            "To": [{ "Email": "b@b.example" }],
            "Subject": "Files", "Text": "x", "Attachments": attached });
        let path = "/api/v1/send?inbox=files";
        let (_, told) = http(self.sandbox.page, "POST", path, Some(&message.to_string()))?;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap_or_default();
        let id = told.get("ID").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        self.inbox(&format!("files?message={id}"))?;
        let listed = "return document.querySelectorAll('.files li').length";
        let listed = self.browser.run(listed)?;
        claims.check("attachments are listed", listed == hostile::FILES.len(), &listed.to_string());
        let links = "return [...document.querySelectorAll('.files a, .files img')]\
            .map(one => one.getAttribute('href') ?? one.getAttribute('src'))";
        let links = self.browser.run(links)?;
        let mut paths: Vec<String> = links
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|link| link.as_str())
            .map(str::to_owned)
            .collect();
        for part in 1..=6 {
            paths.extend([
                format!("/api/v1/message/{id}/part/{part}"),
                format!("/api/v1/message/{id}/part/1.{part}"),
                format!("/render/{id}/{part}"),
                format!("/mailhog/api/v1/messages/{id}/mime/part/{part}/download"),
                format!("/api/v1/message/{id}/part/{part}/thumb"),
            ]);
        }
        for path in &paths {
            // What is saved is no page, which is an error here.
            self.browser.open(&self.sandbox.url(path)).unwrap_or_default();
        }
        let hits = counter.take();
        let asked = paths.len() >= 30 + hostile::FILES.len();
        claims.check(
            "none runs where it is opened",
            asked && hits.is_empty(),
            &format!("{hits:?}"),
        );
        for number in 0..hostile::FILES.len() {
            self.browser.open(&format!("http://127.0.0.1:{}/file/{number}", counter.port))?;
            let ran = wait_for(Duration::from_secs(3), || counter.count() > 0);
            claims.check(&format!("file {number} would"), ran, "");
            counter.take();
        }
        Ok(())
    }
}

/// A text as a part of a path.
fn escaped(text: &str) -> String {
    let each = text.bytes().map(|octet| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(octet).to_string(),
        other => format!("%{other:02X}"),
    });
    each.collect()
}
