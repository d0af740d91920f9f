//! The only crate with SQL: bodies, spool, mailboxes, directory rows, events.
