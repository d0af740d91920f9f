//! Forms that browsers send. Source: WHATWG URL, section 5.1.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use mailwright_words::percent::unescaped;

/// Fields of a form.
const FIELDS_MAX: usize = 100;

/// The fields of a form, in their order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let plain = |text: &str| unescaped(&text.replace('+', " "));
        let pairs = text.split('&').take(FIELDS_MAX).filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (plain(name), plain(value))).collect())
    }

    /// The first value of that name; empty for none.
    pub(super) fn whole(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The same without blanks around it.
    pub(super) fn value(&self, name: &str) -> &str {
        self.whole(name).trim()
    }

    /// The value, where there is one.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.value(name)).filter(|value| !value.is_empty())
    }
}

/// A page that has forms: without this a browser would not say where they come from.
pub(super) fn has_forms(mut response: Response) -> Response {
    let policy = HeaderValue::from_static("same-origin");
    response.headers_mut().insert(header::REFERRER_POLICY, policy);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let form = Form::read(b"a=+one+two%21&b=&c&a=three&d=%C3%A4%zz");
        assert_eq!((form.whole("a"), form.value("a")), (" one two!", "one two!"));
        assert_eq!((form.given("b"), form.given("c"), form.given("e")), (None, None, None));
        assert_eq!(form.value("d"), "\u{e4}%zz");
        assert_eq!(Form::read(&b"a=1&".repeat(1000)).0.len(), FIELDS_MAX);
    }
}
