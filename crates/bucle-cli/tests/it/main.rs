//! The command as its users and their scripts meet it: a child process.

#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "bench")]
mod chapter;
mod conformance;
mod refusals;
mod serving;
mod stopping;
mod support;
mod tls;
