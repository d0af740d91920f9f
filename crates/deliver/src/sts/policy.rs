//! A policy's text, read once.
//!
//! Source: RFC 8461 section 3.2.

use std::time::Duration;

/// Longest time a policy may hold. Source: RFC 8461 section 3.2.
const AGE_MAX: u64 = 31_557_600;
/// Patterns of one policy.
const PATTERNS_MAX: usize = 200;

/// What becomes of hosts that are not as the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They get no mail.
    Enforce,
    /// They are reported.
    Testing,
    /// There is no policy any more.
    None,
}

impl Mode {
    /// The word of a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Enforce, Self::Testing, Self::None].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What a domain says of its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of others.
    pub mode: Mode,
    /// Names, or `*.` and a name, in lower case.
    pub patterns: Vec<String>,
    /// How long it holds.
    pub max_age: Duration,
}

impl Policy {
    /// Reads a policy; none when it makes no sense.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut patterns = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once(':')?;
            let value = value.trim();
            match key.trim() {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(Mode::read(value)?)),
                "max_age" => max_age = max_age.or(Some(age(value)?)),
                "mx" if patterns.len() < PATTERNS_MAX => patterns.push(pattern(value)?),
                _ => {}
            }
        }
        let (mode, max_age) = (mode?, max_age?);
        let sound = version == Some("STSv1") && (mode == Mode::None || !patterns.is_empty());
        sound.then_some(Self { mode, patterns, max_age })
    }

    /// Whether one of the patterns is for `host`; a wildcard stands for one label.
    ///
    /// Source: RFC 8461 section 4.1.
    pub fn lists(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(base) => parent == Some(base),
            None => *pattern == host,
        })
    }

    /// Its lines, as a policy has them.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {}", self.mode.as_str())];
        lines.extend(self.patterns.iter().map(|pattern| format!("mx: {pattern}")));
        lines.push(format!("max_age: {}", self.max_age.as_secs()));
        lines
    }
}

fn age(text: &str) -> Option<Duration> {
    let sound = (1..=10).contains(&text.len()) && text.bytes().all(|o| o.is_ascii_digit());
    let seconds: u64 = sound.then(|| text.parse().ok())??;
    Some(Duration::from_secs(seconds.min(AGE_MAX)))
}

fn pattern(text: &str) -> Option<String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        let inner = |o: u8| o.is_ascii_alphanumeric() || o == b'-' || o == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    let sound = name.len() <= 253 && name.split('.').all(label);
    sound.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "version: STSv1\r\nmode: enforce\r\nmx: Mail.example.com\r\n\
         mx: *.example.net\r\nmax_age: 604800\r\n";

    #[test]
    fn a_policy_is_read_and_written() {
        let policy = Policy::parse(RIGHT).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.patterns, ["mail.example.com", "*.example.net"]);
        assert_eq!(policy.max_age, Duration::from_hours(7 * 24));
        assert_eq!(Policy::parse(&policy.lines().join("\n")), Some(policy));
    }

    #[test]
    fn odd_but_sound_policies_are_read() {
        for text in [
            "version:STSv1\nmode:none\nmax_age:0",
            "mode: testing\nmx: a.example\nversion: STSv1\nmax_age: 1\nfuture: thing\n",
            "\n version: STSv1\n\n mode: enforce\n mx: a.example\n max_age: 9999999999\n",
            "version: STSv1\nmode: enforce\nmode: none\nmx: a.example\nmax_age: 1",
        ] {
            assert!(Policy::parse(text).is_some(), "{text}");
        }
        let long = Policy::parse("version: STSv1\nmode: none\nmax_age: 9999999999").unwrap();
        assert_eq!(long.max_age.as_secs(), AGE_MAX);
    }

    #[test]
    fn what_makes_no_sense_is_no_policy() {
        for text in [
            "",
            "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1",
            "mode: enforce\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.example",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: strict\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a..example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1 day",
            "<html>404</html>",
        ] {
            assert_eq!(Policy::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let policy = Policy::parse(RIGHT).unwrap();
        for (host, listed) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("other.example.com", false),
            ("mx1.example.net", true),
            ("example.net", false),
            ("a.b.example.net", false),
            ("mx1-example.net", false),
        ] {
            assert_eq!(policy.lists(host), listed, "{host}");
        }
    }
}
