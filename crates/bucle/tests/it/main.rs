//! The façade: the examples run, and say what they should; tests find what was planted.

mod certificate;
mod examples;
mod planted;
mod refusals;
mod testing;
