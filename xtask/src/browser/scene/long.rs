//! Long lists: their ends are a moment away, and few of their rows are in the document.

use std::time::Instant;

use super::{HONEST, Stage};
use crate::{
    browser::Claims,
    run::{Failure, say},
};

/// Messages of the long list.
const MANY: usize = 3_000;
/// Messages of the longest, and how long it may take to show any of them or to find some, in ms.
const MOST: usize = 100_000;
const SOON: u128 = 1_000;

impl Stage<'_> {
    /// A long list has few rows in the document, and its end is a moment away.
    pub(super) fn many(&self, claims: &mut Claims) -> Result<(), Failure> {
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
        self.browser.run("document.querySelector('.list').scrollTop = 76 * 1500")?;
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
            && document.querySelector('.list').scrollTop === 76 * 1501";
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

    /// An inbox of 100,000 messages scrolls and is searched without delay.
    pub(super) fn long(&self, claims: &mut Claims) -> Result<(), Failure> {
        self.sandbox.flood("long", MOST)?;
        let newest = MOST - 1;
        self.timed(claims, "is opened", &format!("number {newest}"), |stage| stage.inbox("long"))?;
        for (what, place, number) in [
            ("has its end", MOST, 0),
            ("has its middle", MOST / 2, MOST / 2 - 3),
            ("has its last quarter", MOST / 4 * 3, MOST / 4 - 3),
            ("has its beginning", 0, newest),
        ] {
            let script = format!("document.querySelector('.list').scrollTop = 76 * {place}");
            self.timed(claims, what, &format!("number {number}"), |stage| {
                stage.browser.run(&script).map(drop)
            })?;
        }
        for (query, number) in [
            ("subject:77777", 77_777),
            ("number -subject:99999", 99_998),
            ("from:a@a.example", newest),
        ] {
            let path = format!("/inbox/long?query={}", query.replace(' ', "%20"));
            self.timed(claims, &format!("finds {query}"), &format!("number {number}"), |stage| {
                stage.browser.open(&stage.sandbox.url(&path))
            })?;
        }
        self.picture("long")
    }

    /// How long it takes until a row with this subject is in view.
    #[expect(clippy::disallowed_methods, reason = "how long it took is told")]
    fn timed(
        &self,
        claims: &mut Claims,
        what: &str,
        subject: &str,
        act: impl FnOnce(&Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        act(self)?;
        let seen = format!(
            "const view = document.querySelector('.list').getBoundingClientRect();\
             return [...document.querySelectorAll('.row')].some(row => {{\
             const own = row.getBoundingClientRect();\
             return own.top < view.bottom && own.bottom > view.top\
             && row.querySelector('.subject').textContent === '{subject}' }})"
        );
        let is_there = self.browser.comes(&seen);
        let took = start.elapsed().as_millis();
        say(&format!("browser: the inbox of {MOST} {what} after {took} ms"));
        let detail = format!("{took} ms, {:?}", self.subjects());
        claims.check(&format!("the longest inbox {what}"), is_there && took < SOON, &detail);
        Ok(())
    }
}
