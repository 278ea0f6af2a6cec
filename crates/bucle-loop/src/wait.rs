//! [`wait`]: some tasks or futures, until enough of them are done.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::concurrent;
use crate::executor::WrapFuture;
use crate::sleep::{Sleep, sleep};
use crate::task::{CancelOnDrop, Task};
use crate::wake_set::{PlaceWaker, WakeSet};

use ReturnWhen::{AllCompleted, FirstCompleted, FirstException};

/// [`ReturnWhen::FirstCompleted`] by asyncio's name.
pub const FIRST_COMPLETED: ReturnWhen = FirstCompleted;
/// [`ReturnWhen::FirstException`] by asyncio's name.
pub const FIRST_EXCEPTION: ReturnWhen = FirstException;
/// [`ReturnWhen::AllCompleted`] by asyncio's name.
pub const ALL_COMPLETED: ReturnWhen = AllCompleted;

/// When a [`wait`] is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnWhen {
    /// When all are done.
    #[default]
    AllCompleted,
    /// When any is done.
    FirstCompleted,
    /// When any has failed, else when all are done. A task fails by a panic, a settable future by
    /// an exception; see [`Wait::or_first_error`] for tasks of `Result`s. Being cancelled is not
    /// failing.
    FirstException,
}

/// Waits for `tasks` and returns two lists: those that are done, and those that are not, each in
/// the order given. asyncio's `wait`.
///
/// It looks at nobody's result: done tasks keep theirs, and are awaited or asked for it afterwards.
/// It cancels nobody, neither when it returns nor when it is dropped. Tasks given by value are let
/// go if it is dropped; give `&mut Task`s to keep them. Futures that aren't tasks have to be spawned
/// first, as in asyncio.
///
/// Returns at once for no tasks at all (asyncio raises).
///
/// ```
/// use bucle_loop::{FIRST_COMPLETED, sleep, spawn, wait};
/// use std::time::Duration;
///
/// bucle_loop::run(async {
///     let tasks = [30, 1].map(|ms| spawn(sleep(Duration::from_millis(ms))));
///     let (done, pending) = wait(tasks).return_when(FIRST_COMPLETED).await;
///     assert_eq!((done.len(), pending.len()), (1, 1));
///     for task in pending {
///         task.cancel("one is enough");
///     }
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait<I>(tasks: I) -> Wait<I::Item>
where
    I: IntoIterator,
    I::Item: Waitable,
{
    let wakes = WakeSet::new();
    let places: Vec<Place<I::Item>> = tasks
        .into_iter()
        .enumerate()
        .map(|(number, mut waited)| {
            let waker = wakes.place(number);
            waker.watch(|cx| waited.poll_done(cx));
            Place {
                waited,
                waker,
                done: false,
            }
        })
        .collect();
    Wait {
        left: places.len(),
        places,
        wakes,
        return_when: AllCompleted,
        failed: I::Item::has_failed,
        end: None,
    }
}

/// What [`wait`] can wait for: a [`Task`], a [`CancelOnDrop`], a settable
/// [`Future`](crate::Future), a job of an executor ([`WrapFuture`], [`concurrent::Future`]), or a
/// `&mut` to one.
pub trait Waitable: sealed::Sealed {
    #[doc(hidden)]
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    #[doc(hidden)]
    fn has_failed(&self) -> bool;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for crate::Task<T> {}
    impl<T> Sealed for crate::CancelOnDrop<T> {}
    impl<T, E> Sealed for crate::Future<T, E> {}
    impl<T, E> Sealed for crate::concurrent::Future<T, E> {}
    impl<T, E> Sealed for crate::WrapFuture<T, E> {}
    impl<W: Sealed> Sealed for &mut W {}
}

impl<T> Waitable for Task<T> {
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Task::poll_done(self, cx)
    }

    fn has_failed(&self) -> bool {
        self.done() && !self.cancelled() && !self.task_ref().has_value()
    }
}

impl<T> Waitable for CancelOnDrop<T> {
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.task_mut().poll_done(cx)
    }

    fn has_failed(&self) -> bool {
        Task::has_failed(self)
    }
}

impl<T, E> Waitable for crate::Future<T, E> {
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        crate::Future::poll_done(self, cx)
    }

    fn has_failed(&self) -> bool {
        self.failed()
    }
}

impl<T, E> Waitable for concurrent::Future<T, E> {
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        concurrent::Future::poll_done(self, cx)
    }

    fn has_failed(&self) -> bool {
        concurrent::Future::has_failed(self)
    }
}

impl<T, E> Waitable for WrapFuture<T, E> {
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        WrapFuture::poll_done(self, cx)
    }

    fn has_failed(&self) -> bool {
        WrapFuture::has_failed(self)
    }
}

impl<W: Waitable> Waitable for &mut W {
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        W::poll_done(self, cx)
    }

    fn has_failed(&self) -> bool {
        W::has_failed(self)
    }
}

/// The future of [`wait`]: gives the done and the pending.
#[must_use = "it waits when awaited"]
pub struct Wait<W> {
    places: Vec<Place<W>>,
    left: usize,
    wakes: WakeSet,
    return_when: ReturnWhen,
    failed: fn(&W) -> bool,
    end: Option<Sleep>,
}

struct Place<W> {
    waited: W,
    waker: PlaceWaker,
    done: bool,
}

impl<W> Wait<W> {
    /// When to return; when all are done, if this is not called.
    pub fn return_when(mut self, when: ReturnWhen) -> Wait<W> {
        self.return_when = when;
        self
    }

    /// Returns after `limit` in any case. That is no error: what is not done then is pending.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Wait<W> {
        self.end = limit.into().map(sleep);
        self
    }
}

impl<T, E> Wait<Task<Result<T, E>>> {
    /// [`FIRST_EXCEPTION`], where an `Err` of a task is a failure too.
    pub fn or_first_error(mut self) -> Self {
        self.return_when = FirstException;
        self.failed = |task| task.has_failed() || matches!(task.peek(), Some(Err(_)));
        self
    }
}

impl<'a, T, E> Wait<&'a mut Task<Result<T, E>>> {
    /// [`FIRST_EXCEPTION`], where an `Err` of a task is a failure too.
    pub fn or_first_error(mut self) -> Self {
        self.return_when = FirstException;
        self.failed = |task: &&'a mut Task<Result<T, E>>| {
            task.has_failed() || matches!(task.peek(), Some(Err(_)))
        };
        self
    }
}

impl<W: Waitable> Wait<W> {
    /// Looks at one; whether that ends the wait.
    fn look(&mut self, number: usize) -> bool {
        let place = &mut self.places[number];
        if place.done {
            return false;
        }
        let waited = &mut place.waited;
        let polled = place.waker.look(|cx| waited.poll_done(cx));
        if polled.is_pending() {
            return false;
        }
        place.done = true;
        self.left -= 1;
        match self.return_when {
            AllCompleted => false,
            FirstCompleted => true,
            FirstException => (self.failed)(&place.waited),
        }
    }
}

// Nothing in it is pinned.
impl<W> Unpin for Wait<W> {}

impl<W: Waitable> Future for Wait<W> {
    type Output = (Vec<W>, Vec<W>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.wakes.register(cx);
        let mut over = false;
        while let Some(number) = this.wakes.pop() {
            over |= this.look(number);
        }
        over |= this.left == 0;
        if !over && let Some(end) = &mut this.end {
            over = Pin::new(end).poll(cx).is_ready();
        }
        if !over {
            return Poll::Pending;
        }
        let (mut done, mut pending) = (Vec::new(), Vec::with_capacity(this.left));
        for place in std::mem::take(&mut this.places) {
            let list = if place.done { &mut done } else { &mut pending };
            list.push(place.waited);
        }
        Poll::Ready((done, pending))
    }
}

impl<W> fmt::Debug for Wait<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("tasks", &self.places.len())
            .field("left", &self.left)
            .field("return_when", &self.return_when)
            .finish()
    }
}
