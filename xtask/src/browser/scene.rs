//! The scenes: what a person does with the pages, and what has to come of it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Claims,
    driver::{Browser, CONTROL, ENTER, ESCAPE},
    hostile,
    world::{Counter, Sandbox, decode_base64, wait_for},
};
use crate::run::{Failure, root, say};

/// Messages of the long list.
const MANY: usize = 3_000;
/// A message as an honest sender writes it.
const HONEST: &str = "<style>p{color:#111}</style><body style='background:#ffffff'><h1>Welcome</h1>\
    <p style='display:grid;color:#222222'>Press <a href='https://shop.example/c'>here</a></p>\
    <img src='https://shop.example/logo.png' alt='Logo'></body>";

struct Stage<'a> {
    browser: &'a Browser,
    sandbox: &'a Sandbox,
    pictures: &'a Path,
    axe: String,
}

/// Plays all of them.
pub(crate) fn all(claims: &mut Claims, pictures: &Path) -> Result<(), Failure> {
    let axe = root().join("target/npm/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&axe)
        .map_err(|error| Failure(format!("{}: {error}", axe.display())))?;
    let (browser, sandbox) = (Browser::start()?, Sandbox::start(&[])?);
    let stage = Stage { browser: &browser, sandbox: &sandbox, pictures, axe };
    stage.live(claims)?;
    stage.message(claims)?;
    stage.search(claims)?;
    stage.keys(claims)?;
    stage.dark(claims)?;
    stage.accessible(claims)?;
    stage.small(claims)?;
    stage.many(claims)?;
    stage.faults(claims)?;
    stage.hostile(claims)?;
    stage.remote(claims)?;
    login(claims, &browser, &stage)
}

impl Stage<'_> {
    fn inbox(&self, name: &str) -> Result<(), Failure> {
        self.browser.open(&self.sandbox.url(&format!("/inbox/{name}")))
    }

    fn picture(&self, name: &str) -> Result<(), Failure> {
        let octets = decode_base64(&self.browser.picture()?);
        Ok(std::fs::write(self.pictures.join(format!("{name}.png")), octets)?)
    }

    fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.textContent ?? ''");
        let text = self.browser.run(&script).unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    fn subjects(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('.row')]\
            .sort((a, b) => a.dataset.place - b.dataset.place)\
            .map(row => row.querySelector('.subject').textContent)";
        let told = self.browser.run(script).unwrap_or_default();
        told.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A message is in the list a moment after it came.
    #[expect(clippy::disallowed_methods, reason = "how long it took is told")]
    fn live(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.inbox("default")?;
        let live = "return document.getElementById('live').textContent === 'Live'";
        claims.check("the page is live", self.browser.comes(live), &self.text("#live"));
        let empty = self.browser.run("return !document.getElementById('empty').hidden")?;
        claims.check("an empty inbox says so", empty == true, "");
        let start = Instant::now();
        self.sandbox.send("default", "Welcome aboard", HONEST)?;
        let shown =
            "return document.querySelector('.row .subject')?.textContent === 'Welcome aboard'";
        claims.check("a message arrives by itself", self.browser.comes(shown), "");
        say(&format!("browser: in the page after {} ms", start.elapsed().as_millis()));
        let title = || self.browser.title().unwrap_or_default();
        let counted = wait_for(Duration::from_secs(5), || title() == "(1) default");
        claims.check("the title counts what is unread", counted, &title());
        Ok(())
    }

    /// A message is shown from all its sides.
    fn message(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.browser.click(".row a")?;
        let open = self.browser.comes("return document.querySelector('.message h2') !== null");
        claims.check("a click opens a message", open, "");
        let title = self.browser.title()?;
        claims.check("and it is read", title == "default", &title);
        let seen = self.browser.frame_text("h1").unwrap_or_default();
        claims.check("its HTML is shown", seen == "Welcome", &seen);
        self.browser.click(".width[data-width=w320]")?;
        let narrow =
            "return document.querySelector('iframe').getBoundingClientRect().width === 320";
        claims.check("in other widths", self.browser.comes(narrow), "");
        self.picture("message")?;
        for (value, wanted) in [("full", "invert(1)"), ("partial", "#121212")] {
            let script = format!(
                "const one = document.getElementById('dark'); one.value = '{value}';\
                 one.dispatchEvent(new Event('change', {{ bubbles: true }}));\
                 return document.querySelector('iframe').src"
            );
            let source = self.browser.run(&script)?;
            let page = source.as_str().unwrap_or_default().to_owned();
            let path = page.split_once(&self.sandbox.page.to_string()).map_or("", |(_, path)| path);
            let (_, text) = super::driver::http(self.sandbox.page, "GET", path, None)?;
            claims.check(
                &format!("as clients show it in the dark: {value}"),
                text.contains(wanted),
                &text,
            );
            self.picture(&format!("dark-{value}"))?;
        }
        for (tab, wanted) in [
            ("text", "Your code is 482910"),
            ("html-source", "not whole in"),
            ("header", "MIME-Version"),
            ("parts", "text/html"),
            ("raw", "Subject: Welcome aboard"),
            ("conversation", "HTTP"),
            ("checks", "Spam score"),
        ] {
            self.browser.click(&format!("label[for=tab-{tab}]"))?;
            let script = format!(
                "const tab = document.querySelector('#tab-{tab} + label + .tab');\
                 return tab.checkVisibility() && tab.textContent.includes('{wanted}')"
            );
            let detail = self.text(&format!("#tab-{tab} + label + .tab"));
            claims.check(&format!("the tab {tab}"), self.browser.comes(&script), &detail);
        }
        self.picture("checks")
    }

    fn search(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.sandbox.send("default", "Your invoice", HONEST)?;
        self.browser.write("input[type=search]", &format!("subject:invoice{ENTER}"))?;
        let found = self.browser.comes("return document.querySelectorAll('.row').length === 1");
        let subjects = self.subjects();
        claims.check(
            "a search finds",
            found && subjects == ["Your invoice"],
            &format!("{subjects:?}"),
        );
        self.sandbox.send("default", "Another invoice", HONEST)?;
        let two = self.browser.comes("return document.querySelectorAll('.row').length === 2");
        claims.check("and is live", two, &format!("{:?}", self.subjects()));
        self.sandbox.send("default", "Something else", HONEST)?;
        self.picture("search")?;
        self.inbox("default")
    }

    fn keys(&self, claims: &mut Claims) -> Result<(), Failure> {
        let browser = self.browser;
        browser.comes("return document.querySelectorAll('.row').length === 4");
        browser.press("jj")?;
        let at = "return document.querySelector('.row.at .subject')?.textContent ?? ''";
        let second = browser.run(at)?;
        claims.check("j goes down", second == "Another invoice", &second.to_string());
        browser.press("k")?;
        let first = browser.run(at)?;
        claims.check("k goes up", first == "Something else", &first.to_string());
        browser.press("o")?;
        let open = "return document.querySelector('.message h2')?.textContent === 'Something else'";
        claims.check("o opens", browser.comes(open), "");
        browser.press("x")?;
        let picked = "return document.getElementById('picked').textContent === '1 selected'";
        claims.check("x selects", browser.comes(picked), &self.text("#picked"));
        browser.press("#")?;
        let gone = "return [...document.querySelectorAll('.row .subject')]\
            .every(one => one.textContent !== 'Something else')\
            && document.querySelectorAll('.row').length === 3";
        claims.check(
            "# deletes what is selected",
            browser.comes(gone),
            &format!("{:?}", self.subjects()),
        );
        browser.press("?")?;
        let help = "return document.getElementById('keys').open";
        claims.check("? explains", browser.comes(help), "");
        self.picture("keys")?;
        browser.press(ESCAPE)?;
        browser.press("/")?;
        let focused = "return document.activeElement.type === 'search'";
        claims.check("/ goes to the search", browser.comes(focused), "");
        browser.press(ESCAPE)?;
        browser.run("document.activeElement.blur()")?;
        browser.press(&format!("{CONTROL}k"))?;
        let palette = "return document.getElementById('palette').open";
        claims.check("Ctrl K opens the palette", browser.comes(palette), "");
        browser.press("refus")?;
        self.picture("palette")?;
        browser.press(ENTER)?;
        let there = "return location.pathname === '/refusals'";
        claims.check("a command of it runs", browser.comes(there), "");
        self.inbox("default")
    }

    fn dark(&self, claims: &mut Claims) -> Result<(), Failure> {
        let ground = "return getComputedStyle(document.body).backgroundColor";
        self.browser.darken(false)?;
        let light = self.browser.run(ground)?;
        self.browser.darken(true)?;
        let dark = self.browser.run(ground)?;
        let detail = format!("{light} {dark}");
        let right = light == "rgb(255, 255, 255)" && dark == "rgb(22, 24, 28)";
        claims.check("the page follows the system into the dark", right, &detail);
        self.browser.click(".row a")?;
        self.browser.comes("return document.querySelector('.message h2') !== null");
        self.picture("dark")?;
        self.browser.click("#theme")?;
        let own = self.browser.run(ground)?;
        claims.check("and out of it when told", own == light, &own.to_string());
        self.browser.run("localStorage.clear()")?;
        self.browser.darken(false)
    }

    /// Nothing that axe-core calls serious or critical.
    fn axe(&self, name: &str, claims: &mut Claims) -> Result<(), Failure> {
        self.browser.run(&self.axe)?;
        let script = "const done = arguments[arguments.length - 1];\
            axe.run(document, { iframes: false }).then(found => done(found.violations\
            .filter(one => ['serious', 'critical'].includes(one.impact))\
            .map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html).join(' '))),\
            error => done([String(error)]))";
        let found = self.browser.run_async(script)?;
        let is_clean = found.as_array().is_some_and(Vec::is_empty);
        claims.check(&format!("axe finds nothing serious: {name}"), is_clean, &found.to_string());
        Ok(())
    }

    fn accessible(&self, claims: &mut Claims) -> Result<(), Failure> {
        for is_dark in [false, true] {
            let shade = if is_dark { "dark" } else { "light" };
            self.browser.darken(is_dark)?;
            self.inbox("default")?;
            self.browser.comes("return document.querySelector('.row') !== null");
            self.axe(&format!("list, {shade}"), claims)?;
            self.browser.click(".row a")?;
            self.browser.comes("return document.querySelector('.message h2') !== null");
            self.axe(&format!("message, {shade}"), claims)?;
            for tab in ["html-source", "checks"] {
                self.browser.click(&format!("label[for=tab-{tab}]"))?;
                let loaded = "return document.querySelector('[data-load]') === null";
                if tab == "checks" {
                    self.browser.comes(loaded);
                }
                self.axe(&format!("{tab}, {shade}"), claims)?;
            }
            self.browser.open(&self.sandbox.url("/refusals"))?;
            self.axe(&format!("refusals, {shade}"), claims)?;
        }
        self.browser.darken(false)
    }

    fn small(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.browser.resize(500, 800)?;
        self.inbox("default")?;
        self.browser.comes("return document.querySelector('.row') !== null");
        let fits = "return document.documentElement.scrollWidth <= innerWidth";
        claims.check("a small screen shows the list alone", self.browser.run(fits)? == true, "");
        self.browser.click(".row a")?;
        let reading = "return document.querySelector('.message') !== null\
            && !document.querySelector('.list').checkVisibility()";
        claims.check("then the message alone", self.browser.comes(reading), "");
        self.picture("small")?;
        self.browser.click(".back")?;
        let back = "return document.querySelector('.list').checkVisibility()";
        claims.check("and goes back", self.browser.comes(back), "");
        self.browser.resize(1280, 900)
    }

    /// A long list has few rows in the document, and its end is a moment away.
    fn many(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.sandbox.flood("many", MANY)?;
        self.inbox("many")?;
        let first = format!(
            "return document.querySelector('.row .subject')?.textContent === 'number {}'",
            MANY - 1
        );
        claims.check("a long list begins with the newest", self.browser.comes(&first), "");
        self.browser.run("document.querySelector('.list').scrollTop = 1e9")?;
        let last = "return [...document.querySelectorAll('.row .subject')]\
            .some(one => one.textContent === 'number 0')";
        claims.check("its end is there at once", self.browser.comes(last), "");
        self.browser.run("document.querySelector('.list').scrollTop = 98 * 1500")?;
        let middle = "return [...document.querySelectorAll('.row .subject')]\
            .some(one => one.textContent === 'number 1496')";
        claims.check(
            "and its middle",
            self.browser.comes(middle),
            &format!("{:?}", self.subjects()),
        );
        let rows = self.browser.run("return document.querySelectorAll('.row').length")?;
        let few = rows.as_u64().is_some_and(|count| count < 120);
        claims.check("few rows are in the document", few, &rows.to_string());
        self.sandbox.send("many", "On top", HONEST)?;
        let kept = "return document.getElementById('count').textContent === '3001'\
            && document.querySelector('.list').scrollTop === 98 * 1501";
        let place = "return document.querySelector('.list').scrollTop";
        let detail = self.browser.run(place)?.to_string();
        claims.check("what comes does not move what is read", self.browser.comes(kept), &detail);
        self.browser.open(&self.sandbox.url("/inbox/many?query=subject:number"))?;
        let counted = "return document.getElementById('count').textContent === '3000'\
            && document.querySelector('.row .subject')?.textContent === 'number 2999'";
        let seen = self.browser.comes(counted);
        claims.check("a search shows its rows, then their number", seen, &self.text("#count"));
        self.browser.run("document.querySelector('.list').scrollTop = 1e9")?;
        claims.check("and has its end, too", self.browser.comes(last), "");
        Ok(())
    }

    /// The faults of an inbox: one is added, meets a program, and goes.
    fn faults(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.sandbox.inbox("odd")?;
        self.browser.open(&self.sandbox.url("/inbox/odd/settings"))?;
        let none = "return document.getElementById('no-faults') !== null";
        claims.check("an inbox has no faults at first", self.browser.comes(none), "");
        self.browser.click(".new-fault summary")?;
        self.axe("settings", claims)?;
        self.browser.write("input[name=recipient]", "b@*")?;
        self.browser.click(".new-fault button")?;
        let told = "return document.querySelector('[role=alert]')?.textContent\
            .includes('does nothing') === true";
        claims.check("a fault that does nothing is told of", self.browser.comes(told), "");
        self.browser.click(".new-fault summary")?;
        self.browser.write("input[name=recipient]", "b@*")?;
        self.browser.write("input[name=reply]", "450 4.2.0 Busy")?;
        self.browser.click(".new-fault button")?;
        let added = "return document.querySelectorAll('.faults tbody tr').length === 1";
        claims.check("a fault is added", self.browser.comes(added), &self.text("main"));
        let refused = self.sandbox.flood("odd", 1).is_err();
        claims.check("programs meet it", refused, "");
        self.inbox("odd")?;
        self.browser.open(&self.sandbox.url("/inbox/odd/settings"))?;
        let struck = "return document.querySelector('.faults tbody td:nth-child(4)')?.textContent";
        let struck = self.browser.run(struck)?;
        claims.check("and it is counted", struck == "1", &struck.to_string());
        for is_dark in [false, true] {
            self.browser.darken(is_dark)?;
            self.axe(if is_dark { "faults, dark" } else { "faults, light" }, claims)?;
        }
        self.browser.darken(false)?;
        self.picture("faults")?;
        self.browser.click(".faults button")?;
        claims.check("and goes", self.browser.comes(none), "");
        self.webhooks(claims)
    }

    /// The webhooks of an inbox: one is made, its secret is shown once, and it goes.
    fn webhooks(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.browser.write("input[name=url]", "https://hooks.example/mail")?;
        self.browser.click("form[action$=webhooks] button[value=add]")?;
        let secret = "return document.getElementById('secret')?.textContent\
            .includes('whsec_') === true";
        claims.check("a webhook is made, with a secret", self.browser.comes(secret), "");
        self.axe("webhooks", claims)?;
        self.picture("webhooks")?;
        self.browser.open(&self.sandbox.url("/inbox/odd/settings"))?;
        let once = "return document.getElementById('secret') === null\
            && document.querySelector('.webhook h3')?.textContent === 'https://hooks.example/mail'";
        claims.check("that is shown once", self.browser.comes(once), &self.text("main"));
        self.browser.click(".webhook button[value=remove]")?;
        let gone = "return document.querySelector('.webhook') === null\
            && document.getElementById('webhooks-title') !== null";
        claims.check("and it goes, too", self.browser.comes(gone), "");
        Ok(())
    }

    /// Pictures of the web are not asked for, unless the reader wants them; then by us alone.
    fn remote(&self, claims: &mut Claims) -> Result<(), Failure> {
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
    fn hostile(&self, claims: &mut Claims) -> Result<(), Failure> {
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
        wait_for(Duration::from_secs(3), || counter.count() >= 40);
        let hits = counter.take();
        let acts = |number: usize| {
            hits.iter().any(|hit| hit.split('/').nth(3) == Some(&number.to_string()))
        };
        let silent: Vec<usize> =
            (0..hostile::BODIES.len()).filter(|number| !acts(*number)).collect();
        let ran = hits.iter().filter(|hit| hit.starts_with("/hit/script/")).count();
        let asked = hits.iter().filter(|hit| hit.starts_with("/hit/load/")).count();
        say(&format!(
            "browser: without walls {ran} ran and {asked} asked; these do neither in \
            this browser: {silent:?}"
        ));
        claims.check(
            "without walls they do both",
            ran >= 10 && asked >= 12 && silent.len() <= 10,
            &format!("{hits:?}"),
        );
        Ok(())
    }
}

/// Where a password is set, the page asks for it.
fn login(claims: &mut Claims, browser: &Browser, stage: &Stage<'_>) -> Result<(), Failure> {
    let sandbox = Sandbox::start(&["--token", "open sesame"])?;
    let stage =
        Stage { browser, sandbox: &sandbox, pictures: stage.pictures, axe: stage.axe.clone() };
    stage.inbox("default")?;
    let asks = "return document.querySelector('input[type=password]') !== null";
    claims.check("a password is asked for", browser.comes(asks), "");
    stage.axe("login", claims)?;
    stage.picture("login")?;
    browser.write("#password", &format!("wrong{ENTER}"))?;
    let wrong = "return document.querySelector('[role=alert]') !== null";
    claims.check("a wrong one opens nothing", browser.comes(wrong), "");
    browser.write("#password", &format!("open sesame{ENTER}"))?;
    let live = "return document.getElementById('live')?.textContent === 'Live'";
    claims.check("the right one opens the page, and its events", browser.comes(live), "");
    let cookies = browser.cookies()?;
    let one = cookies.get(0).cloned().unwrap_or_default();
    let guarded = one.get("httpOnly") == Some(&true.into())
        && one.get("sameSite").and_then(Value::as_str) == Some("Strict");
    claims.check("by a cookie that no script and no other site has", guarded, &cookies.to_string());
    Ok(())
}
