//! [`timeout`], [`timeout_at`] and [`Timeout`]: a future that must be done in time.
//!
//! # Cancellation
//!
//! A timeout runs its future in place, in the caller's task. When the time is up it drops the
//! future and returns; the task itself is not cancelled, and never learns of it. (asyncio cancels
//! the task and turns the cancellation into `TimeoutError` on its way out; what is inside can hold
//! that up, as it can't here.) Dropping a timeout, also by cancelling its task, drops the future and
//! takes the timer back.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::event_loop::far;
use crate::get_running_loop;
use crate::sleep::{Sleep, sleep, sleep_until};
use crate::task::{CancelPlace, unwinding};
use crate::wait_graph::{Needs, Survey, WaitKind, What};
use crate::waits::{Member, Waited};

/// The time of a [`timeout`] was up. asyncio's `TimeoutError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError {
    after: Duration,
}

impl TimeoutError {
    pub(crate) fn new(after: Duration) -> TimeoutError {
        TimeoutError { after }
    }

    /// How long the future was given.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {:?}", self.after)
    }
}

impl Error for TimeoutError {}

/// Runs `future` for at most `duration`, counted from the first poll; as long as it takes for `None`.
/// asyncio's `wait_for`, and its `timeout` around one await.
///
/// If its value and the end of the time come together, the value wins. Of a duration of zero that
/// leaves the future two polls, between which whatever else was ready has run once. When the time is up the
/// future is dropped before this returns. Cancelling this drops the future too. A
/// [`Task`](crate::Task) given to it is let go when the time is up, as whenever its handle is
/// dropped: see [`Task::wait_for`](crate::Task::wait_for).
///
/// # Errors
/// [`TimeoutError`] if the time was up first.
///
/// # Panics
/// When polled where no loop is running.
#[track_caller]
pub fn timeout<D, F>(
    duration: D,
    future: F,
) -> impl Future<Output = Result<F::Output, TimeoutError>> + use<D, F>
where
    D: Into<Option<Duration>>,
    F: Future,
{
    let location = Location::caller();
    // A hundred years, as far as timers reach, are never.
    let duration = duration.into().unwrap_or(Duration::MAX);
    async move {
        let end = sleep(duration);
        within(end, location, || duration, future).await
    }
}

/// [`timeout`] until a point of the loop's [`time`](crate::LoopRef::time). asyncio's `timeout_at`.
///
/// The future is polled once even if that time has passed.
///
/// # Errors
/// [`TimeoutError`] if the time was up first.
///
/// # Panics
/// When polled where no loop is running.
#[track_caller]
pub fn timeout_at<F: Future>(
    deadline: Instant,
    future: F,
) -> impl Future<Output = Result<F::Output, TimeoutError>> + use<F> {
    let location = Location::caller();
    async move {
        let begun = get_running_loop().time();
        let given = || deadline.saturating_duration_since(begun);
        within(sleep_until(deadline), location, given, future).await
    }
}

async fn within<F: Future>(
    mut end: Sleep,
    location: &'static Location<'static>,
    given: impl FnOnce() -> Duration,
    future: F,
) -> Result<F::Output, TimeoutError> {
    // Dropped in reverse: a cancellation meets what is inside first.
    let mut passing = Passing(Some(location));
    let mut future = pin!(Some(future));
    let value = poll_fn(|cx| {
        if let Some(future) = future.as_mut().as_pin_mut()
            && let Poll::Ready(value) = future.poll(cx)
        {
            return Poll::Ready(Some(value));
        }
        Pin::new(&mut end).poll(cx).map(|()| None)
    })
    .await;
    passing.0 = None;
    value.ok_or_else(|| {
        let after = given();
        unwinding::by_timeout(after, location, || future.set(None));
        TimeoutError { after }
    })
}

/// Adds the timeout to the biography of a cancellation that drops it.
struct Passing(Option<&'static Location<'static>>);

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(location) = self.0 {
            unwinding::met(CancelPlace::Timeout, location);
        }
    }
}

/// A timeout whose end can be moved while it runs. asyncio's `Timeout` objects, which its `timeout`
/// returns.
///
/// ```
/// use std::time::Duration;
/// use bucle_loop::{Timeout, sleep};
///
/// bucle_loop::run(async {
///     let limit = Timeout::after(Duration::from_millis(2));
///     let handle = limit.handle();
///     let result = limit.run(async {
///         handle.reschedule(None).unwrap();
///         sleep(Duration::from_millis(5)).await;
///         "took its time"
///     });
///     assert_eq!(result.await, Ok("took its time"));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "it limits nothing until `run`"]
#[derive(Debug)]
pub struct Timeout {
    handle: TimeoutHandle,
}

/// The means to look at a [`Timeout`] and to move its end, from inside or outside of what it runs.
#[derive(Clone)]
pub struct TimeoutHandle {
    shared: Rc<Shared>,
}

struct Shared {
    when: Cell<Option<Instant>>,
    stage: Cell<Stage>,
    /// The task that runs it, to be told of another end.
    waker: Cell<Option<Waker>>,
    member: Member,
    location: &'static Location<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Created,
    Active,
    Expired,
    Finished,
}

impl Timeout {
    /// A timeout that ends `delay` from now, or never.
    ///
    /// # Panics
    /// If no loop is running in this thread, and there is a delay.
    #[track_caller]
    pub fn after(delay: impl Into<Option<Duration>>) -> Timeout {
        let delay = delay.into();
        Timeout::at(delay.map(|delay| far(get_running_loop().time(), delay)))
    }

    /// A timeout that ends when the loop's [`time`](crate::LoopRef::time) has come to `when`, or
    /// never.
    #[track_caller]
    pub fn at(when: impl Into<Option<Instant>>) -> Timeout {
        Timeout {
            handle: TimeoutHandle {
                shared: Rc::new(Shared {
                    when: Cell::new(when.into()),
                    stage: Cell::new(Stage::Created),
                    waker: Cell::new(None),
                    member: Member::default(),
                    location: Location::caller(),
                }),
            },
        }
    }

    /// The means to move its end.
    pub fn handle(&self) -> TimeoutHandle {
        self.handle.clone()
    }

    /// Runs `future` until the end, wherever that is moved to meanwhile. The rest is as for
    /// [`timeout`].
    ///
    /// # Errors
    /// [`TimeoutError`] if the time was up first.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    pub async fn run<F: Future>(self, future: F) -> Result<F::Output, TimeoutError> {
        let shared = &*self.handle.shared;
        let begun = get_running_loop().time();
        shared.stage.set(Stage::Active);
        shared.member.begin(&self.handle.shared);
        let mut ending = Ending {
            shared,
            passing: Passing(Some(shared.location)),
        };
        let mut future = pin!(Some(future));
        let mut armed: Option<(Instant, Sleep)> = None;
        let value = poll_fn(|cx| {
            if let Some(future) = future.as_mut().as_pin_mut()
                && let Poll::Ready(value) = future.poll(cx)
            {
                return Poll::Ready(Some(value));
            }
            shared.waker.set(Some(cx.waker().clone()));
            let when = shared.when.get();
            if armed.as_ref().map(|(when, _)| *when) != when {
                armed = when.map(|when| (when, sleep_until(when)));
            }
            match &mut armed {
                Some((_, end)) => Pin::new(end).poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        ending.passing.0 = None;
        value.ok_or_else(|| {
            shared.stage.set(Stage::Expired);
            let until = armed.map_or(begun, |(when, _)| when);
            let after = until.saturating_duration_since(begun);
            unwinding::by_timeout(after, shared.location, || future.set(None));
            TimeoutError { after }
        })
    }
}

impl Waited for Shared {
    fn tell(&self, survey: &mut Survey) {
        let waker = self.waker.take();
        if let Some(waker) = &waker {
            // Who has the handle can move the end.
            let what = What::new(WaitKind::Cancellation, "");
            survey.waits(waker, what, Needs::Anyone);
        }
        self.waker.set(waker);
    }
}

/// The end of a run, in whatever way.
struct Ending<'a> {
    shared: &'a Shared,
    passing: Passing,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if self.shared.stage.get() == Stage::Active {
            self.shared.stage.set(Stage::Finished);
        }
        drop(self.shared.waker.take());
    }
}

impl TimeoutHandle {
    /// When it ends, on the loop's clock; `None` for never.
    pub fn when(&self) -> Option<Instant> {
        self.shared.when.get()
    }

    /// Whether the time was up before the future was done.
    pub fn expired(&self) -> bool {
        self.shared.stage.get() == Stage::Expired
    }

    /// Moves the end, to a time that may have passed, or to never.
    ///
    /// # Errors
    /// [`TimeoutOver`] if the time was up already, or the future is done.
    pub fn reschedule(&self, when: impl Into<Option<Instant>>) -> Result<(), TimeoutOver> {
        match self.shared.stage.get() {
            Stage::Created => self.shared.when.set(when.into()),
            Stage::Active => {
                self.shared.when.set(when.into());
                if let Some(waker) = self.shared.waker.take() {
                    waker.wake();
                }
            }
            Stage::Expired => return Err(TimeoutOver { expired: true }),
            Stage::Finished => return Err(TimeoutOver { expired: false }),
        }
        Ok(())
    }
}

impl fmt::Debug for TimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.shared.stage.get();
        let mut it = f.debug_struct("TimeoutHandle");
        it.field("stage", &stage);
        if matches!(stage, Stage::Created | Stage::Active) {
            it.field("when", &self.when());
        }
        it.finish()
    }
}

/// The end of a [`Timeout`] can't be moved any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutOver {
    expired: bool,
}

impl fmt::Display for TimeoutOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.expired {
            "the timeout has expired: its end can't be moved any more"
        } else {
            "the timeout is finished: what it ran is done or was dropped"
        })
    }
}

impl Error for TimeoutOver {}
