//! The only crate with sockets: listeners, TLS, DNS, the PROXY protocol, the clock.
