//! [`Future`]: a value that is to come, set by hand.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt;
use std::future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::exceptions::ExceptionContext;
use crate::future_waits::FutureWaits;
use crate::lines::Line;
use crate::task::cell::clone_waker;
use crate::task::{CallbackId, Cancelled};
use crate::{LoopRef, get_running_loop};

/// A value that is to come: made empty, awaited by any number of tasks, set once. asyncio's
/// `Future`.
///
/// Clones are the same future. It belongs to the loop it was made on and to its thread; another
/// thread sets it through [`Remote::call_soon_threadsafe`](crate::Remote::call_soon_threadsafe).
/// Awaiting gives a clone of the value; dropping an await leaves the future as it is, and so does
/// cancelling the task that awaits (asyncio cancels the future then: call
/// [`cancel`](Future::cancel) where that is meant).
///
/// An error that was set and that nobody looked at (by awaiting, [`result`](Future::result) or
/// [`exception`](Future::exception)) goes to the loop's exception handler when the last clone is
/// dropped, with the place where the future was made.
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
    /// This clone's place among the waiters, if it has one and the future isn't done.
    ticket: Option<u32>,
}

struct Shared<T, E> {
    event_loop: LoopRef,
    location: &'static Location<'static>,
    /// `None` until it is done.
    result: RefCell<Option<Result<T, FutureError<E>>>>,
    /// Those who wait, in the loop's table; nobody once it is done.
    line: Cell<Line>,
    /// Most have none.
    callbacks: Cell<Option<Box<Callbacks<T, E>>>>,
    /// Tells of an error nobody looked at; gone once somebody did.
    describe: Cell<Option<Describe<E>>>,
}

struct Callbacks<T, E> {
    /// Added so far: the number of the next one.
    numbered: u64,
    list: Vec<(u64, Callback<T, E>)>,
}

/// Puts an error into words.
type Describe<E> = fn(&E) -> String;

/// Puts a callback into the ready queue. Made where the types are known to be `'static`.
type Callback<T, E> = Box<dyn FnOnce(&Future<T, E>)>;

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
#[doc(alias = "InvalidStateError")]
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
    #[doc(alias = "create_future")]
    pub fn new() -> Future<T, E> {
        Future::made(get_running_loop(), Location::caller())
    }

    /// An empty future of `event_loop`, which will run its callbacks. asyncio's
    /// `loop.create_future()`.
    #[track_caller]
    pub fn on(event_loop: &LoopRef) -> Future<T, E> {
        Future::made(event_loop.clone(), Location::caller())
    }

    #[inline]
    fn made(event_loop: LoopRef, location: &'static Location<'static>) -> Future<T, E> {
        Future {
            shared: Rc::new(Shared {
                event_loop,
                location,
                result: RefCell::new(None),
                line: Cell::default(),
                callbacks: Cell::new(None),
                describe: Cell::new(None),
            }),
            ticket: None,
        }
    }

    /// The loop it belongs to.
    pub fn get_loop(&self) -> LoopRef {
        self.shared.event_loop.clone()
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
    pub fn set_exception(&self, error: E) -> Result<(), AlreadySet<E>>
    where
        E: fmt::Debug,
    {
        if self.done() {
            return Err(AlreadySet(error));
        }
        let describe: Describe<E> = |error| format!("{error:?}");
        self.shared.describe.set(Some(describe));
        self.finish(Err(FutureError::Exception(error)));
        Ok(())
    }

    /// Cancels the future: all who wait get [`FutureError::Cancelled`]. False if it was done.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        if self.done() {
            return false;
        }
        let cancelled = Cancelled::new(reason).asked_here(Location::caller());
        self.finish(Err(FutureError::Cancelled(cancelled)));
        true
    }

    #[inline]
    fn finish(&self, result: Result<T, FutureError<E>>) {
        let before = self.shared.result.borrow_mut().replace(result);
        debug_assert!(before.is_none(), "a future is set once");
        if let Some(callbacks) = self.shared.callbacks.take() {
            for (_, callback) in callbacks.list {
                callback(self);
            }
        }
        self.shared.waits().wake_all(self.shared.line.take());
    }

    /// Whether it was set or cancelled.
    pub fn done(&self) -> bool {
        self.shared.result.borrow().is_some()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        matches!(
            &*self.shared.result.borrow(),
            Some(Err(FutureError::Cancelled(_)))
        )
    }

    /// Whether an error was set. Doesn't count as looking at it.
    pub(crate) fn failed(&self) -> bool {
        matches!(
            &*self.shared.result.borrow(),
            Some(Err(FutureError::Exception(_)))
        )
    }

    /// Has `callback` run by the loop, as by `call_soon`, once the future is done: never inside this
    /// call, but in the next turn if it is done already. Callbacks run in the order they were added.
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce(&Future<T, E>) + 'static) -> CallbackId
    where
        T: 'static,
        E: 'static,
    {
        let location = Location::caller();
        // Until it is done the callback has no reference to it, lest a future that is never set
        // keep itself alive; from then on it has, lest the callback be forgotten.
        let callback: Callback<T, E> = Box::new(move |future| {
            let future = future.clone();
            let event_loop = future.shared.event_loop.clone();
            event_loop.call_soon_from(Box::new(move || callback(&future)), location);
        });
        if self.done() {
            callback(self);
            return CallbackId::GONE;
        }
        let mut callbacks = self.shared.callbacks.take().unwrap_or_else(|| {
            Box::new(Callbacks {
                numbered: 0,
                list: Vec::new(),
            })
        });
        let number = callbacks.numbered;
        callbacks.numbered += 1;
        callbacks.list.push((number, callback));
        self.shared.callbacks.set(Some(callbacks));
        CallbackId(number)
    }

    /// Takes a done callback back; true if it was there and will not run. asyncio finds it by
    /// equality, which closures don't have.
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        let Some(mut callbacks) = self.shared.callbacks.take() else {
            return false;
        };
        let place = callbacks.list.iter().position(|(n, _)| *n == id.0);
        let removed = place.map(|place| callbacks.list.remove(place));
        self.shared.callbacks.set(Some(callbacks));
        removed.is_some()
    }

    /// Ready when the future is done; otherwise has `cx`'s waker woken when it is.
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.done() {
            return Poll::Ready(());
        }
        self.poll_wait(cx)
    }

    /// The same for one that isn't done.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &*self.shared;
        if let Some(place) = self.ticket
            && shared.waits().has(place, cx.waker())
        {
            return Poll::Pending;
        }
        // Cloned before anything is borrowed: a waker may be of anybody's making, and might set the
        // future.
        let waker = clone_waker(cx.waker());
        if self.done() {
            return Poll::Ready(());
        }
        let replaced = match self.ticket {
            Some(place) => shared.waits().renew(place, waker),
            None => {
                let mut line = shared.line.get();
                let place = shared.waits().add(&mut line, waker, shared.location);
                shared.line.set(line);
                self.ticket = Some(place);
                shared.event_loop.core.ready.note_wait();
                None
            }
        };
        drop(replaced);
        Poll::Pending
    }
}

impl<T, E> Shared<T, E> {
    #[inline]
    fn waits(&self) -> &FutureWaits {
        &self.event_loop.core.future_waits
    }
}

impl<T: Clone, E: Clone> Future<T, E> {
    /// The outcome, once it is done. asyncio raises `InvalidStateError` before that.
    pub fn result(&self) -> Option<Result<T, FutureError<E>>> {
        let result = self.shared.result.borrow();
        let result = result.as_ref()?;
        self.shared.describe.set(None);
        Some(result.clone())
    }

    /// Why it has no value: the error that was set, or the cancellation. `None` while it is not
    /// done, and if it has a value.
    pub fn exception(&self) -> Option<FutureError<E>> {
        match &*self.shared.result.borrow() {
            Some(Err(error)) => {
                self.shared.describe.set(None);
                Some(error.clone())
            }
            Some(Ok(_)) | None => None,
        }
    }
}

impl<T: Clone, E: Clone> future::Future for Future<T, E> {
    type Output = Result<T, FutureError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.result() {
            return Poll::Ready(result);
        }
        match self.poll_wait(cx) {
            Poll::Ready(()) => self.result().map_or(Poll::Pending, Poll::Ready),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T, E> Drop for Shared<T, E> {
    fn drop(&mut self) {
        if let Some(describe) = self.describe.get()
            && let Some(Err(FutureError::Exception(error))) = self.result.get_mut()
        {
            let message = format!("its exception was never looked at: {}", describe(error));
            let mut context = ExceptionContext::new("future", message);
            context.location = Some(self.location);
            self.event_loop.call_exception_handler(context);
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
        if let Some(place) = self.ticket
            && !self.done()
        {
            let mut line = self.shared.line.get();
            let waker = self.shared.waits().remove(&mut line, place);
            self.shared.line.set(line);
            drop(waker);
        }
    }
}

impl<T, E> fmt::Debug for Future<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.shared.result.try_borrow().as_deref() {
            Ok(None) => "pending",
            Ok(Some(Ok(_))) => "finished",
            Ok(Some(Err(FutureError::Exception(_)))) => "failed",
            Ok(Some(Err(FutureError::Cancelled(_)))) => "cancelled",
            Err(_) => "busy",
        };
        f.debug_struct("Future")
            .field("state", &format_args!("{state}"))
            .field("made_at", &format_args!("{}", self.shared.location))
            .finish()
    }
}
