//! Why something is not done, as the client reads it.
//!
//! Each refusal has its response code and its text, so that no handler writes text of its own.
//! Source: RFC 9051 section 7.1, RFC 5530.

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such mailbox.
    #[error("There is no such mailbox")]
    NonExistent,
    /// There is one already.
    #[error("There is such a mailbox already")]
    AlreadyExists,
    /// The account is full.
    #[error("The account is full")]
    OverQuota,
    /// A limit of ours: mailboxes, keywords, connections.
    #[error("A limit of the server is reached")]
    Limit,
    /// The message is larger than we take.
    #[error("The message is larger than the server takes")]
    TooBig,
    /// It can never be done, such as deleting INBOX.
    #[error("This cannot be done")]
    Cannot,
    /// The mailbox has others below it.
    #[error("The mailbox has others below it")]
    HasChildren,
    /// Somebody else holds what is needed.
    #[error("The mailbox is in use")]
    InUse,
    /// This user may not do it.
    #[error("You have no permission for this")]
    NoPerm,
    /// A message is gone by now.
    #[error("Some of the messages no longer exist")]
    ExpungeIssued,
    /// Only on an encrypted connection.
    #[error("This needs an encrypted connection")]
    PrivacyRequired,
    /// The name or the password is wrong.
    #[error("The name or the password is wrong")]
    AuthenticationFailed,
    /// The user may not act for the other.
    #[error("You may not act for this user")]
    AuthorizationFailed,
    /// The password is right, and no longer good.
    #[error("The password has expired")]
    Expired,
    /// The account is closed; its administrator knows why.
    #[error("The account is closed; ask its administrator")]
    ContactAdmin,
    /// The exchange of `AUTHENTICATE` broke its rules.
    #[error("The exchange is not one of this mechanism")]
    Exchange,
    /// Too many connections, or too many failures, from here: later it may work.
    #[error("Too many connections or attempts; try again later")]
    Busy,
    /// What is needed does not answer now.
    #[error("The server cannot do this now; try again later")]
    Unavailable,
    /// The search would cost more than one may.
    #[error("The search costs more than the server allows")]
    TooCostly,
    /// The part's encoding is unknown or broken. Source: RFC 3516 section 4.3.
    #[error("The part cannot be decoded")]
    UnknownCte,
    /// A fault of ours.
    #[error("The server made a mistake")]
    ServerBug,
    /// A record of ours is damaged.
    #[error("The mailbox is damaged; the administrator was told")]
    Corruption,
}

impl Refusal {
    /// The response code, without brackets.
    pub const fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::NonExistent => "NONEXISTENT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::OverQuota => "OVERQUOTA",
            Self::Limit | Self::TooCostly => "LIMIT",
            Self::TooBig => "TOOBIG",
            Self::Cannot => "CANNOT",
            Self::HasChildren => "HASCHILDREN",
            Self::InUse => "INUSE",
            Self::NoPerm => "NOPERM",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::Expired => "EXPIRED",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::Busy | Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::ServerBug => "SERVERBUG",
            Self::Corruption => "CORRUPTION",
            Self::Exchange => return None,
        })
    }
}
