//! [`gather`] and [`try_gather`]: many futures at once, their results in order.
//!
//! # Cancellation
//!
//! A gather that is dropped before it is done, also by cancelling the task that awaits it, cancels
//! its tasks; they get that cancellation with its biography. It doesn't wait for their ends: a
//! [`TaskGroup`](crate::TaskGroup) does. Awaiting it to its first failure cancels nobody, as in
//! asyncio: the others go on by themselves. A task of it that is cancelled by somebody else is a
//! failure of the gather, not a cancellation of who awaits it.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::get_running_loop;
use crate::task::{CancelPlace, Cancelled, Task, TaskError, unwinding};
use crate::wake_set::{PlaceWaker, WakeSet};

/// Runs all `futures` at once, each as a task of its own, and gives their results in the order the
/// futures were given, not that in which they ended. asyncio's `gather`.
///
/// Takes anything that can be iterated over, or a tuple of up to twelve futures of different types.
/// Of no futures it is done when first polled, with no results.
/// [`Gather::of`] takes tasks that exist already.
///
/// Awaited, it ends at the first task that fails (is cancelled, or panics), with that error; the
/// others go on, as in asyncio, and a later panic among them goes to the loop's exception handler.
/// An `Err` that a future returns is a value here: see [`try_gather`]. With
/// [`return_exceptions`](Gather::return_exceptions) it waits for all and gives a result for each.
/// Dropping it before it is done cancels the tasks that are not.
///
/// ```
/// bucle_loop::run(async {
///     let squares = bucle_loop::gather((1..=3).map(|n| async move { n * n })).await;
///     assert_eq!(squares.unwrap(), [1, 4, 9]);
///     let (number, text) = bucle_loop::gather((async { 1 }, async { "two" })).await.unwrap();
///     assert_eq!((number, text), (1, "two"));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn gather<Kind, G>(futures: G) -> Gather<G::Tasks>
where
    G: Gatherable<Kind>,
{
    let location = Location::caller();
    Gather::new(futures.spawn_all(location), location)
}

/// [`gather`] for futures that return `Result`s, which ends at the first `Err` too: asyncio's
/// `gather`, whose children raise.
///
/// ```
/// bucle_loop::run(async {
///     let halves = |numbers: [u32; 3]| {
///         bucle_loop::try_gather(numbers.map(|n| async move {
///             if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
///         }))
///     };
///     assert_eq!(halves([2, 4, 6]).await.unwrap(), [1, 2, 3]);
///     assert_eq!(halves([2, 3, 6]).await.unwrap_err().to_string(), "3 is odd");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn try_gather<I, T, E>(futures: I) -> TryGather<T, E>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<T, E>> + 'static,
{
    let location = Location::caller();
    let mut gather = Gather::new(Gatherable::<Many>::spawn_all(futures, location), location);
    gather.failed = |tasks, number| !matches!(tasks[number].peek(), Some(Ok(_)));
    TryGather { gather }
}

/// What [`gather`] can run: an iterator of futures, or a tuple of them. The parameter keeps the two
/// apart.
pub trait Gatherable<Kind> {
    /// The tasks it becomes.
    type Tasks: Tasks;

    #[doc(hidden)]
    fn spawn_all(self, location: &'static Location<'static>) -> Self::Tasks;
}

/// Futures of one type: see [`Gatherable`].
#[derive(Debug)]
pub enum Many {}

/// A tuple of futures: see [`Gatherable`].
#[derive(Debug)]
pub enum Several {}

impl<I> Gatherable<Many> for I
where
    I: IntoIterator,
    I::Item: Future + 'static,
{
    type Tasks = Vec<Task<<I::Item as Future>::Output>>;

    fn spawn_all(self, location: &'static Location<'static>) -> Self::Tasks {
        let event_loop = get_running_loop();
        let tasks = &event_loop.core.tasks;
        self.into_iter()
            .map(|future| tasks.spawn(&event_loop, future, None, location))
            .collect()
    }
}

/// The tasks of a gather: `Vec<Task<T>>`, or a tuple of tasks.
pub trait Tasks: sealed::Sealed {
    /// All values.
    type Values;
    /// All results.
    type Results;

    #[doc(hidden)]
    fn count(&self) -> usize;
    #[doc(hidden)]
    fn poll_done(&mut self, number: usize, cx: &mut Context<'_>) -> Poll<()>;
    #[doc(hidden)]
    fn has_value(&self, number: usize) -> bool;
    #[doc(hidden)]
    fn cancel(&self, cancelled: &Cancelled);
    #[doc(hidden)]
    fn error(&mut self, number: usize) -> Option<TaskError>;
    /// Only when all are done. `None` if one was looked at before.
    #[doc(hidden)]
    fn results(self) -> Option<Self::Results>;
    #[doc(hidden)]
    fn values(self) -> Option<Result<Self::Values, TaskError>>;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for Vec<crate::Task<T>> {}
}

impl<T> Tasks for Vec<Task<T>> {
    type Values = Vec<T>;
    type Results = Vec<Result<T, TaskError>>;

    fn count(&self) -> usize {
        self.len()
    }

    fn poll_done(&mut self, number: usize, cx: &mut Context<'_>) -> Poll<()> {
        self[number].poll_done(cx)
    }

    fn has_value(&self, number: usize) -> bool {
        self[number].task_ref().has_value()
    }

    fn cancel(&self, cancelled: &Cancelled) {
        for task in self {
            task.task_ref().cancel(cancelled.clone());
        }
    }

    fn error(&mut self, number: usize) -> Option<TaskError> {
        self[number].try_result()?.err()
    }

    fn results(self) -> Option<Self::Results> {
        self.into_iter().map(|mut task| task.try_result()).collect()
    }

    fn values(self) -> Option<Result<Vec<T>, TaskError>> {
        self.into_iter().map(|mut task| task.try_result()).collect()
    }
}

macro_rules! tuples {
    ($($name:ident $number:tt),+) => {
        impl<$($name),+> sealed::Sealed for ($(Task<$name>,)+) {}

        impl<$($name),+> Tasks for ($(Task<$name>,)+) {
            type Values = ($($name,)+);
            type Results = ($(Result<$name, TaskError>,)+);

            fn count(&self) -> usize {
                [$($number),+].len()
            }

            fn poll_done(&mut self, number: usize, cx: &mut Context<'_>) -> Poll<()> {
                match number {
                    $($number => self.$number.poll_done(cx),)+
                    _ => Poll::Pending,
                }
            }

            fn has_value(&self, number: usize) -> bool {
                match number {
                    $($number => self.$number.task_ref().has_value(),)+
                    _ => false,
                }
            }

            fn cancel(&self, cancelled: &Cancelled) {
                $(self.$number.task_ref().cancel(cancelled.clone());)+
            }

            fn error(&mut self, number: usize) -> Option<TaskError> {
                match number {
                    $($number => self.$number.try_result()?.err(),)+
                    _ => None,
                }
            }

            fn results(mut self) -> Option<Self::Results> {
                Some(($(self.$number.try_result()?,)+))
            }

            fn values(mut self) -> Option<Result<Self::Values, TaskError>> {
                Some(Ok(($(match self.$number.try_result()? {
                    Ok(value) => value,
                    Err(error) => return Some(Err(error)),
                },)+)))
            }
        }

        impl<$($name: Future + 'static),+> Gatherable<Several> for ($($name,)+) {
            type Tasks = ($(Task<$name::Output>,)+);

            fn spawn_all(self, location: &'static Location<'static>) -> Self::Tasks {
                let event_loop = get_running_loop();
                let tasks = &event_loop.core.tasks;
                ($(tasks.spawn(&event_loop, self.$number, None, location),)+)
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

/// The future of [`gather`].
#[must_use = "a gather cancels its tasks when dropped; await it"]
pub struct Gather<C: Tasks> {
    /// Gone once the result was given.
    tasks: Option<C>,
    /// A waker for each task that was not seen to have ended.
    places: Vec<Option<PlaceWaker>>,
    wakes: WakeSet,
    left: usize,
    /// Whether a task that has ended ends the gather.
    failed: fn(&C, usize) -> bool,
    location: &'static Location<'static>,
}

impl<T> Gather<Vec<Task<T>>> {
    /// A gather of tasks that exist already: it gives their results as they are, and cancels them
    /// if it is dropped.
    #[track_caller]
    pub fn of(tasks: impl IntoIterator<Item = Task<T>>) -> Gather<Vec<Task<T>>> {
        Gather::new(tasks.into_iter().collect(), Location::caller())
    }
}

impl<C: Tasks> Gather<C> {
    fn new(mut tasks: C, location: &'static Location<'static>) -> Gather<C> {
        let wakes = WakeSet::new();
        let places = (0..tasks.count())
            .map(|number| {
                let place = wakes.place(number);
                place.watch(|cx| tasks.poll_done(number, cx));
                Some(place)
            })
            .collect();
        Gather {
            left: tasks.count(),
            tasks: Some(tasks),
            places,
            wakes,
            failed: |tasks, number| !tasks.has_value(number),
            location,
        }
    }

    /// Waits for all tasks, also after a failure, and gives each one's result.
    pub fn return_exceptions(mut self) -> GatherAll<C> {
        self.failed = |_, _| false;
        GatherAll { gather: self }
    }

    /// Ready with the first task that failed, or with none when all have ended.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.wakes.register(cx);
        let Some(tasks) = &mut self.tasks else {
            return Poll::Pending;
        };
        while let Some(number) = self.wakes.pop() {
            let place = &mut self.places[number];
            let ended = place
                .as_ref()
                .is_some_and(|place| place.look(|cx| tasks.poll_done(number, cx)).is_ready());
            if ended {
                *place = None;
                self.left -= 1;
                if (self.failed)(tasks, number) {
                    return Poll::Ready(Some(number));
                }
            }
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl<C: Tasks> Future for Gather<C> {
    type Output = Result<C::Values, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(failed) = self.poll_ended(cx) else {
            return Poll::Pending;
        };
        // Tasks that have not ended go on by themselves.
        let Some(mut tasks) = self.tasks.take() else {
            return Poll::Pending;
        };
        let outcome = match failed {
            Some(number) => tasks.error(number).map(Err),
            None => tasks.values(),
        };
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

// Nothing in it is ever pinned: the futures live in their tasks.
impl<C: Tasks> Unpin for Gather<C> {}

impl<C: Tasks> Drop for Gather<C> {
    fn drop(&mut self) {
        if let Some(tasks) = &self.tasks
            && self.left > 0
        {
            let reason = "the gather they belong to was dropped";
            let cancelled = unwinding::met_or(CancelPlace::Gather, self.location, reason);
            tasks.cancel(&cancelled);
        }
    }
}

impl<C: Tasks> fmt::Debug for Gather<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("tasks", &self.places.len())
            .field("left", &self.left)
            .finish()
    }
}

/// The future of [`Gather::return_exceptions`]. Dropping it before it is done cancels the tasks
/// that are not.
#[must_use = "a gather cancels its tasks when dropped; await it"]
#[derive(Debug)]
pub struct GatherAll<C: Tasks> {
    gather: Gather<C>,
}

impl<C: Tasks> Future for GatherAll<C> {
    type Output = C::Results;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Results> {
        let gather = &mut self.gather;
        if gather.poll_ended(cx).is_pending() {
            return Poll::Pending;
        }
        let results = gather.tasks.take().and_then(Tasks::results);
        results.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The future of [`try_gather`]. Dropping it before it is done cancels the tasks that are not.
#[must_use = "a gather cancels its tasks when dropped; await it"]
#[derive(Debug)]
pub struct TryGather<T, E> {
    gather: Gather<Vec<Task<Result<T, E>>>>,
}

impl<T, E> Future for TryGather<T, E> {
    type Output = Result<Vec<T>, GatherError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(failed) = self.gather.poll_ended(cx) else {
            return Poll::Pending;
        };
        let Some(mut tasks) = self.gather.tasks.take() else {
            return Poll::Pending;
        };
        let outcome = match failed {
            Some(number) => match tasks[number].try_result() {
                Some(Ok(Err(error))) => Err(GatherError::Failed(error)),
                Some(Err(error)) => Err(GatherError::Task(error)),
                Some(Ok(Ok(_))) | None => return Poll::Pending,
            },
            None => match tasks.values() {
                Some(Ok(values)) => values
                    .into_iter()
                    .collect::<Result<_, _>>()
                    .map_err(GatherError::Failed),
                Some(Err(error)) => Err(GatherError::Task(error)),
                None => return Poll::Pending,
            },
        };
        Poll::Ready(outcome)
    }
}

/// Why a [`try_gather`] has no values.
#[derive(Clone, Debug)]
pub enum GatherError<E> {
    /// The first error that a future returned.
    Failed(E),
    /// The first task that was cancelled, or panicked.
    Task(TaskError),
}

impl<E: fmt::Display> fmt::Display for GatherError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GatherError::Failed(error) => error.fmt(f),
            GatherError::Task(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Display + fmt::Debug> std::error::Error for GatherError<E> {}
