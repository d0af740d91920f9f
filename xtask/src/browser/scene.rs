//! The scenes: what a person does with the pages, and what has to come of it.

mod guarded;
mod long;
mod served;
mod settings;
mod walls;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Claims,
    driver::{Browser, CONTROL, ENTER, ESCAPE},
    world::{Sandbox, decode_base64, wait_for},
};
use crate::run::{Failure, root, say};

/// A message as an honest sender writes it.
const HONEST: &str = "<style>p{color:#111}</style><body style='background:#ffffff'><h1>Welcome</h1>\
    <p style='display:grid;color:#222222'>Press <a href='https://shop.example/c'>here</a></p>\
    <img src='https://shop.example/logo.png' alt='Logo'></body>";

/// The views of a message.
const TABS: [&str; 8] =
    ["preview", "text", "html-source", "checks", "header", "parts", "raw", "conversation"];

struct Stage<'a> {
    browser: &'a Browser,
    sandbox: &'a Sandbox,
    pictures: &'a Path,
    axe: String,
}

/// Plays all of them.
pub(crate) fn all(claims: &mut Claims, pictures: &Path, is_long: bool) -> Result<(), Failure> {
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
    stage.checks(claims)?;
    stage.hostile(claims)?;
    stage.texts(claims)?;
    stage.files(claims)?;
    stage.remote(claims)?;
    stage.login(claims)?;
    stage.release(claims)?;
    stage.served(claims)?;
    if is_long { stage.long(claims) } else { Ok(()) }
}

impl<'a> Stage<'a> {
    /// The same stage before another server.
    fn before<'b>(&'b self, sandbox: &'b Sandbox) -> Stage<'b>
    where
        'a: 'b,
    {
        let Self { browser, pictures, axe, .. } = self;
        Stage { browser, sandbox, pictures, axe: axe.clone() }
    }

    fn inbox(&self, name: &str) -> Result<(), Failure> {
        self.browser.open(&self.sandbox.url(&format!("/inbox/{name}")))
    }

    /// Opens the first message of the list, once it is there.
    fn first(&self) -> Result<(), Failure> {
        self.browser.comes("return document.querySelector('.row a') !== null");
        self.browser.click(".row a")
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
        self.first()?;
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
        self.first()?;
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

    /// Every view, in the light and the dark, and on a small screen.
    fn accessible(&self, claims: &mut Claims) -> Result<(), Failure> {
        for (shade, is_dark, width) in
            [("light", false, 1280), ("dark", true, 1280), ("small", false, 500)]
        {
            self.browser.darken(is_dark)?;
            self.browser.resize(width, 900)?;
            self.inbox("default")?;
            self.browser.comes("return document.querySelector('.row') !== null");
            self.axe(&format!("list, {shade}"), claims)?;
            self.first()?;
            self.browser.comes("return document.querySelector('.message h2') !== null");
            for tab in TABS {
                self.browser.click(&format!("label[for=tab-{tab}]"))?;
                self.browser.comes(
                    "return document.querySelector('.tabs > input:checked')\
                    .nextElementSibling.nextElementSibling.querySelector('[data-load]') === null",
                );
                self.axe(&format!("{tab}, {shade}"), claims)?;
                self.fits(&format!("{tab}, {shade}"), claims)?;
            }
            for path in ["/inbox/default/settings", "/inboxes", "/refusals"] {
                self.browser.open(&self.sandbox.url(path))?;
                self.axe(&format!("{path}, {shade}"), claims)?;
                self.fits(&format!("{path}, {shade}"), claims)?;
            }
        }
        self.browser.darken(false)?;
        self.browser.resize(1280, 900)?;
        self.inbox("default")?;
        let own = "return performance.getEntriesByType('resource').length > 3\
            && performance.getEntriesByType('resource')\
            .every(one => one.name.startsWith(location.origin))";
        claims.check("nothing is asked of the net", self.browser.comes(own), "");
        Ok(())
    }

    /// Whether a page is no wider than the window.
    fn fits(&self, name: &str, claims: &mut Claims) -> Result<(), Failure> {
        let wide = "return [document.documentElement, document.getElementById('pane'),\
            document.querySelector('main.alone')].filter(one => one !== null\
            && one.scrollWidth > one.clientWidth).map(one => `${one.tagName} ${one.scrollWidth}`)";
        let wide = self.browser.run(wide)?;
        if wide.as_array().is_none_or(|all| !all.is_empty()) {
            claims.check(&format!("it fits its window: {name}"), false, &wide.to_string());
        }
        Ok(())
    }

    fn small(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.browser.resize(500, 800)?;
        self.inbox("default")?;
        self.browser.comes("return document.querySelector('.row') !== null");
        let fits = "return document.documentElement.scrollWidth <= innerWidth";
        claims.check("a small screen shows the list alone", self.browser.run(fits)? == true, "");
        self.first()?;
        let reading = "return document.querySelector('.message') !== null\
            && !document.querySelector('.list').checkVisibility()";
        claims.check("then the message alone", self.browser.comes(reading), "");
        self.picture("small")?;
        self.browser.click(".back")?;
        let back = "return document.querySelector('.list').checkVisibility()";
        claims.check("and goes back", self.browser.comes(back), "");
        self.browser.resize(1280, 900)
    }
}
