//! The command as its users and their scripts meet it: a child process.

#[cfg(all(feature = "bench", target_os = "linux"))]
mod bench;
#[cfg(all(feature = "bench", target_os = "linux"))]
mod chapter;
mod conformance;
mod refusals;
mod serving;
mod stopping;
mod support;
mod tls;
