//! The last step: into a mailbox, or to another server.
