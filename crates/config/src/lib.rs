//! The configuration: types with their documentation and defaults, loading, checking.
