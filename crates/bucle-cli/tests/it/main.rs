//! The command as its users and their scripts meet it: a child process.

mod admin;
#[cfg(all(feature = "bench", target_os = "linux"))]
mod bench;
#[cfg(all(feature = "bench", target_os = "linux"))]
mod chapter;
mod conformance;
mod limits;
mod memory;
mod refusals;
mod serving;
mod stopping;
mod support;
mod tls;
