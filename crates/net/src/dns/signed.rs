//! Records with what DNSSEC says of them, and TLSA records.
//!
//! Nothing is secure unless it was validated here, up to a trust anchor: a resolver's word does not
//! count. Source: RFC 4033 section 5, RFC 6698.

/// Records, and whether they are validated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signed<T> {
    /// The records.
    pub records: T,
    /// Whether each record, and each alias on the way, is validated.
    pub secure: bool,
    /// The name at the end of aliases, without its last dot; none when there was no alias.
    pub canonical: Option<String>,
    /// Whether the first alias is validated, whatever is behind it.
    pub alias_secure: bool,
}

impl<T> Signed<T> {
    /// Records that nobody validated.
    pub fn insecure(records: T) -> Self {
        Self { records, secure: false, canonical: None, alias_secure: false }
    }

    /// Validated records without an alias.
    pub fn secure(records: T) -> Self {
        Self { secure: true, ..Self::insecure(records) }
    }
}

/// What a certificate of a server has to match. Source: RFC 6698 section 2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlsa {
    /// 2: an authority of the domain's own choice; 3: the server itself; 0 and 1 are not for SMTP.
    pub usage: u8,
    /// 0: the whole certificate; 1: its public key.
    pub selector: u8,
    /// 0: as it is; 1: its SHA-256; 2: its SHA-512.
    pub matching: u8,
    /// What is matched.
    pub data: Vec<u8>,
}

impl std::fmt::Display for Tlsa {
    /// As it stands in a zone file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
