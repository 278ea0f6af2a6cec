//! [`Failure`]: how a run failed, in words.

use std::any::Any;
use std::fmt;

use super::quiet::{self, Noted};

/// What stands for a payload that is no text.
pub(super) const WORDLESS: &str = "a panic without words";

/// How a run in a simulated world failed. Displays as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The seed it failed with.
    pub seed: u64,
    /// What the panic said, or why the body did not end, or the error it returned.
    pub message: String,
    /// Where it panicked, as `file:line:column`, if it did.
    pub location: Option<String>,
    /// What reached the loop's exception handler meanwhile; a deadlock's report is there.
    pub told: Vec<String>,
}

impl Failure {
    /// For a panic that was caught in this thread.
    pub(super) fn panic(seed: u64, payload: &(dyn Any + Send)) -> Failure {
        let message = message(payload);
        let noted = quiet::take_noted();
        let noted = noted.filter(|noted| noted.message == message);
        Failure {
            seed,
            message,
            location: noted.map(|Noted { location, .. }| location),
            told: Vec::new(),
        }
    }

    pub(super) fn other(seed: u64, message: String) -> Failure {
        Failure {
            seed,
            message,
            location: None,
            told: Vec::new(),
        }
    }
}

/// What a panic said.
pub(super) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        WORDLESS.to_owned()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "with seed {}: {}", self.seed, self.message)?;
        if let Some(location) = &self.location {
            write!(f, " ({location})")?;
        }
        Ok(())
    }
}
