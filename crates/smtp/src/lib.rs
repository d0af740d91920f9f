//! SMTP and LMTP as pure conversations, server and client.
