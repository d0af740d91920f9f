//! The project's own tools: test, tidy, docs, bench.

fn main() {}
