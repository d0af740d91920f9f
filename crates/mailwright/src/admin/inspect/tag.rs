//! Lists of tags, as DKIM, DMARC, MTA-STS and TLS-RPT have them. Source: RFC 6376 section 3.2.

/// The tags of a record, in their order.
#[derive(Debug)]
pub(super) struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let tag =
            |tag: &'a str| tag.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        Self(text.split(';').filter_map(tag).collect())
    }

    /// The value of a tag.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(tag, _)| *tag == name).map(|(_, value)| *value)
    }

    /// The value of a tag without its blanks.
    pub(super) fn plain(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.split_ascii_whitespace().collect())
    }

    /// Whether the first tag is this one.
    pub(super) fn is_first(&self, name: &str, value: &str) -> bool {
        self.0.first() == Some(&(name, value))
    }
}
