//! What a host says it can do, in its answer to `EHLO` or `LHLO`.

use mailwright_words::reply::Reply;

/// The keywords a host offered that a client of ours makes use of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The name the host gave itself; empty when it gave none.
    pub name: String,
    /// Commands may be sent in groups. Source: RFC 2920.
    pub pipelining: bool,
    /// STARTTLS. Source: RFC 3207.
    pub starttls: bool,
    /// 8BITMIME. Source: RFC 6152.
    pub eight_bit_mime: bool,
    /// CHUNKING. Source: RFC 3030.
    pub chunking: bool,
    /// BINARYMIME together with CHUNKING. Source: RFC 3030.
    pub binary_mime: bool,
    /// SMTPUTF8. Source: RFC 6531.
    pub smtputf8: bool,
    /// DSN. Source: RFC 3461.
    pub dsn: bool,
    /// REQUIRETLS. Source: RFC 8689.
    pub require_tls: bool,
    /// DELIVERBY, with the shortest time it takes, in seconds. Source: RFC 2852.
    pub deliver_by: Option<u64>,
    /// MT-PRIORITY. Source: RFC 6710.
    pub mt_priority: bool,
    /// SIZE, with its limit; 0 says that there is none. Source: RFC 1870.
    pub size: Option<u64>,
    /// Names of SASL mechanisms, in upper case. Source: RFC 4954.
    pub auth: Vec<String>,
    /// Most recipients of a transaction. Source: RFC 9422.
    pub recipients_max: Option<usize>,
    /// Most transactions of a connection. Source: RFC 9422.
    pub transactions_max: Option<usize>,
    /// `XCLIENT`: those it trusts may name another client.
    pub xclient: bool,
}

impl Capabilities {
    /// Reads the lines of an answer to `EHLO`.
    pub fn read(reply: &Reply) -> Self {
        let mut lines = reply.lines.iter();
        let name = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let mut found = Self { name: name.to_owned(), ..Self::default() };
        let mut binary = false;
        for line in lines {
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => found.pipelining = true,
                "STARTTLS" => found.starttls = true,
                "8BITMIME" => found.eight_bit_mime = true,
                "CHUNKING" => found.chunking = true,
                "BINARYMIME" => binary = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "DSN" => found.dsn = true,
                "MT-PRIORITY" => found.mt_priority = true,
                "XCLIENT" => found.xclient = true,
                "REQUIRETLS" => found.require_tls = true,
                "SIZE" => found.size = Some(words.next().map_or(0, |n| n.parse().unwrap_or(0))),
                "DELIVERBY" => {
                    found.deliver_by = Some(words.next().map_or(0, |n| n.parse().unwrap_or(0)));
                }
                "AUTH" => found.mechanisms(words),
                "LIMITS" => found.limits(line),
                _ => {}
            }
        }
        found.binary_mime = found.chunking && binary;
        found
    }

    fn mechanisms<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for word in words.map(str::to_ascii_uppercase) {
            if !self.auth.contains(&word) {
                self.auth.push(word);
            }
        }
    }

    fn limits(&mut self, line: &str) {
        for (name, value) in line.split(' ').filter_map(|word| word.split_once('=')) {
            let value = value.parse().ok().filter(|value| *value > 0);
            if name.eq_ignore_ascii_case("RCPTMAX") {
                self.recipients_max = value;
            } else if name.eq_ignore_ascii_case("MAILMAX") {
                self.transactions_max = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Capabilities {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Capabilities::read(&Reply { code: 250, status: None, lines })
    }

    #[test]
    fn keywords_are_read_in_any_case() {
        let found = read(&["mx.example hello", "pipelining", "SIZE 1000", "8BitMIME", "SmtpUtf8"]);
        assert_eq!(found.name, "mx.example");
        assert!(found.pipelining && found.eight_bit_mime && found.smtputf8);
        assert_eq!(found.size, Some(1000));
        assert!(!found.dsn && !found.starttls && !found.require_tls);
        assert!(read(&["mx.example", "RequireTLS"]).require_tls);
    }

    #[test]
    fn binary_needs_chunking() {
        assert!(!read(&["mx.example", "BINARYMIME"]).binary_mime);
        assert!(read(&["mx.example", "BINARYMIME", "CHUNKING"]).binary_mime);
    }

    #[test]
    fn arguments_are_read() {
        let found = read(&["x", "AUTH PLAIN login", "AUTH=PLAIN", "LIMITS RCPTMAX=20 MAILMAX=5"]);
        assert_eq!(found.auth, ["PLAIN", "LOGIN"]);
        assert_eq!((found.recipients_max, found.transactions_max), (Some(20), Some(5)));
        assert!(read(&["x", "MT-PRIORITY MIXER"]).mt_priority);
        assert_eq!(read(&["x", "SIZE"]).size, Some(0));
        assert_eq!(read(&["x", "DELIVERBY 60"]).deliver_by, Some(60));
        assert_eq!(read(&["x", "DELIVERBY"]).deliver_by, Some(0));
        assert_eq!(read(&["x"]).deliver_by, None);
        assert_eq!(read(&["x", "SIZE nonsense"]).size, Some(0));
        assert_eq!(read(&["x", "LIMITS RCPTMAX=0"]).recipients_max, None);
        assert_eq!(read(&[]), Capabilities::default());
    }
}
