//! What tests share: worlds, transcripts, peers, messages.
