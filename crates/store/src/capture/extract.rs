//! What is drawn from a caught message while its bytes are at hand: all that lists, searches and
//! mail clients are shown of it, in one go.
//!
//! It is kept in the transaction that keeps the message, so nobody has to open it again. A message
//! that is longer is rendered, summed up and indexed behind the back of its delivery.

use std::sync::Arc;

use mailwright_mime::{Rendered, Signer, Structure, render_structure, searchable};

use super::{Caught, Envelope, summary};
use crate::index::Imprint;

/// Octets of a message that is taken apart before it is acknowledged: a moment's work.
pub const EXTRACT_MAX: usize = 32 << 10;

/// What was drawn from a message.
#[derive(Debug)]
pub struct Extract {
    pub(crate) rendered: Rendered,
    pub(crate) imprint: Arc<Imprint>,
    summary: String,
    words: String,
}

impl Extract {
    /// Draws it from the bytes of a message that came so; nothing from one that is too long.
    pub fn of(bytes: &[u8], caught: &Caught) -> Option<Self> {
        if bytes.len() > EXTRACT_MAX {
            return None;
        }
        let structure = Structure::parse(bytes);
        let text = searchable(&structure);
        let summed = summary::of_structure(&structure, &text);
        let rendered = render_structure(&structure);
        let envelope = Envelope::of(caught);
        let made = (&structure, &rendered, text);
        let imprint = Imprint::of(made, Some(&envelope), &mut Signer::default());
        let (summary, words) = (summed.summary.to_json(), summed.words);
        Some(Self { rendered, imprint: Arc::new(imprint), summary, words })
    }

    /// What lists show, and the words of the message.
    pub(super) fn summed(&self) -> (&str, &str) {
        (&self.summary, &self.words)
    }
}
