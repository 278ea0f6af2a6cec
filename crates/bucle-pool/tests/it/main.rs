//! The pool with real processes: this binary, started again.
#![forbid(unsafe_code)]

mod calls;
mod deaths;
mod hand;
mod hostile;
mod maps;
mod support;

bucle_pool::test_entry!();
