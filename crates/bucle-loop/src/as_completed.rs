//! [`as_completed`]: many futures at once, their results as they come.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::get_running_loop;
use crate::task::{CancelPlace, Task, TaskError, unwinding};
use crate::wake_set::{PlaceWaker, WakeSet};

/// Runs all `futures` at once, each as a task of its own, and gives their results as a stream, in
/// the order in which they end. asyncio's `as_completed`.
///
/// The tasks run whether or not the stream is being polled. Taking the next result is cancel-safe:
/// a dropped [`next`](AsCompleted::next) loses none. For a limit in time, put a
/// [`timeout_at`](crate::timeout_at) around each `next`. Dropping the stream cancels the tasks that
/// have not ended, as nobody else could have their results (asyncio lets them run on).
///
/// ```
/// use std::time::Duration;
/// use bucle_loop::{as_completed, sleep};
///
/// bucle_loop::run(async {
///     let mut naps = as_completed([20, 1, 10].map(|ms| async move {
///         sleep(Duration::from_millis(ms)).await;
///         ms
///     }));
///     let mut order = Vec::new();
///     while let Some(result) = naps.next().await {
///         order.push(result.unwrap());
///     }
///     assert_eq!(order, [1, 10, 20]);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn as_completed<I>(futures: I) -> AsCompleted<<I::Item as Future>::Output>
where
    I: IntoIterator,
    I::Item: Future + 'static,
{
    let location = Location::caller();
    let event_loop = get_running_loop();
    let tasks = &event_loop.core.tasks;
    let spawned = futures
        .into_iter()
        .map(|future| tasks.spawn(&event_loop, future, None, location));
    AsCompleted::of_at(spawned, location)
}

/// The stream of [`as_completed`]; dropping it cancels what has not ended.
#[must_use = "a stream gives nothing unless it is polled"]
pub struct AsCompleted<T> {
    children: Vec<Option<Child<T>>>,
    left: usize,
    wakes: WakeSet,
    location: &'static Location<'static>,
}

struct Child<T> {
    task: Task<T>,
    waker: PlaceWaker,
}

impl<T> AsCompleted<T> {
    /// The same for tasks that exist already.
    #[track_caller]
    pub fn of(tasks: impl IntoIterator<Item = Task<T>>) -> AsCompleted<T> {
        AsCompleted::of_at(tasks, Location::caller())
    }

    fn of_at(
        tasks: impl IntoIterator<Item = Task<T>>,
        location: &'static Location<'static>,
    ) -> AsCompleted<T> {
        let wakes = WakeSet::new();
        let children: Vec<_> = tasks
            .into_iter()
            .enumerate()
            .map(|(number, mut task)| {
                let waker = wakes.place(number);
                waker.watch(|cx| task.poll_done(cx));
                Some(Child { task, waker })
            })
            .collect();
        AsCompleted {
            left: children.len(),
            children,
            wakes,
            location,
        }
    }

    /// The next result, or `None` when all were given.
    pub async fn next(&mut self) -> Option<Result<T, TaskError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How many results are still to come.
    pub fn remaining(&self) -> usize {
        self.left
    }

    fn look(&mut self, number: usize) -> Option<Result<T, TaskError>> {
        let place = self.children.get_mut(number)?;
        let child = place.as_mut()?;
        let task = Pin::new(&mut child.task);
        match child.waker.look(|cx| task.poll(cx)) {
            Poll::Ready(result) => {
                *place = None;
                self.left -= 1;
                Some(result)
            }
            Poll::Pending => None,
        }
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = Result<T, TaskError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.wakes.register(cx);
        while let Some(number) = this.wakes.pop() {
            if let Some(result) = this.look(number) {
                return Poll::Ready(Some(result));
            }
        }
        if this.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

// Nothing in it is pinned.
impl<T> Unpin for AsCompleted<T> {}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        if self.left == 0 {
            return;
        }
        let reason = "the as_completed they belong to was dropped";
        let cancelled = unwinding::met_or(CancelPlace::AsCompleted, self.location, reason);
        for child in self.children.iter().flatten() {
            child.task.task_ref().cancel(cancelled.clone());
        }
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("tasks", &self.children.len())
            .field("left", &self.left)
            .finish()
    }
}
