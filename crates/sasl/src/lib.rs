//! SASL mechanisms, both sides, as pure exchanges.
