//! IMAP as a pure conversation: commands, responses, the server's session and a client's.
//!
//! Bytes go in, steps come out; nothing here knows sockets, clocks, users or storage. What a
//! session cannot decide from its picture of the mailbox it asks, and waits for the answer.
//! Source: RFC 9051, RFC 3501, and the extensions each module names.

pub mod client;
pub mod command;
mod fetch;
mod folder;
mod input;
mod matching;
mod name;
mod question;
mod refusal;
mod search;
mod session;
mod settings;
mod write;

pub use fetch::{Fetched, Need, Part, Partial, Piece, Section};
pub use folder::{Folder, Opened, Quota, SpecialUse, Status, Usage};
pub use question::{Answer, Change, Event, Message, Password, Question, Step};
pub use refusal::Refusal;
pub use search::{Algorithm, Criterion, Day, Key, Node, Program, SortKey};
pub use session::Session;
pub use settings::{Peer, Settings};
