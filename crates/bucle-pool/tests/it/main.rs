//! The pool with real processes: this binary, started again.
#![forbid(unsafe_code)]

mod attacks;
mod blocking;
mod calls;
mod deaths;
mod hand;
mod hostile;
mod kills;
mod maps;
mod settings;
mod support;

bucle_pool::test_entry!();
