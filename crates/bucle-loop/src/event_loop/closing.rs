//! The end of a loop: what is dropped, and in which order.

use std::io;

use super::{LoopRef, State};
use crate::running;
use crate::timers::Due;

impl LoopRef {
    /// Whether the loop was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.core.state.get(), State::Closing | State::Closed)
    }

    /// Drops everything the loop still holds, in order: tasks, timers, callbacks, watched
    /// descriptors, signal handlers; then refuses everything. A second call does nothing.
    ///
    /// The futures of unfinished tasks are dropped here, on the loop's thread; who awaits them
    /// elsewhere gets a cancellation. The default executor is shut down: its jobs that have not begun
    /// are cancelled, and those that run are left to themselves.
    ///
    /// # Panics
    /// If the loop is running.
    #[track_caller]
    pub fn close(&self) {
        let core = &*self.core;
        match core.state.get() {
            State::Idle => {}
            State::Running => panic!("a running event loop can't be closed; call `stop` first"),
            State::Closing | State::Closed => return,
        }
        core.state.set(State::Closing);
        let entered = running::enter_for_close(self.clone());
        core.tasks.abandon_all(self);
        core.executor.close();
        let discard = |drop_it: &mut dyn FnMut()| self.guard("close", None, drop_it);
        for due in core.timers.clear() {
            match due {
                Due::Callback(cell) => {
                    let mut action = cell.take();
                    discard(&mut || drop(action.take()));
                }
                Due::Sleep(waker) => {
                    let mut waker = Some(waker);
                    discard(&mut || drop(waker.take()));
                }
            }
        }
        for source in core.to_flush.take() {
            let mut source = Some(source);
            discard(&mut || drop(source.take()));
        }
        self.discard_ready();
        drop(core.signals.take());
        let removed = core.fds.borrow_mut().clear();
        for removed in removed {
            let mut removed = Some(removed);
            discard(&mut || {
                if let Some(removed) = removed.take() {
                    removed.close();
                }
            });
        }
        for message in core.inbox.close(core.id) {
            let mut message = Some(message);
            discard(&mut || drop(message.take()));
        }
        let mut handlers = (core.exception_handler.take(), core.slow.handler.take());
        discard(&mut || drop(std::mem::take(&mut handlers)));
        discard(&mut || self.end_turn_watch());
        // What the destructors above scheduled was refused; what they left in the queue goes too.
        self.discard_ready();
        core.fds.borrow_mut().close();
        core.ready.close();
        core.state.set(State::Closed);
        drop(entered);
    }

    /// Drops what is ready, unrun.
    fn discard_ready(&self) {
        let core = &*self.core;
        while let Some(entry) = core.ready.pop().or_else(|| core.ready.pop_arrived()) {
            let mut entry = Some(entry);
            self.guard("close", None, || drop(entry.take()));
        }
        for call in core.calls.take() {
            let mut call = Some(call);
            self.guard("close", None, || drop(call.take()));
        }
    }

    /// An error once the loop is closed.
    pub(super) fn check_open(&self) -> io::Result<()> {
        if self.is_closed() {
            return Err(io::Error::other("the event loop is closed"));
        }
        Ok(())
    }
}
