//! What the index keeps of one message, made of its content.

use mailwright_mime::{Rendered, SearchText, Signer, Structure, digest_of_structure, fold_case};

use crate::capture::{Envelope, write_brief};

/// Digest, signature and brief of a message.
#[derive(Debug)]
pub(crate) struct Imprint {
    pub(crate) digest: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Of a caught message, what [`crate::capture::Brief`] reads.
    pub(crate) brief: Option<String>,
}

impl Imprint {
    /// Makes it of a message that was taken apart, rendered, and searched for its text; of a caught
    /// one with its envelope.
    pub(crate) fn of(
        (structure, rendered, mut text): (&Structure<'_>, &Rendered, SearchText),
        caught: Option<&Envelope>,
        signer: &mut Signer,
    ) -> Self {
        let brief = caught.map(|envelope| write_brief(envelope, structure));
        // A text may be that of an address in the envelope; the set says where it is not.
        for recipient in caught.iter().flat_map(|envelope| &envelope.recipients) {
            text.parts.push_str(&fold_case(recipient));
            text.parts.push('\n');
        }
        let digest = digest_of_structure(structure, rendered);
        Self { digest, signature: signer.sign(&text), brief }
    }

    /// About how much memory it takes.
    pub(crate) fn size(&self) -> usize {
        let brief = self.brief.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.digest.len() + self.signature.len() + brief
    }
}
