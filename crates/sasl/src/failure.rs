//! Why an exchange ended without success.

/// Why an exchange ended without success.
///
/// It is for the log: a client is told no more than that it failed, since the difference between
/// an unknown name and a wrong password is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A message does not have the form its mechanism asks for; the text names the field.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A message is longer than [`crate::MESSAGE_MAX`].
    #[error("message is too long")]
    TooLong,
    /// A name or a password holds control characters, is empty or too long.
    #[error("{0} is empty, too long or holds control characters")]
    Unprepared(&'static str),
    /// Name and password do not belong together.
    #[error("wrong name or password")]
    Credentials,
    /// The channel binding is not that of this connection, or of a type we do not know.
    #[error("channel binding does not match")]
    ChannelBinding,
    /// The client believes that we offer no channel binding although we do.
    #[error("someone took channel binding out of our offer")]
    Downgrade,
    /// The nonce of the other side is not the one of this exchange.
    #[error("nonce does not match")]
    Nonce,
    /// The server did not prove that it knows the password.
    #[error("server signature does not match")]
    ServerSignature,
    /// A message or an answer came that the exchange did not wait for.
    #[error("message out of order")]
    Order,
}
