//! POP3: sessions answered by the directory and the store.
//!
//! A session sees the inbox as it was when it logged in. Its place in the account is given back
//! before it hears that it left, so that it may come again at once.

mod ahead;
mod auth;
mod conversation;
mod door;
#[cfg(test)]
mod tests;

pub use conversation::Conversation;
pub use door::Door;
