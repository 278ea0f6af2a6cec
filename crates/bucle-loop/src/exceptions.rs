//! What went wrong in a callback or task nobody waits for, and the handler it is given to.
//!
//! asyncio's `loop.set_exception_handler` and `call_exception_handler`. The loop goes on whatever
//! the handler is told.

use std::any::Any;
use std::fmt;
use std::panic::Location;

/// An error or panic that reached the loop itself.
#[non_exhaustive]
pub struct ExceptionContext {
    /// What happened, in a sentence.
    pub message: String,
    /// What it happened in: `callback`, `task`, `reader`, `transport`, ...
    pub source: &'static str,
    /// The name of the task, where it has one.
    pub name: Option<String>,
    /// Where the callback was scheduled, or the task spawned.
    pub location: Option<&'static Location<'static>>,
    /// What a panic carried, where it was one.
    pub panic: Option<Box<dyn Any + Send>>,
}

impl ExceptionContext {
    /// A context with a message alone.
    pub fn new(source: &'static str, message: impl Into<String>) -> ExceptionContext {
        ExceptionContext {
            message: message.into(),
            source,
            name: None,
            location: None,
            panic: None,
        }
    }

    pub(crate) fn panic(
        source: &'static str,
        location: Option<&'static Location<'static>>,
        payload: Box<dyn Any + Send>,
    ) -> ExceptionContext {
        ExceptionContext {
            message: format!("panicked: {}", panic_message(&*payload)),
            source,
            name: None,
            location,
            panic: Some(payload),
        }
    }
}

impl fmt::Display for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        if let Some(location) = self.location {
            write!(f, " from {location}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Debug for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExceptionContext")
            .field("source", &self.source)
            .field("name", &self.name)
            .field("location", &self.location)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// The text of a panic, for the payloads `panic!` makes.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is not text"
    }
}
