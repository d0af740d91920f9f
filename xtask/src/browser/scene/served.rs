//! A whole server: an inbox is made on its page, with a password of its own, and lists are asked.

use super::{HONEST, Stage};
use crate::{
    browser::{
        Claims,
        post::{Client, Record, Says, names},
        world::{Sandbox, free_port},
    },
    run::Failure,
};

/// What the DNS says: a list with its own tests, which has one address.
const RECORDS: [Record; 4] = [
    ("2.0.0.127.list.example", Says::Address([127, 0, 0, 2])),
    ("1.2.0.192.list.example", Says::Address([127, 0, 0, 2])),
    ("1.2.0.192.list.example", Says::Text("listed <b>for</b> a test")),
    ("a.example", Says::Text("v=spf1 ip4:192.0.2.1 -all")),
];

impl Stage<'_> {
    /// An inbox of a server that is no open sandbox.
    pub(super) fn served(&self, claims: &mut Claims) -> Result<(), Failure> {
        let (port, msa) = (names(&RECORDS)?, free_port()?);
        let more = format!(
            "[dns]\nservers = [\"127.0.0.1:{port}\"]\n[checks]\n\
             address_lists = [\"list.example\"]\n\
             [auth]\nplaintext_from = [\"127.0.0.0/8\"]\n\
             [listeners.msa]\nrole = \"msa\"\naddresses = [\"127.0.0.1:{msa}\"]\n"
        );
        let sandbox = Sandbox::serve(&self.pictures.join("served"), &more)?;
        let stage = self.before(&sandbox);
        stage.made(claims, msa)?;
        stage.access(claims, "shop")?;
        stage.listed(claims)?;
        stage.ended(claims)
    }

    /// An inbox is made in the page, and its password opens it.
    fn made(&self, claims: &mut Claims, msa: u16) -> Result<(), Failure> {
        let browser = self.browser;
        browser.open(&self.sandbox.url("/"))?;
        let all = "return location.pathname === '/inboxes'";
        claims.check("a server without inboxes offers to make one", browser.comes(all), "");
        self.axe("inboxes", claims)?;
        browser.write("input[name=name]", "Shop")?;
        browser.click("button[value=add]")?;
        let made = "return document.querySelector('#made code') !== null";
        claims.check("an inbox is made in the page", browser.comes(made), &self.text("main"));
        let password = self.text("#made code");
        self.picture("inboxes")?;
        let opens = |password: &str| {
            let mut client = Client::connect(msa)?;
            client.log_in("shop", password)?;
            client.send(&format!("From: app@a.example\r\nSubject: hello\r\n\r\n{HONEST}"))
        };
        let (right, wrong) = (opens(&password), opens("wrong"));
        let detail = format!("{right:?} {wrong:?}");
        claims.check("its password opens it", right.is_ok() && wrong.is_err(), &detail);
        browser.click("#made a")?;
        let came = "return document.querySelector('.row .subject')?.textContent === 'hello'";
        claims.check("what is sent there is there", browser.comes(came), "");
        browser.open(&self.sandbox.url("/inbox/shop/settings"))?;
        browser.click("button[value=password]")?;
        let new = "return document.querySelector('#password code') !== null";
        claims.check("a new password is shown once", browser.comes(new), &self.text("main"));
        let next = self.text("#password code");
        self.picture("login-of-an-inbox")?;
        let (old, new) = (opens(&password), opens(&next));
        let detail = format!("{old:?} {new:?}");
        claims.check("and takes the place of the old", old.is_err() && new.is_ok(), &detail);
        Ok(())
    }

    /// Blocklists are asked when the reader says so, about who will send.
    fn listed(&self, claims: &mut Claims) -> Result<(), Failure> {
        let browser = self.browser;
        self.inbox("shop")?;
        self.first()?;
        browser.comes("return document.querySelector('.message h2') !== null");
        browser.click("label[for=tab-checks]")?;
        browser.comes("return document.querySelector('.wishes') !== null");
        for (ip, word) in [("192.0.2.1", "listed"), ("192.0.2.2", "free")] {
            browser.run(&format!(
                "const form = document.querySelector('.wishes'); form.online.checked = true;\
                 form.ip.value = '{ip}'; document.querySelector('.numbers').remove()"
            ))?;
            browser.click(".wishes .line button")?;
            browser.comes("return document.querySelector('.numbers') !== null");
            let told = self.text(".lists");
            let is_told = told.contains(word) && told.contains(ip);
            claims.check(&format!("{ip} is {word}"), is_told, &told);
            if word == "listed" {
                let reason = told.contains("listed <b>for</b> a test");
                claims.check("with the words of the list", reason, &told);
                let spf = self.text(".results");
                claims.check("the DNS is asked for SPF", spf.contains("SPFpass"), &spf);
                self.axe("blocklists", claims)?;
                browser.run("document.querySelector('.lists').scrollIntoView()")?;
                self.picture("blocklists")?;
            }
        }
        Ok(())
    }

    /// It is given a time, and is removed.
    fn ended(&self, claims: &mut Claims) -> Result<(), Failure> {
        let browser = self.browser;
        browser.open(&self.sandbox.url("/inbox/shop/settings"))?;
        browser.run("document.querySelector('select[name=life]').value = '3600'")?;
        browser.click("button[value=life]")?;
        let told =
            "return document.querySelector('[aria-labelledby=end-title] .note time') !== null";
        claims.check("an inbox gets a time to live", browser.comes(told), &self.text("main"));
        browser.click(".end summary")?;
        browser.click("button[value=remove]")?;
        let gone = "return location.pathname === '/inboxes'\
            && ![...document.querySelectorAll('.inboxes th a')]\
            .some(one => one.textContent === 'shop')";
        claims.check("and is removed", browser.comes(gone), &self.text("main"));
        Ok(())
    }
}
