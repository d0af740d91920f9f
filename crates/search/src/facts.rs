//! What is known of a message while it is asked whether it matches.

use std::cell::OnceCell;

use mailwright_mime::{Digest, SearchText, Signature, Structure, folded_fields, searchable};
use mailwright_view::Row;

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its row, which is always known.
    pub row: &'a Row,
    /// Its digest.
    pub digest: Option<Digest<'a>>,
    /// Its signature.
    pub signature: Option<Signature<'a>>,
    /// Its content, which leaves nothing open.
    pub content: Option<&'a Content<'a>>,
}

impl<'a> Facts<'a> {
    /// What a row alone tells.
    pub const fn of_row(row: &'a Row) -> Self {
        Self { row, digest: None, signature: None, content: None }
    }
}

/// The content of a message, taken apart as far as it is asked.
#[derive(Debug)]
pub struct Content<'a> {
    structure: Structure<'a>,
    text: OnceCell<SearchText>,
    fields: OnceCell<Vec<(&'a [u8], String)>>,
}

impl<'a> Content<'a> {
    /// The content of a whole message.
    pub fn new(message: &'a [u8]) -> Self {
        let structure = Structure::parse(message);
        Self { structure, text: OnceCell::new(), fields: OnceCell::new() }
    }

    /// Its decoded, folded text.
    pub fn text(&self) -> &SearchText {
        self.text.get_or_init(|| searchable(&self.structure))
    }

    /// The fields of its header with their folded values.
    pub(crate) fn fields(&self) -> &[(&'a [u8], String)] {
        self.fields.get_or_init(|| match self.structure.root() {
            Some(root) => folded_fields(root.header_bytes()).collect(),
            None => Vec::new(),
        })
    }

    /// The first field of this name, as it stands.
    pub(crate) fn raw(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut fields = self.structure.root()?.fields();
        fields.find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}
