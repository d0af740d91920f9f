//! What an inbox goes by, and the checks of a message, as forms of the page ask for them.

use super::{HONEST, Stage};
use crate::{
    browser::{
        Claims,
        driver::{http, http_as},
    },
    run::Failure,
};

impl Stage<'_> {
    /// The faults of an inbox: one is added, meets a program, and goes.
    pub(super) fn faults(&self, claims: &mut Claims) -> Result<(), Failure> {
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
    pub(super) fn webhooks(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.browser.write("input[name=url]", "https://hooks.example/mail")?;
        self.browser.click("form[action*=webhooks] button[value=add]")?;
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
        self.tokens(claims)
    }

    /// The tokens of an inbox: one is made, is shown once, opens this inbox alone, and ends.
    fn tokens(&self, claims: &mut Claims) -> Result<(), Failure> {
        let label = "ci <b>\"'&";
        self.browser.write("form[action*=tokens] input[name=label]", label)?;
        self.browser.click("form[action*=tokens] button[value=add]")?;
        let told = "return document.querySelector('#token code')?.textContent.startsWith('mwt_')\
            === true";
        claims.check("a token is made", self.browser.comes(told), &self.text("main"));
        let token = self.text("#token code");
        self.axe("tokens", claims)?;
        self.picture("tokens")?;
        let field = format!("Authorization: Bearer {token}\r\n");
        let code = |path: &str| -> Result<u16, Failure> {
            Ok(http_as(&field, (self.sandbox.page, "GET", path), None)?.0)
        };
        let (own, other) =
            (code("/api/inboxes/odd/messages")?, code("/api/inboxes/default/messages")?);
        let opens = own == 200 && other != 200;
        claims.check("it opens this inbox alone", opens, &format!("{own} {other}"));
        self.browser.open(&self.sandbox.url("/inbox/odd/settings"))?;
        let row = self.text(".tokens tbody th");
        let is_gone = self.browser.run("return document.getElementById('token') === null")? == true;
        claims.check("and is shown once, its label always", is_gone && row == label, &row);
        self.browser.click(".tokens button[value=revoke]")?;
        let none = "return document.querySelector('.tokens') === null\
            && document.getElementById('tokens-title') !== null";
        let revoked = self.browser.comes(none);
        let after = code("/api/inboxes/odd/messages")?;
        claims.check("revoked, it is worth nothing", revoked && after == 401, &after.to_string());
        Ok(())
    }

    /// Where programs send to is told, in lines that can be copied.
    pub(super) fn access(&self, claims: &mut Claims, inbox: &str) -> Result<(), Failure> {
        self.browser.open(&self.sandbox.url(&format!("/inbox/{inbox}/settings")))?;
        let told = self.text(".access");
        let smtp = format!("127.0.0.1:{}", self.sandbox.smtp);
        let is_told = told.contains(&smtp) && told.contains(inbox);
        claims.check("where to send is told", is_told, &told);
        let lines = self.text(".snippets");
        let port = format!("SMTP_PORT={}", self.sandbox.smtp);
        let has_lines = lines.contains(&port) && lines.contains("smtplib");
        claims.check("with lines for programs", has_lines, &lines);
        self.browser.click(".snippets .copy")?;
        let copied = "return ['Copied', 'Selected'].includes(\
            document.querySelector('.snippets .copy').textContent)\
            && getSelection().toString().includes('SMTP_HOST=127.0.0.1')";
        claims.check("that are copied", self.browser.comes(copied), &self.text(".snippets"));
        Ok(())
    }

    /// The checks are asked for other readers, and for who will send it.
    pub(super) fn checks(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.sandbox.inbox("checked")?;
        self.sandbox.send("checked", "Checked", HONEST)?;
        self.inbox("checked")?;
        self.first()?;
        self.browser.comes("return document.querySelector('.message h2') !== null");
        self.browser.click("label[for=tab-checks]")?;
        self.browser.comes("return document.querySelector('.wishes') !== null");
        let summed = self.text(".numbers");
        let is_sum =
            ["HTML", "Spam", "Broken links", "Errors"].iter().all(|one| summed.contains(one));
        claims.check("the checks are summed up", is_sum, &summed);
        let names = "return [...document.querySelectorAll('.checks section')]\
            .map(one => one.getAttribute('aria-label')).join(', ')";
        let names = self.browser.run(names)?.to_string();
        let wanted = ["HTML and CSS", "Spam score", "Origin", "Blocklists", "Links", "Structure"];
        claims.check("each has its place", wanted.iter().all(|one| names.contains(one)), &names);
        let records = "a.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n\
            _dmarc.a.example. TXT \"v=DMARC1; p=reject\"";
        for (ip, word) in [("192.0.2.1", "pass"), ("192.0.2.2", "fail")] {
            self.browser.run(&format!(
                "const form = document.querySelector('.wishes');\
                 form.clients.value = 'shares';\
                 form.shares.value = 'outlook.windows=3, gmail.*=1';\
                 form.ip.value = '{ip}'; form.from.value = 'app@a.example';\
                 form.records.value = {records:?}; document.querySelector('.numbers').remove();\
                 form.querySelector('details').open = true"
            ))?;
            self.browser.click(".wishes .line button")?;
            self.browser.comes("return document.querySelector('.numbers') !== null");
            let told = self.text(".results");
            let spf = told.contains(&format!("SPF{word}"));
            let dmarc = told.contains(&format!("DMARC{word}"));
            claims.check(&format!("from {ip} SPF and DMARC {word}"), spf && dmarc, &told);
        }
        let shares = self.text("[aria-label='HTML and CSS'] p");
        let is_for = shares.contains("outlook.windows=3, gmail.*=1");
        claims.check("the score is for chosen shares of clients", is_for, &shares);
        self.axe("checks of an origin", claims)?;
        self.picture("origin")?;
        let report = "return document.querySelector('.checks a[href*=junit]').getAttribute('href')";
        let path = self.browser.run(report)?;
        let (code, junit) =
            http(self.sandbox.page, "GET", path.as_str().unwrap_or_default(), None)?;
        claims.check(
            "the report is there for programs",
            code == 200 && junit.contains("<testsuite"),
            &junit,
        );
        self.browser.run("document.querySelector('.wishes').ip.value = 'nowhere'")?;
        self.browser.click(".wishes .line button")?;
        let wrong = "return document.querySelector('.checks [role=alert]') !== null";
        claims.check("what is no address is told of", self.browser.comes(wrong), "");
        Ok(())
    }
}
