//! [`Future`]: a value that is to come, set by hand.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::LoopRef;
use crate::get_running_loop;
use crate::task::Cancelled;

/// A value that is to come: made empty, awaited by any number of tasks, set once. asyncio's
/// `Future`.
///
/// Clones are the same future. It belongs to the loop it was made on and to its thread; another
/// thread sets it through [`Remote::call_soon_threadsafe`](crate::Remote::call_soon_threadsafe).
/// Awaiting gives a clone of the value; dropping an await leaves the future as it is.
///
/// ```
/// use bucle_loop::Future;
///
/// bucle_loop::run(async {
///     let answer: Future<u32> = Future::new();
///     let waiter = bucle_loop::spawn({ let answer = answer.clone(); async move { answer.await } });
///     answer.set_result(42).unwrap();
///     assert_eq!(waiter.await.unwrap(), Ok(42));
///     assert!(answer.set_result(43).is_err());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Future<T, E = Infallible> {
    shared: Rc<Shared<T, E>>,
    /// This clone's place among the waiters.
    ticket: Option<u64>,
}

struct Shared<T, E> {
    event_loop: LoopRef,
    location: &'static Location<'static>,
    state: RefCell<State<T, E>>,
}

enum State<T, E> {
    Pending(Waiting),
    Done(Result<T, FutureError<E>>),
}

#[derive(Default)]
struct Waiting {
    next_ticket: u64,
    wakers: Vec<(u64, Waker)>,
    callbacks: Vec<Box<dyn FnOnce()>>,
}

/// Why a [`Future`] has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FutureError<E> {
    /// An error was set in place of a value.
    Exception(E),
    /// It was cancelled.
    Cancelled(Cancelled),
}

impl<E: fmt::Display> fmt::Display for FutureError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FutureError::Exception(error) => error.fmt(f),
            FutureError::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl<E: fmt::Display + fmt::Debug> std::error::Error for FutureError<E> {}

/// A future was set that has been set, or cancelled, before; what it holds stays. Carries what was
/// to be set. asyncio's `InvalidStateError`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadySet<V>(pub V);

impl<V> fmt::Debug for AlreadySet<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadySet")
    }
}

impl<V> fmt::Display for AlreadySet<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the future is done already: it can be set only once")
    }
}

impl<V> std::error::Error for AlreadySet<V> {}

impl<T, E> Future<T, E> {
    /// An empty future of the running loop.
    ///
    /// # Panics
    /// If no loop is running in this thread; [`on`](Future::on) takes one.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it needs a running loop")]
    pub fn new() -> Future<T, E> {
        Future::on(&get_running_loop())
    }

    /// An empty future of `event_loop`, which will run its callbacks. asyncio's
    /// `loop.create_future()`.
    #[track_caller]
    pub fn on(event_loop: &LoopRef) -> Future<T, E> {
        Future {
            shared: Rc::new(Shared {
                event_loop: event_loop.clone(),
                location: Location::caller(),
                state: RefCell::new(State::Pending(Waiting::default())),
            }),
            ticket: None,
        }
    }

    /// Sets the value, and wakes all who wait.
    ///
    /// # Errors
    /// [`AlreadySet`] with the value, if the future is done.
    pub fn set_result(&self, value: T) -> Result<(), AlreadySet<T>> {
        if self.done() {
            return Err(AlreadySet(value));
        }
        self.finish(Ok(value));
        Ok(())
    }

    /// Sets an error in place of a value, and wakes all who wait.
    ///
    /// # Errors
    /// [`AlreadySet`] with the error, if the future is done.
    pub fn set_exception(&self, error: E) -> Result<(), AlreadySet<E>> {
        if self.done() {
            return Err(AlreadySet(error));
        }
        self.finish(Err(FutureError::Exception(error)));
        Ok(())
    }

    /// Cancels the future: all who wait get [`FutureError::Cancelled`]. False if it was done.
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        if self.done() {
            return false;
        }
        let mut cancelled = Cancelled::new(reason);
        if let Some(task) = crate::current_task() {
            cancelled = cancelled.asked_by(task.tag());
        }
        self.finish(Err(FutureError::Cancelled(cancelled)));
        true
    }

    fn finish(&self, result: Result<T, FutureError<E>>) {
        let before = self.shared.state.replace(State::Done(result));
        if let State::Pending(waiting) = before {
            for callback in waiting.callbacks {
                self.schedule(callback);
            }
            for (_, waker) in waiting.wakers {
                waker.wake();
            }
        }
    }

    fn schedule(&self, callback: Box<dyn FnOnce()>) {
        self.shared
            .event_loop
            .call_soon_from(callback, self.shared.location);
    }

    /// Whether it was set or cancelled.
    pub fn done(&self) -> bool {
        matches!(&*self.shared.state.borrow(), State::Done(_))
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        matches!(
            &*self.shared.state.borrow(),
            State::Done(Err(FutureError::Cancelled(_)))
        )
    }

    /// Has `callback` run by the loop, as by `call_soon`, once the future is done; at once if it is
    /// done already. Callbacks run in the order they were added.
    pub fn add_done_callback(&self, callback: impl FnOnce(&Future<T, E>) + 'static)
    where
        T: 'static,
        E: 'static,
    {
        // Weak until it is done, lest a future that is never set keep itself alive.
        let weak = Rc::downgrade(&self.shared);
        let callback: Box<dyn FnOnce()> = Box::new(move || {
            if let Some(shared) = weak.upgrade() {
                callback(&Future {
                    shared,
                    ticket: None,
                });
            }
        });
        if let State::Pending(waiting) = &mut *self.shared.state.borrow_mut() {
            waiting.callbacks.push(callback);
            return;
        }
        self.schedule(callback);
    }
}

impl<T: Clone, E: Clone> Future<T, E> {
    /// The outcome, once it is done.
    pub fn result(&self) -> Option<Result<T, FutureError<E>>> {
        match &*self.shared.state.borrow() {
            State::Pending(_) => None,
            State::Done(result) => Some(result.clone()),
        }
    }
}

impl<T: Clone, E: Clone> future::Future for Future<T, E> {
    type Output = Result<T, FutureError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut *this.shared.state.borrow_mut() {
            State::Done(result) => Poll::Ready(result.clone()),
            State::Pending(waiting) => {
                let known = this
                    .ticket
                    .and_then(|ticket| waiting.wakers.iter_mut().find(|(t, _)| *t == ticket));
                match known {
                    Some((_, waker)) => waker.clone_from(cx.waker()),
                    None => {
                        let ticket = waiting.next_ticket;
                        waiting.next_ticket += 1;
                        waiting.wakers.push((ticket, cx.waker().clone()));
                        this.ticket = Some(ticket);
                    }
                }
                Poll::Pending
            }
        }
    }
}

// `Pin` is only a formality for a shared reference.
impl<T, E> Unpin for Future<T, E> {}

impl<T, E> Clone for Future<T, E> {
    fn clone(&self) -> Future<T, E> {
        Future {
            shared: self.shared.clone(),
            ticket: None,
        }
    }
}

impl<T, E> Drop for Future<T, E> {
    fn drop(&mut self) {
        // A waiter that is gone must not keep its task's waker here.
        if let Some(ticket) = self.ticket
            && let Ok(mut state) = self.shared.state.try_borrow_mut()
            && let State::Pending(waiting) = &mut *state
        {
            let place = waiting.wakers.iter().position(|(t, _)| *t == ticket);
            let waker = place.map(|place| waiting.wakers.remove(place));
            drop(state);
            drop(waker);
        }
    }
}

impl<T, E> fmt::Debug for Future<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future")
            .field("done", &self.done())
            .field("cancelled", &self.cancelled())
            .field("made_at", &format_args!("{}", self.shared.location))
            .finish()
    }
}
