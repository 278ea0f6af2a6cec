//! Which loop runs in this thread: the one documented convenience that is not a value.

use std::cell::RefCell;

use crate::LoopRef;

thread_local! {
    static RUNNING: RefCell<Vec<LoopRef>> = const { RefCell::new(Vec::new()) };
}

/// The loop that is running in this thread. asyncio's `get_running_loop`.
///
/// # Panics
/// If none is: see [`try_get_running_loop`].
#[track_caller]
pub fn get_running_loop() -> LoopRef {
    match try_get_running_loop() {
        Some(event_loop) => event_loop,
        None => panic!(
            "no event loop is running in this thread; call this from a task or callback, for \
             example inside `bucle::run(async {{ .. }})`"
        ),
    }
}

/// The loop that is running in this thread, if any.
pub fn try_get_running_loop() -> Option<LoopRef> {
    RUNNING
        .try_with(|running| running.borrow().last().cloned())
        .ok()
        .flatten()
}

/// Runs `body` with the running loop, without counting a reference to it.
pub(crate) fn with_running_loop<R>(body: impl FnOnce(&LoopRef) -> R) -> Option<R> {
    RUNNING
        .try_with(|running| Some(body(running.borrow().last()?)))
        .ok()
        .flatten()
}

/// While it lives, its loop is the running one.
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        // The reference is dropped when the list is no longer borrowed: it may be the last one.
        let left = RUNNING.try_with(|running| running.borrow_mut().pop());
        drop(left);
    }
}

/// Makes `event_loop` the running one.
///
/// # Panics
/// If another one is running in this thread.
#[track_caller]
pub(crate) fn enter(event_loop: LoopRef) -> Entered {
    RUNNING.with(|running| {
        let mut running = running.borrow_mut();
        assert!(
            running.is_empty(),
            "another event loop is running in this thread; a loop can't be run from inside one of \
             its own tasks or callbacks, await instead"
        );
        running.push(event_loop);
    });
    Entered(())
}

/// The same for the time of closing, when destructors may look for their loop; a loop may be closed
/// inside another one.
pub(crate) fn enter_for_close(event_loop: LoopRef) -> Option<Entered> {
    RUNNING
        .try_with(|running| running.borrow_mut().push(event_loop))
        .ok()
        .map(|()| Entered(()))
}
