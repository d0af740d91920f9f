//! The program: command line, wiring, shutdown.

fn main() {}
