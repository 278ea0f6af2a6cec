//! [`Remote`]: how other threads reach a loop.

use std::fmt;
use std::panic::Location;

use crate::inbox::{Inbox, Message};
use crate::task::cell::RemoteCall;

/// A loop as other threads see it: `Send`, `Sync`, cheap to clone, and valid for ever; once the
/// loop is closed, every call says so.
#[derive(Clone, Copy)]
pub struct Remote {
    pub(crate) id: u64,
    pub(crate) inbox: &'static Inbox,
}

/// The loop was closed; what was sent to it was dropped unrun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopClosed;

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is closed; the callback was dropped")
    }
}

impl std::error::Error for LoopClosed {}

impl Remote {
    /// Runs `callback` on the loop's thread, in its next turn, and wakes the loop if it sleeps.
    ///
    /// From any thread, the loop's own among them. A system call is made only if the loop sleeps.
    /// Callbacks of one thread run in the order of calling. Not from inside a signal handler, which
    /// may take no lock: see [`add_signal_handler`](crate::LoopRef::add_signal_handler).
    ///
    /// # Errors
    /// [`LoopClosed`], in which case the callback has been dropped, on this thread.
    #[track_caller]
    pub fn call_soon_threadsafe(
        &self,
        callback: impl FnOnce() + Send + 'static,
    ) -> Result<(), LoopClosed> {
        let message = Message::Call(RemoteCall::new(callback), Location::caller());
        self.inbox.push(self.id, message).map_err(|message| {
            drop(message);
            LoopClosed
        })
    }

    /// Makes the loop take a turn, if it sleeps. False if the loop is closed.
    pub fn wake(&self) -> bool {
        self.inbox.wake(self.id)
    }

    /// Whether the loop is closed, or was when this looked.
    pub fn is_closed(&self) -> bool {
        self.inbox.is_closed(self.id)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
