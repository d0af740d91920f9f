//! Where a password is set: the page asks for it, and shows pictures all the same; and letting
//! messages go, where that is allowed.

use std::time::Duration;

use serde_json::Value;

use super::{HONEST, Stage};
use crate::{
    browser::{
        Claims,
        driver::{ENTER, http},
        post::{Client, Taker},
        world::{Counter, PICTURE, Sandbox, wait_for},
    },
    run::Failure,
};

impl Stage<'_> {
    /// Where a password is set, the page asks for it.
    pub(super) fn login(&self, claims: &mut Claims) -> Result<(), Failure> {
        let sandbox = Sandbox::start(&["--token", "open sesame"])?;
        let (stage, browser) = (self.before(&sandbox), self.browser);
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
        claims.check(
            "by a cookie that no script and no other site has",
            guarded,
            &cookies.to_string(),
        );
        stage.pictures_of_a_stranger(claims)
    }

    /// The document of a message has no login; its pictures come nevertheless, and nothing else.
    fn pictures_of_a_stranger(&self, claims: &mut Claims) -> Result<(), Failure> {
        let counter = Counter::start()?;
        let html = format!(
            "<style>div{{height:9px;background:url(cid:own)}}</style><div></div><img id=own \
             src='cid:own'><img id=web src='http://127.0.0.1:{}/hit/picture/web.png'>",
            counter.port
        );
        let message = format!(
            "Subject: Pictures\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/related; boundary=b\r\n\
             \r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b\r\nContent-Type: image/png\r\n\
             Content-ID: <own>\r\nContent-Transfer-Encoding: base64\r\n\r\n{PICTURE}\r\n--b--"
        );
        Client::connect(self.sandbox.smtp)?.send(&message)?;
        self.first()?;
        self.browser.comes("return document.querySelector('.message iframe') !== null");
        let width = |id: &str| self.browser.frame_number(id, "naturalWidth").unwrap_or_default();
        let own = wait_for(Duration::from_secs(5), || width("#own") == 1);
        claims.check("behind a password a message has its own pictures", own, "");
        self.browser.click("#remote")?;
        let web = wait_for(Duration::from_secs(5), || width("#web") == 1);
        claims.check("and those of the web, when they are wanted", web, "");
        self.picture("guarded")?;
        let source = "return document.querySelector('.message iframe').getAttribute('src')";
        let document = self.browser.run(source)?;
        let document = document.as_str().unwrap_or_default().to_owned();
        let picture = format!("{}/cid:own", document.split('?').next().unwrap_or_default());
        for path in [document, picture.clone(), format!("{picture}?until=9999999&signature=AA")] {
            let (code, _) = http(self.sandbox.page, "GET", &path, None)?;
            claims.check("without login and signature there is nothing", code == 401, &path);
        }
        Ok(())
    }

    /// What was caught goes to real addresses, where that is allowed, and says why it does not.
    pub(super) fn release(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.inbox("checked")?;
        self.first()?;
        self.browser.comes("return document.querySelector('.message h2') !== null");
        let none = self.browser.run("return document.querySelector('.release') === null")?;
        claims.check("nothing can be released until it is allowed", none == true, "");
        let taker = Taker::start()?;
        let via = format!("127.0.0.1:{}", taker.port);
        let sandbox = Sandbox::start(&["--release-via", &via, "--release-to", "real.example"])?;
        let stage = self.before(&sandbox);
        sandbox.send("default", "Let go", HONEST)?;
        stage.inbox("default")?;
        self.first()?;
        self.browser.comes("return document.querySelector('.release') !== null");
        self.browser.click(".release summary")?;
        let told = |text: &str| {
            let script = format!(
                "return document.querySelector('.released').textContent.includes('{text}')"
            );
            self.browser.comes(&script)
        };
        let ask = |to: &str| -> Result<(), Failure> {
            self.browser.clear(".release-to")?;
            self.browser.write(".release-to", to)?;
            self.browser.click(".release-one")
        };
        ask("victim@elsewhere.example")?;
        let why = told("Not released") && told("sandbox.release.to");
        claims.check("an address that is not allowed is told why", why, &self.text(".released"));
        ask("ann@real.example")?;
        let done = told("Released to ann@real.example");
        claims.check("one that is allowed is released to", done, &self.text(".released"));
        let came = wait_for(Duration::from_secs(10), || {
            taker.heard("RCPT TO:<ann@real.example>") && taker.heard("Subject: Let go")
        });
        let strays = taker.heard("RCPT TO:<victim");
        claims.check("and its server has the message, for it alone", came && !strays, "");
        ask("ann@real.example")?;
        let before = told("had it before");
        claims.check("asked again it is not sent again", before, &self.text(".released"));
        self.axe("release", claims)?;
        self.picture("release")
    }
}
