//! What changed in the open mailbox, told without being asked.
//!
//! In this order: names of keywords, what is gone, how many there are, flags; so that every number
//! is right when it is told. Source: RFC 9051 section 7, RFC 7162 section 3.2.10, RFC 3501
//! section 7.3.2.

use mailwright_view::{Expunges, News, NumberSet, Row, Snapshot};

use super::{Job, Session, State};
use crate::{Question, write};

impl Session {
    /// Takes a newer snapshot into the picture and tells what is new, but not the flags of the
    /// rows of `quiet`.
    pub(super) fn tell(
        &mut self,
        snapshot: &Snapshot,
        recent: &NumberSet,
        expunges: Expunges,
        quiet: Option<&NumberSet>,
    ) {
        let State::Selected(selected) = &mut self.state else { return };
        for range in recent.ranges() {
            selected.recent.insert(range);
        }
        let news = selected.picture.advance(snapshot, expunges);
        if news.is_empty() {
            return;
        }
        if news.keywords {
            self.tell_keywords(false);
        }
        self.tell_gone(&news);
        self.tell_count(&news);
        let mut quiet = quiet.map(NumberSet::ascending);
        for (seq, row) in &news.changed {
            let is_quiet = quiet.as_mut().is_some_and(|quiet| quiet.contains(row.uid));
            if !is_quiet {
                self.tell_flags(*seq, row);
            }
        }
    }

    fn tell_gone(&mut self, news: &News) {
        if self.enabled.qresync && !news.expunged.is_empty() {
            let gone: NumberSet = news.expunged.iter().rev().map(|&(_, uid)| uid).collect();
            self.untagged(&["VANISHED ", &gone.to_string()]);
            return;
        }
        for &(seq, _) in &news.expunged {
            self.out.extend_from_slice(b"* ");
            write::number(&mut self.out, seq);
            self.out.extend_from_slice(b" EXPUNGE\r\n");
        }
    }

    fn tell_count(&mut self, news: &News) {
        let Some(count) = news.exists else { return };
        self.untagged(&[&count.to_string(), " EXISTS"]);
        if !self.enabled.rev2 {
            self.tell_recent();
        }
    }

    pub(super) fn tell_recent(&mut self) {
        let State::Selected(selected) = &self.state else { return };
        let recent = selected.picture.count(&selected.recent);
        self.untagged(&[&recent.to_string(), " RECENT"]);
    }

    /// `FLAGS`: what may stand in the flags of a message; and what may be set, when `permanent`
    /// says that the mailbox was just opened.
    pub(super) fn tell_keywords(&mut self, permanent: bool) {
        let State::Selected(selected) = &self.state else { return };
        let mut names = String::new();
        for (_, name) in mailwright_view::Flags::NAMES {
            names.push_str(name);
            names.push(' ');
        }
        for keyword in selected.picture.snapshot().keywords() {
            names.push_str(keyword);
            names.push(' ');
        }
        let names = names.trim_end().to_owned();
        let read_only = selected.read_only;
        self.untagged(&["FLAGS (", &names, ")"]);
        if !permanent {
            return;
        }
        let star = if self.more_keywords() { " \\*" } else { "" };
        if read_only {
            self.untagged(&["OK [PERMANENTFLAGS ()] Nothing can be changed"]);
        } else {
            self.untagged(&["OK [PERMANENTFLAGS (", &names, star, ")] Flags that are kept"]);
        }
    }

    fn more_keywords(&self) -> bool {
        let State::Selected(selected) = &self.state else { return false };
        selected.more_keywords
    }

    /// `* 5 FETCH (UID 9 FLAGS (\Seen))`.
    fn tell_flags(&mut self, seq: u32, row: &Row) {
        let State::Selected(selected) = &self.state else { return };
        let recent = !self.enabled.rev2 && selected.recent.contains(row.uid);
        let out = &mut self.out;
        out.extend_from_slice(b"* ");
        write::number(out, seq);
        out.extend_from_slice(b" FETCH (UID ");
        write::number(out, row.uid);
        out.extend_from_slice(b" FLAGS ");
        write::flags(out, row.flags, selected.picture.snapshot().keywords(), recent);
        if self.enabled.condstore {
            out.extend_from_slice(b" MODSEQ (");
            write::number(out, row.modseq);
            out.push(b')');
        }
        out.extend_from_slice(b")\r\n");
    }

    /// Mod-sequences are told from now on. Source: RFC 7162 section 3.1.
    pub(super) fn enable_condstore(&mut self) {
        if std::mem::replace(&mut self.enabled.condstore, true) {
            return;
        }
        if let State::Selected(selected) = &self.state {
            let highest = selected.picture.snapshot().identity().highest_modseq.to_string();
            self.untagged(&["OK [HIGHESTMODSEQ ", &highest, "] Mod-sequences are told"]);
        }
    }

    /// Goes on within `IDLE`. Source: RFC 9051 section 6.3.13.
    pub(super) fn idle(&mut self) -> bool {
        const LINE_MAX: usize = 1024;
        if std::mem::take(&mut self.news) && matches!(self.state, State::Selected(_)) {
            self.job = Some(Job::Idle);
            let asked = super::Asked::Look { reply: None, expunges: Expunges::Tell };
            self.ask(Question::Latest, asked);
            return true;
        }
        match self.input.line(LINE_MAX) {
            None => {
                self.job = Some(Job::Idle);
                return false;
            }
            Some(Ok(line)) if line.eq_ignore_ascii_case(b"DONE") => {
                self.finish(super::Reply::ok("Idle is over"));
            }
            Some(_) => self.finish(super::Reply::bad("Expected DONE")),
        }
        true
    }
}
