//! What the two ends of a concurrent future share.
//!
//! ```text
//!              start                    finish
//!    Pending ─────────▶ Running ─────────────────▶ Finished   a value was set
//!       │ │                        └─────────────▶ Failed     an error was set
//!       │ └───────────────────────── finish ─────▶ Finished, Failed
//!       └── cancel ──▶ Cancelled
//! ```
//!
//! Everything is under one lock, and nobody's code runs under it: wakers, callbacks and values are
//! taken out and used or dropped after it. The completing thread tells, in this order, whoever
//! blocks, the one that awaits, then the listeners as they were added.
//!
//! There are two places where anybody waits: [`State::block`] (a thread) and [`State::poll`] (a
//! task); what is to know who waits for whom belongs there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::FutureHandle;
use super::error::FutureError;
use super::wait::Waiter;
use crate::exceptions::panic_message;
use crate::primitives::{Condvar, Mutex, MutexGuard, lock, wait_until};
use crate::task::Cancelled;

/// Where a future stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody works on it yet. The only one that can be cancelled.
    Pending,
    /// The job runs.
    Running,
    /// Cancelled while it was pending.
    Cancelled,
    /// There is a value, or was.
    Finished,
    /// There is an error in place of a value, or was; not a cancellation.
    Failed,
}

impl Phase {
    pub(super) fn is_done(self) -> bool {
        matches!(self, Phase::Cancelled | Phase::Finished | Phase::Failed)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Pending => "pending",
            Phase::Running => "running",
            Phase::Cancelled => "cancelled",
            Phase::Finished | Phase::Failed => "finished",
        }
    }
}

pub(crate) type Outcome<T, E> = Result<T, FutureError<E>>;

/// The shared state as the owner of the result sees it, whatever stands behind (a job or a
/// promise).
pub(crate) trait Cell<T, E>: Watch {
    fn state(&self) -> &State<T, E>;
}

/// The same without its types: what can be seen and asked without knowing the result.
pub(crate) trait Watch: Send + Sync {
    fn phase(&self) -> Phase;
    fn cancellation(&self) -> Option<Cancelled>;
    /// True if it is cancelled now, whoever did it.
    fn cancel(self: Arc<Self>, why: Cancelled) -> bool;
    fn block(&self, deadline: Option<Instant>) -> bool;
    /// Gives the listener back if the future is done.
    fn listen(&self, listener: Listener) -> Result<(), (Listener, Phase)>;
    fn unlisten(&self, waiter: &Arc<Waiter>);
}

/// The state, and the work that is to bring it about: a job's closure, or nothing for a promise.
pub(super) struct Shared<T, E, W> {
    pub(super) state: State<T, E>,
    pub(super) work: W,
}

/// Work that has not begun.
pub(super) trait Work: Send + Sync {
    type Rest;

    /// Takes away what was to be done; the caller drops it.
    fn discard(&self) -> Self::Rest;
}

impl Work for () {
    type Rest = ();

    fn discard(&self) {}
}

impl<T, E, W> Shared<T, E, W>
where
    T: Send + 'static,
    E: Send + 'static,
    W: Work + 'static,
{
    pub(super) fn new(work: W) -> Shared<T, E, W> {
        Shared {
            state: State::new(),
            work,
        }
    }

    pub(super) fn handle(self: &Arc<Self>) -> FutureHandle {
        FutureHandle { cell: self.clone() }
    }
}

impl<T, E, W> Cell<T, E> for Shared<T, E, W>
where
    T: Send + 'static,
    E: Send + 'static,
    W: Work + 'static,
{
    fn state(&self) -> &State<T, E> {
        &self.state
    }
}

impl<T, E, W> Watch for Shared<T, E, W>
where
    T: Send + 'static,
    E: Send + 'static,
    W: Work + 'static,
{
    fn phase(&self) -> Phase {
        self.state.phase()
    }

    fn cancellation(&self) -> Option<Cancelled> {
        self.state.cancellation()
    }

    fn cancel(self: Arc<Self>, why: Cancelled) -> bool {
        match self.state.cancel(why) {
            Ok(aftermath) => {
                let work = self.work.discard();
                aftermath.tell(|| self.handle());
                drop(work);
                true
            }
            Err(phase) => phase == Phase::Cancelled,
        }
    }

    fn block(&self, deadline: Option<Instant>) -> bool {
        self.state.block(deadline)
    }

    fn listen(&self, listener: Listener) -> Result<(), (Listener, Phase)> {
        self.state.listen(listener)
    }

    fn unlisten(&self, waiter: &Arc<Waiter>) {
        self.state.unlisten(waiter);
    }
}

/// Who is told, once, that a future is done.
pub(crate) enum Listener {
    Callback(Box<dyn FnOnce(&FutureHandle) + Send>),
    /// One of several futures that somebody waits for, and its number among them.
    Waiter(Arc<Waiter>, usize),
}

impl Listener {
    /// A panic in a callback is told to standard error and goes no further.
    pub(super) fn tell(self, handle: &FutureHandle, phase: Phase) {
        match self {
            Listener::Callback(callback) => guard("a done callback", || callback(handle)),
            Listener::Waiter(waiter, place) => waiter.tell(place, phase == Phase::Failed),
        }
    }
}

pub(crate) struct State<T, E> {
    inner: Mutex<Inner<T, E>>,
    done: Condvar,
}

struct Inner<T, E> {
    phase: Phase,
    /// From the moment it is done until it is taken.
    outcome: Option<Outcome<T, E>>,
    /// With `Cancelled` only; stays when the outcome is taken.
    why: Option<Cancelled>,
    waker: Option<Waker>,
    listeners: Vec<Listener>,
    /// Threads inside `block`: without any, nothing has to be notified.
    blocked: usize,
    /// The owner of the result let it go: a result is dropped when it comes.
    unwanted: bool,
}

/// What is left to do, outside of the lock, once a future is done.
#[must_use]
pub(super) struct Aftermath<T, E> {
    phase: Phase,
    waker: Option<Waker>,
    listeners: Vec<Listener>,
    unwanted: Option<Outcome<T, E>>,
}

impl<T, E> State<T, E> {
    pub(super) fn new() -> State<T, E> {
        State {
            inner: Mutex::new(Inner {
                phase: Phase::Pending,
                outcome: None,
                why: None,
                waker: None,
                listeners: Vec::new(),
                blocked: 0,
                unwanted: false,
            }),
            done: Condvar::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        lock(&self.inner).phase
    }

    pub(super) fn cancellation(&self) -> Option<Cancelled> {
        lock(&self.inner).why.clone()
    }

    // Verbs of who sets.

    /// From pending to running. False if it was anything but pending: then the caller is not the
    /// one to do the work.
    pub(super) fn start(&self) -> bool {
        let mut inner = lock(&self.inner);
        let pending = inner.phase == Phase::Pending;
        if pending {
            inner.phase = Phase::Running;
        }
        pending
    }

    /// Sets the outcome; gives it back if the future is done.
    pub(super) fn finish(&self, outcome: Outcome<T, E>) -> Result<Aftermath<T, E>, Outcome<T, E>> {
        let inner = lock(&self.inner);
        if inner.phase.is_done() {
            drop(inner);
            return Err(outcome);
        }
        Ok(self.end(inner, outcome))
    }

    /// Cancels it if it is pending; says where it stands if not.
    pub(super) fn cancel(&self, why: Cancelled) -> Result<Aftermath<T, E>, Phase> {
        let inner = lock(&self.inner);
        match inner.phase {
            Phase::Pending => Ok(self.end(inner, Err(FutureError::Cancelled(why)))),
            phase => Err(phase),
        }
    }

    fn end(
        &self,
        mut inner: MutexGuard<'_, Inner<T, E>>,
        outcome: Outcome<T, E>,
    ) -> Aftermath<T, E> {
        inner.phase = match &outcome {
            Ok(_) => Phase::Finished,
            Err(FutureError::Cancelled(why)) => {
                inner.why = Some(why.clone());
                Phase::Cancelled
            }
            Err(_) => Phase::Failed,
        };
        let unwanted = if inner.unwanted {
            Some(outcome)
        } else {
            inner.outcome = Some(outcome);
            None
        };
        let aftermath = Aftermath {
            phase: inner.phase,
            waker: inner.waker.take(),
            listeners: std::mem::take(&mut inner.listeners),
            unwanted,
        };
        let blocked = inner.blocked;
        // Before the notification: who wakes needs the lock first thing.
        drop(inner);
        if blocked > 0 {
            self.done.notify_all();
        }
        aftermath
    }

    // Verbs of who waits.

    /// Blocks the thread until the future is done; false if the deadline came first.
    pub(super) fn block(&self, deadline: Option<Instant>) -> bool {
        let mut inner = lock(&self.inner);
        while !inner.phase.is_done() {
            inner.blocked += 1;
            let (guard, in_time) = wait_until(&self.done, inner, deadline);
            inner = guard;
            inner.blocked -= 1;
            if !in_time {
                break;
            }
        }
        inner.phase.is_done()
    }

    /// Takes the outcome, or has `cx`'s waker woken when there is one.
    ///
    /// # Panics
    /// If it was taken before.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<T, E>> {
        let mut inner = std::task::ready!(self.poll_inner(cx));
        let outcome = inner.outcome.take();
        drop(inner);
        Poll::Ready(outcome.expect("a future was polled after its result was taken"))
    }

    /// Ready when the future is done; the outcome stays. Otherwise has `cx`'s waker woken when it
    /// is.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inner(cx).map(drop)
    }

    fn poll_inner(&self, cx: &mut Context<'_>) -> Poll<MutexGuard<'_, Inner<T, E>>> {
        let inner = lock(&self.inner);
        if inner.phase.is_done() {
            return Poll::Ready(inner);
        }
        if matches!(&inner.waker, Some(known) if known.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(inner);
        // A waker's `clone` and `drop` are somebody else's code.
        let waker = cx.waker().clone();
        let mut inner = lock(&self.inner);
        if inner.phase.is_done() {
            return Poll::Ready(inner);
        }
        let old = inner.waker.replace(waker);
        drop(inner);
        drop(old);
        Poll::Pending
    }

    /// Takes the outcome, if it is there and was not taken.
    pub(super) fn take(&self) -> Option<Outcome<T, E>> {
        lock(&self.inner).outcome.take()
    }

    /// Puts back what `take` gave; only the owner of the result takes.
    pub(super) fn put_back(&self, outcome: Outcome<T, E>) {
        lock(&self.inner).outcome = Some(outcome);
    }

    /// The owner of the result lets go of it.
    pub(super) fn let_go(&self) {
        let mut inner = lock(&self.inner);
        inner.unwanted = true;
        let (outcome, waker) = (inner.outcome.take(), inner.waker.take());
        drop(inner);
        drop((outcome, waker));
    }

    pub(super) fn listen(&self, listener: Listener) -> Result<(), (Listener, Phase)> {
        let mut inner = lock(&self.inner);
        if inner.phase.is_done() {
            return Err((listener, inner.phase));
        }
        inner.listeners.push(listener);
        Ok(())
    }

    pub(super) fn unlisten(&self, waiter: &Arc<Waiter>) {
        lock(&self.inner).listeners.retain(|listener| {
            !matches!(listener, Listener::Waiter(other, _) if Arc::ptr_eq(other, waiter))
        });
    }
}

impl<T, E> Aftermath<T, E> {
    /// Tells all who wait. `handle` is called if somebody wants one.
    pub(super) fn tell(self, handle: impl FnOnce() -> FutureHandle) {
        if let Some(waker) = self.waker {
            guard("a waker", || waker.wake());
        }
        if !self.listeners.is_empty() {
            let handle = handle();
            for listener in self.listeners {
                listener.tell(&handle, self.phase);
            }
        }
        if let Some(outcome) = self.unwanted {
            guard("the destructor of a result nobody waited for", || {
                drop(outcome);
            });
        }
    }
}

/// Runs somebody else's code in a thread that has its own work to go on with.
pub(super) fn guard(what: &str, body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        eprintln!("bucle: {what} panicked: {}", panic_message(&*payload));
        crate::task::discard(payload);
    }
}
