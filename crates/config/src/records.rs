//! Records of the DNS that are given by hand, in the form of a zone file, for domains that are not
//! set up yet.
//!
//! Names are absolute, with their last dot or without; a text may stand without its quotes. What a
//! text file cannot hold in sense is an error with its line. Source: RFC 1035 section 5.1.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Octets of all records together.
const TEXT_MAX: usize = 256 << 10;
/// Records that may be given.
const RECORDS_MAX: usize = 1000;
/// Types that may stand in a zone and say nothing about mail that is sent.
const SKIPPED: [&str; 8] = ["SRV", "TLSA", "NS", "SOA", "CAA", "PTR", "HTTPS", "SVCB"];

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordData {
    /// A text, its strings joined.
    Txt(String),
    /// An address.
    Address(IpAddr),
    /// A mail server, with its preference.
    Mx(u16, String),
    /// Another name.
    Cname(String),
}

/// A record that was given by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRecord {
    /// Its owner, in lower case, without the last dot.
    pub name: String,
    /// What it says.
    pub data: RecordData,
}

/// Records that were given by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenRecords {
    all: Vec<GivenRecord>,
    /// As they were written.
    lines: Vec<String>,
}

impl GivenRecords {
    /// Reads records, one after the other.
    ///
    /// Errors: what is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("the records are over {TEXT_MAX} octets"));
        }
        let mut all = Vec::new();
        for (line, words) in entries(text)? {
            let record = record(&words).map_err(|why| format!("line {line}: {why}"))?;
            all.extend(record);
            if all.len() > RECORDS_MAX {
                return Err(format!("there are over {RECORDS_MAX} records"));
            }
        }
        Ok(Self { all, lines: text.lines().map(str::to_owned).collect() })
    }

    /// These, and others.
    #[must_use]
    pub fn with(mut self, more: Self) -> Self {
        self.all.extend(more.all);
        self.lines.extend(more.lines);
        self
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The records, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &GivenRecord> {
        self.all.iter()
    }
}

impl Serialize for GivenRecords {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(&self.lines)
    }
}

impl<'de> Deserialize<'de> for GivenRecords {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let lines = Vec::<String>::deserialize(from)?;
        Self::parse(&lines.join("\n")).map_err(D::Error::custom)
    }
}

/// A word of a record, and whether it was in quotes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Token {
    text: String,
    is_quoted: bool,
}

/// The records' words, each with the line at which it begins.
fn entries(text: &str) -> Result<Vec<(usize, Vec<Token>)>, String> {
    let (mut all, mut words, mut depth, mut first) = (Vec::new(), Vec::new(), 0_u32, 1);
    for (number, line) in (1..).zip(text.lines()) {
        if words.is_empty() {
            first = number;
        }
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                ';' => break,
                '(' => depth += 1,
                ')' => depth = depth.checked_sub(1).ok_or_else(|| open(number))?,
                '"' => words.push(quoted(&mut chars).ok_or_else(|| open(number))?),
                c if c.is_whitespace() => {}
                c => {
                    let mut text = String::from(c);
                    // A semicolon inside of a word belongs to it: tags of a text end with one.
                    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != ')') {
                        text.push(c);
                    }
                    words.push(Token { text, is_quoted: false });
                }
            }
        }
        if depth == 0 && !words.is_empty() {
            all.push((first, std::mem::take(&mut words)));
        }
    }
    if depth > 0 { Err(open(first)) } else { Ok(all) }
}

fn open(line: usize) -> String {
    format!("line {line}: a quote or parenthesis stands alone")
}

/// What stands up to the next quote; nothing where there is none.
fn quoted(chars: &mut impl Iterator<Item = char>) -> Option<Token> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(Token { text, is_quoted: true }),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

/// One record; nothing for a type that says nothing here.
fn record(words: &[Token]) -> Result<Option<GivenRecord>, String> {
    let (name, mut rest) = words.split_first().ok_or("it is empty")?;
    let name = name.text.trim_end_matches('.').to_ascii_lowercase();
    if name.starts_with('$') || name == "@" || name.is_empty() {
        return Err("each record has its whole name; $ORIGIN and @ are not known".to_owned());
    }
    let is_number = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    while let Some((word, more)) = rest.split_first()
        && (is_number(&word.text) || word.text.eq_ignore_ascii_case("IN"))
    {
        rest = more;
    }
    let (kind, data) = rest.split_first().ok_or("a record is NAME TYPE DATA")?;
    let kind = kind.text.to_ascii_uppercase();
    let one = |place: usize| {
        let word = data.get(place).map(|word| word.text.trim_end_matches('.'));
        word.filter(|word| !word.is_empty()).ok_or_else(|| format!("{kind} lacks its data"))
    };
    let data = match kind.as_str() {
        "TXT" if data.is_empty() => return Err("TXT lacks its text".to_owned()),
        "TXT" => RecordData::Txt(text(data)),
        "A" | "AAAA" => {
            let address = one(0)?;
            let wrong = || format!("{address:?} is no address");
            RecordData::Address(address.parse().ok().ok_or_else(wrong)?)
        }
        "MX" => {
            let preference = one(0)?.parse().ok().ok_or("MX begins with a number")?;
            RecordData::Mx(preference, one(1)?.to_ascii_lowercase())
        }
        "CNAME" => RecordData::Cname(one(0)?.to_ascii_lowercase()),
        skipped if SKIPPED.contains(&skipped) => return Ok(None),
        _ => return Err(format!("{kind} is no type of record that is known here")),
    };
    Ok(Some(GivenRecord { name, data }))
}

/// Strings are joined as they are; words without quotes are parted by a blank.
fn text(words: &[Token]) -> String {
    let mut text = String::new();
    for (place, word) in words.iter().enumerate() {
        if place > 0 && !word.is_quoted {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> RecordData {
        GivenRecords::parse(text).unwrap().iter().next().unwrap().data.clone()
    }

    #[test]
    fn records_are_read_as_zone_files_and_people_write_them() {
        let txt = |text: &str| RecordData::Txt(text.to_owned());
        assert_eq!(one("a.example. IN TXT \"v=DKIM1; \" \"p=ab\""), txt("v=DKIM1; p=ab"));
        assert_eq!(one("a 300 IN TXT v=spf1 ip4:192.0.2.1 -all ; why"), {
            txt("v=spf1 ip4:192.0.2.1 -all")
        });
        assert_eq!(one("a TXT v=DKIM1; k=rsa; p=x"), txt("v=DKIM1; k=rsa; p=x"));
        assert_eq!(one("a IN TXT ( \"v=DKIM1; \" ; comment\n  \"p=\\\"\" )"), txt("v=DKIM1; p=\""));
        assert_eq!(one("a A 192.0.2.1"), RecordData::Address("192.0.2.1".parse().unwrap()));
        assert_eq!(one("a MX 10 MX.example."), RecordData::Mx(10, "mx.example".to_owned()));
        assert_eq!(one("a cname b."), RecordData::Cname("b".to_owned()));
        let all = GivenRecords::parse("; none\n\nA.Example. AAAA ::1\nx SRV 1 2 3 y.\n").unwrap();
        assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a.example"]);
        assert!(GivenRecords::parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_record_is_told_with_its_line() {
        for (text, line) in [
            ("a A 192.0.2.1\nb A nowhere", "line 2"),
            ("a", "line 1"),
            ("a TXT", "line 1"),
            ("a MX mx.example", "line 1"),
            ("a SPF x", "line 1"),
            ("@ TXT x", "line 1"),
            ("$ORIGIN x", "line 1"),
            ("a TXT \"open", "line 1"),
            ("\na TXT (x", "line 2"),
            ("a TXT x)", "line 1"),
        ] {
            let error = GivenRecords::parse(text).unwrap_err();
            assert!(error.starts_with(line), "{text}: {error}");
        }
        assert!(GivenRecords::parse(&"a".repeat(TEXT_MAX + 1)).is_err());
        assert!(GivenRecords::parse(&"a A ::1\n".repeat(RECORDS_MAX + 1)).is_err());
    }

    #[test]
    fn records_are_written_as_they_were() {
        let text = "a.example. IN TXT ( \"v=DKIM1; \"\n  \"p=ab\" )";
        let records = GivenRecords::parse(text).unwrap();
        let value = toml::Value::try_from(&records).unwrap();
        let again: GivenRecords = value.try_into().unwrap();
        assert_eq!(again, records);
    }
}
