//! The `bucle` command.
fn main() {}
