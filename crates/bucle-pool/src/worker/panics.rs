//! A task that panics: what it said, and where.

use std::any::Any;
use std::cell::RefCell;
use std::panic;

use serde::{Deserialize, Serialize};

/// What the parent is told of a panic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PanicReport {
    pub(crate) message: String,
    /// `src/images.rs:17:5`.
    pub(crate) location: Option<String>,
}

thread_local! {
    /// Where this thread panicked last.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has the place of every panic noted; what the hook before did is done as well.
pub(crate) fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let location = info.location().map(ToString::to_string);
        let _ = LOCATION.try_with(|place| *place.borrow_mut() = location);
        before(info);
    }));
}

/// The report of a panic of this thread that was just caught.
pub(crate) fn taken(payload: &(dyn Any + Send)) -> PanicReport {
    PanicReport {
        message: message_of(payload),
        location: LOCATION.try_with(RefCell::take).ok().flatten(),
    }
}

/// What a panic said.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it carries no text".into())
}
