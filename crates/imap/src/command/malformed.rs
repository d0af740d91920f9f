//! What is wrong with a command, as the client reads it behind `BAD`.

/// What is wrong with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with a tag.
    #[error("A command begins with a tag")]
    Tag,
    /// Its verb is none we know.
    #[error("Unknown command")]
    Verb,
    /// Something else should stand where it broke off.
    #[error("Expected {0}")]
    Expected(&'static str),
    /// It nests too deep.
    #[error("Too many parentheses within each other")]
    Nesting,
    /// It has too many of something.
    #[error("Too many {0}")]
    Many(&'static str),
    /// A line is over its limit.
    #[error("The line is too long")]
    LineTooLong,
    /// The command with its literals is over its limit.
    #[error("The command is too long")]
    CommandTooLong,
    /// An announced literal is over its limit. Source: RFC 7888 section 4.
    #[error("The literal is too large")]
    LiteralTooLarge,
    /// A literal comes where none may.
    #[error("No literal is expected here")]
    Literal,
    /// Text that is not UTF-8.
    #[error("Text has to be UTF-8")]
    Utf8,
    /// A NUL within a string, or a CR or LF within a line.
    #[error("NUL, CR and LF are not allowed here")]
    Octet,
    /// A charset that we do not know. Said with `NO`, and the ones we know.
    #[error("Unknown charset")]
    Charset,
}
