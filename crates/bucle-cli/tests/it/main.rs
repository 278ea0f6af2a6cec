//! The command as its users and their scripts meet it: a child process.

mod admin;
mod conformance;
mod limits;
mod memory;
mod refusals;
mod serving;
mod stopping;
mod support;
mod tls;
