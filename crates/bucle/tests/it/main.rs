//! The façade: other crates' futures run on it; the examples run, and say what they should; tests
//! find what was planted.

mod asyncio;
mod bridges;
mod certificate;
mod examples;
mod planted;
#[cfg(target_os = "linux")]
mod processes;
mod refusals;
#[cfg(feature = "websocket")]
mod secure;
mod testing;
