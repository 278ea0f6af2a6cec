//! The inbox: how other threads reach a loop.
//!
//! Many threads push, the loop's thread drains. An inbox knows nothing of the loop but a number and
//! a way to wake it; it runs no message and, but for the notifier, nothing of anybody else's under
//! its lock. Pushing costs a system call only while the loop sleeps, and at most one a sleep.
//!
//! Inboxes are never freed. A closed one goes back to a pool and serves another loop, so that
//! whoever has to find a loop (a task, a `Remote`) holds a plain `&'static Inbox` and the loop's
//! number instead of a counted reference: the number is never reused, and a push that brings an old
//! one is refused as a push to a closed loop is.
//!
//! ```text
//!    other threads                         the loop's thread
//!    push ──lock──▶ messages ◀──lock── drain
//!      │                                     ▲
//!      └─▶ signal: PENDING | SLEEPING ───────┘  has_pending, prepare_sleep, awake: no lock
//! ```
//!
//! The signal is one atomic, so that "a message came" and "I'm going to sleep" have one order:
//! whichever is second sees the first. No wake-up is lost, whatever the timing.

use std::ops::Deref;
use std::panic::Location;

use crate::primitives::{AtomicU8, Mutex, Ordering, lock};
use crate::task::cell::{RemoteCall, RemoteTask};

/// Set by a push or a wake, cleared by `drain`. While it is set the loop doesn't sleep.
const PENDING: u8 = 1 << 0;
/// Set by `prepare_sleep` if nothing is pending; cleared by `awake`, and by the push that takes on
/// waking the loop. Never set together with `PENDING`.
const SLEEPING: u8 = 1 << 1;

/// What another thread sends to a loop.
pub(crate) enum Message {
    /// A task was woken.
    Task(RemoteTask),
    /// A callback is to be called; it was sent from this place.
    Call(RemoteCall, &'static Location<'static>),
}

/// Interrupts the sleep of a loop: writes to its eventfd. Called under the inbox's lock: it must
/// not call the inbox.
pub(crate) type Notify = Box<dyn Fn() + Send + Sync>;

/// The part of a loop that other threads see.
///
/// | field    | who writes                         | who reads         |
/// |----------|------------------------------------|-------------------|
/// | `signal` | all: `push` and `drain` under lock | all, without lock |
/// | `state`  | whoever holds the lock             | the same          |
pub(crate) struct Inbox {
    signal: Signal,
    state: Mutex<State>,
}

/// Alone on its cache line: the loop's thread looks at it each turn, while others take the lock.
#[repr(align(128))]
struct Signal(AtomicU8);

impl Deref for Signal {
    type Target = AtomicU8;

    #[inline]
    fn deref(&self) -> &AtomicU8 {
        &self.0
    }
}

struct State {
    /// The loop that uses this inbox now; 0 if none does.
    loop_id: u64,
    messages: Vec<Message>,
    notify: Option<Notify>,
}

impl Inbox {
    /// Gives a loop its inbox: one from the pool, or a new one. `loop_id` isn't 0 and was never
    /// used before.
    pub(crate) fn acquire(loop_id: u64, notify: Notify) -> &'static Inbox {
        debug_assert_ne!(loop_id, 0, "0 stands for a closed inbox");
        let inbox = pool::take().unwrap_or_else(|| Box::leak(Box::new(Inbox::new())));
        let mut state = lock(&inbox.state);
        state.loop_id = loop_id;
        state.notify = Some(notify);
        drop(state);
        inbox
    }

    fn new() -> Inbox {
        Inbox {
            signal: Signal(AtomicU8::new(0)),
            state: Mutex::new(State {
                loop_id: 0,
                messages: Vec::new(),
                notify: None,
            }),
        }
    }

    // Verbs for every thread.

    /// Sends a message to the loop `loop_id`, and wakes it if it sleeps.
    ///
    /// Gives the message back if that loop is closed.
    pub(crate) fn push(&self, loop_id: u64, message: Message) -> Result<(), Message> {
        let mut state = lock(&self.state);
        if state.loop_id != loop_id {
            return Err(message);
        }
        state.messages.push(message);
        self.signal_pending(&state);
        Ok(())
    }

    /// Makes the loop `loop_id` take another turn without a message. False if that loop is closed.
    pub(crate) fn wake(&self, loop_id: u64) -> bool {
        let state = lock(&self.state);
        let open = state.loop_id == loop_id;
        if open {
            self.signal_pending(&state);
        }
        open
    }

    /// Whether the loop `loop_id` is closed, or was when this looked.
    pub(crate) fn is_closed(&self, loop_id: u64) -> bool {
        lock(&self.state).loop_id != loop_id
    }

    fn signal_pending(&self, state: &State) {
        // Only `drain` takes it out, under this lock: of many messages the first alone writes to what
        // the loop's thread reads each turn.
        if self.signal.load(Ordering::Relaxed) & PENDING != 0 {
            return;
        }
        // Replacing the whole signal also takes SLEEPING out: of the pushes during one sleep only
        // the first notifies.
        let before = self.signal.swap(PENDING, Ordering::AcqRel);
        if before & SLEEPING != 0
            && let Some(notify) = &state.notify
        {
            // Under the lock, so that `close` waits for it: once `close` has returned no notifier
            // is called.
            notify();
        }
    }

    // Verbs for the owner: the thread of the loop that acquired this inbox, until it closes it.

    /// Whether `drain` would find something. No lock; may miss what is being pushed at this very
    /// moment, which `prepare_sleep` doesn't.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        self.signal.load(Ordering::Acquire) & PENDING != 0
    }

    /// Announces that the loop will block. False if something is pending: then it must not block.
    ///
    /// After true every push calls the notifier, until one has or `awake` was called.
    pub(crate) fn prepare_sleep(&self) -> bool {
        match self
            .signal
            .compare_exchange(0, SLEEPING, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => true,
            Err(signal) => signal & PENDING == 0,
        }
    }

    /// Announces that the loop is awake again, whatever woke it. Pushes stop calling the notifier.
    pub(crate) fn awake(&self) {
        // A push that has ended the sleep took the bit out already.
        if self.signal.load(Ordering::Acquire) & SLEEPING == 0 {
            return;
        }
        self.signal.fetch_and(!SLEEPING, Ordering::AcqRel);
    }

    /// Moves all messages to the end of `out`, in the order they were pushed.
    ///
    /// Give the same, emptied vector each time: two buffers then change places and none is
    /// allocated.
    pub(crate) fn drain(&self, out: &mut Vec<Message>) {
        if !self.has_pending() {
            return;
        }
        let mut state = lock(&self.state);
        // Under the lock: a push that comes after it sets the bit again.
        self.signal.fetch_and(!PENDING, Ordering::AcqRel);
        if out.is_empty() {
            std::mem::swap(out, &mut state.messages);
        } else {
            out.append(&mut state.messages);
        }
    }

    /// Closes the inbox of the loop `loop_id` and gives back what was not drained; the caller drops
    /// it, outside of any lock.
    ///
    /// Once this returned, every push of that loop is refused and its notifier isn't called any
    /// more, nor is it running: the eventfd may be closed. The owner must not use the inbox again.
    /// Closing twice does nothing.
    pub(crate) fn close(&'static self, loop_id: u64) -> Vec<Message> {
        let mut state = lock(&self.state);
        if state.loop_id != loop_id {
            return Vec::new();
        }
        state.loop_id = 0;
        let messages = std::mem::take(&mut state.messages);
        let notify = state.notify.take();
        // Nobody else writes the signal of a closed inbox: all who could check the number under
        // this lock.
        self.signal.store(0, Ordering::Release);
        drop(state);
        drop(notify);
        pool::give(self);
        messages
    }
}

#[cfg(not(loom))]
mod pool {
    use super::Inbox;
    use crate::primitives::{Mutex, lock};

    static FREE: Mutex<Vec<&'static Inbox>> = Mutex::new(Vec::new());

    pub(super) fn take() -> Option<&'static Inbox> {
        lock(&FREE).pop()
    }

    pub(super) fn give(inbox: &'static Inbox) {
        lock(&FREE).push(inbox);
    }
}

/// Loom's objects live for one run of the model: every run gets fresh ones.
#[cfg(loom)]
mod pool {
    use super::Inbox;

    pub(super) fn take() -> Option<&'static Inbox> {
        None
    }

    pub(super) fn give(_: &'static Inbox) {}
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
