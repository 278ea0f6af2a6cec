//! Silence for runs that are only looked at: their panics are noted, not printed.
//!
//! The panic hook is the process's, and a thread's panics are printed by it before anybody can catch
//! them. So a hook is put in front of the one that is there, once, which does nothing but ask
//! whether this thread is a quiet one. A hook that a program sets later takes its place: then the
//! panics of a sweep are printed, and nothing else changes.

use std::cell::{Cell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use super::failure::WORDLESS;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// The last panic of a quiet thread.
pub(super) struct Noted {
    pub(super) message: String,
    pub(super) location: String,
}

/// While it lives, panics of this thread are noted instead of printed.
pub(super) struct Quiet {
    before: bool,
}

impl Quiet {
    pub(super) fn begin() -> Quiet {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if is_quiet() {
                    note(info);
                } else {
                    before(info);
                }
            }));
        });
        NOTED.take();
        Quiet {
            before: QUIET.replace(true),
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(self.before);
    }
}

/// Whether this thread is one. Not when its thread-locals are gone: then it is ending.
pub(super) fn is_quiet() -> bool {
    QUIET.try_with(Cell::get).unwrap_or(false)
}

fn note(info: &PanicHookInfo<'_>) {
    let noted = Noted {
        message: info.payload_as_str().unwrap_or(WORDLESS).to_owned(),
        location: info.location().map(ToString::to_string).unwrap_or_default(),
    };
    let _ = NOTED.try_with(|place| place.replace(Some(noted)));
}

/// The last panic, if one was noted.
pub(super) fn take_noted() -> Option<Noted> {
    NOTED.take()
}
