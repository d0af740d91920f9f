//! What a reply says about a whole site, as the operator's patterns have it.

use std::time::Duration;

use mailwright_config::{ReplyAction, ReplyRule};
use mailwright_words::Reply;
use regex::RegexSet;

/// What becomes of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// One connection and one message a minute, for so long.
    Slow(Duration),
    /// Nothing at all, for so long.
    Suspend(Duration),
}

/// The patterns, ready to be matched.
#[derive(Debug, Clone)]
pub struct Reactions {
    patterns: RegexSet,
    reactions: Vec<Reaction>,
}

impl Reactions {
    /// Those of the configuration, which has been checked: none where one is no pattern.
    pub fn new(rules: &[ReplyRule]) -> Self {
        let patterns = RegexSet::new(rules.iter().map(|rule| rule.pattern.as_str()));
        let patterns = patterns.unwrap_or_else(|error| {
            tracing::error!(%error, "Patterns of replies are out of use.");
            RegexSet::empty()
        });
        let reaction = |rule: &ReplyRule| match rule.action {
            ReplyAction::Slow => Reaction::Slow(rule.time),
            ReplyAction::Suspend => Reaction::Suspend(rule.time),
        };
        Self { patterns, reactions: rules.iter().map(reaction).collect() }
    }

    /// What `reply` says about the site that gave it: the first pattern that fits counts.
    pub fn to(&self, reply: &Reply) -> Option<Reaction> {
        let text = reply.to_string();
        let first = self.patterns.matches(&text).iter().next()?;
        self.reactions.get(first).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_that_come_with_the_server_fit_what_providers_say() {
        let reactions = Reactions::new(&mailwright_config::Queue::default().replies);
        let slow = |reply: &Reply| matches!(reactions.to(reply), Some(Reaction::Slow(_)));
        let say = |code, text: &str| Reply::new(code, None, text);
        for reply in [
            say(421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred"),
            say(421, "4.7.28 Our system has detected an unusual rate of mail"),
            say(451, "4.7.650 The mail server [192.0.2.1] has been temporarily rate limited"),
            say(421, "Too many concurrent SMTP connections"),
        ] {
            assert!(slow(&reply), "{reply}");
        }
        let listed = say(554, "5.7.1 Client host blocked using zen.spamhaus.org");
        assert!(matches!(reactions.to(&listed), Some(Reaction::Suspend(_))));
        for reply in [
            say(450, "4.2.1 The user you are trying to contact is receiving mail too quickly"),
            say(452, "4.2.2 The mailbox is full"),
            say(550, "5.1.1 No such user"),
            say(250, "2.0.0 temporarily deferred"),
        ] {
            assert_eq!(reactions.to(&reply), None, "{reply}");
        }
    }

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let rule = |pattern: &str, action, minutes| ReplyRule {
            pattern: pattern.to_owned(),
            action,
            time: Duration::from_mins(minutes),
        };
        let reactions = Reactions::new(&[
            rule("^450", ReplyAction::Slow, 1),
            rule("busy", ReplyAction::Suspend, 2),
        ]);
        let minutes = Duration::from_mins;
        let to = |code| reactions.to(&Reply::new(code, None, "busy"));
        assert_eq!(to(450), Some(Reaction::Slow(minutes(1))));
        assert_eq!(to(451), Some(Reaction::Suspend(minutes(2))));
        assert_eq!(Reactions::new(&[rule("(", ReplyAction::Slow, 1)]).reactions.len(), 1);
    }
}
