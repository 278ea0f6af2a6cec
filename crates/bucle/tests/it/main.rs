//! The façade: other crates' futures run on it; the examples run, and say what they should.

mod asyncio;
mod bridges;
mod examples;
mod testing;
