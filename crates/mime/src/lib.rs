//! The structure of messages, and what IMAP shows of it.
//!
//! Pure functions over the octets of a message: its parts and where they are, `ENVELOPE` and
//! `BODYSTRUCTURE` as IMAP sends them, decoded text for previews and for search, and what messages
//! are sorted and threaded by. Nothing here fails for a message, whatever its octets are, and
//! nothing takes more than linear time. Source: RFC 2045 to 2047, RFC 2231, RFC 5322, RFC 9051.

mod address;
pub mod charset;
mod common;
mod date;
mod digest;
mod feedback;
mod header;
mod html;
mod id;
mod imap;
mod leaf;
mod media;
mod parts;
mod render;
mod search;
mod signature;
mod structure;
mod subject;
mod text;
mod token;
mod transfer;
mod word;

pub use address::{Entry, Mailbox, each as each_address, first_display, first_mailbox};
pub use common::{COMMON_MAX, CommonHeaders, common_headers};
pub use date::{Sent, sent, sent_date};
pub use digest::{
    DIGEST_VERSION, Digest, DigestField, SortText, digest, digest_of_message, digest_of_structure,
};
pub use feedback::{Feedback, FeedbackKind, FeedbackRecipient};
pub use header::{Field, Fields, header_fields, unfold};
pub use html::html_to_text;
pub use id::{MessageId, REFERENCES_MAX, message_ids, references};
pub use imap::{ADDRESSES_MAX, body_structure, envelope};
pub use leaf::{LEAVES_MAX, Leaf, LeafRole, leaves};
pub use media::{Media, PARAMETERS_MAX, Parameter};
pub use parts::{Of, Parts, PartsError, Section};
pub use render::{Rendered, VERSION, render, render_structure};
pub use search::{SEARCH_MAX, SearchText, contains, fold_case, folded_fields, searchable};
pub use signature::{SIGNATURE_VERSION, Signature, Signer, Trigrams};
pub use structure::{BOUNDARY_MAX, DEPTH_MAX, Kind, PARTS_MAX, Part, Structure};
pub use subject::{BaseSubject, base_subject};
pub use text::{PREVIEW_MAX, part_text, preview};
pub use transfer::{
    Base64, Decoder, Encoding, QuotedPrintable, Uuencode, decode_transfer, decoded_len,
};
pub use word::decode_words;
