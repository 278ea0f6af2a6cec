//! The façade: the examples run, and say what they should.

mod examples;
mod testing;
