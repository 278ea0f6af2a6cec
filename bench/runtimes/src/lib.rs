//! The cases that `bucle-bench runtimes` measures, written once and generic over the runtime, and a file in `peers/` that
//! says what each runtime calls these things.
//!
//! A process measures one case of one runtime and ends, so that no allocator, thread or global is shared: see
//! `bin/runtime.rs`. Nothing here compares; that is `bucle-bench`'s.
#![deny(unsafe_code)]

mod cases;
mod child;
mod echo;
mod peers;
mod plan;
mod runtime;

pub use child::main;
