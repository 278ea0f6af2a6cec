//! [`gather`]: many futures at once, their results in order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::spawn;
use crate::task::{Task, TaskError};

/// Runs all `futures` at once, each as a task of its own, and gives their results in the order the
/// futures were given, not that in which they ended. asyncio's `gather`.
///
/// Awaited, it ends at the first task that fails (is cancelled, or panics), with that error; the
/// others go on, as in asyncio, and a later failure among them goes to the loop's exception handler
/// if it is a panic. With [`return_exceptions`](Gather::return_exceptions) it waits for all and
/// gives a result for each. Dropping it before it is done cancels the tasks that are not.
///
/// ```
/// bucle_loop::run(async {
///     let squares = bucle_loop::gather((1..=3).map(|n| async move { n * n })).await;
///     assert_eq!(squares.unwrap(), [1, 4, 9]);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn gather<I>(futures: I) -> Gather<<I::Item as Future>::Output>
where
    I: IntoIterator,
    I::Item: Future + 'static,
{
    let done = Rc::new(RefCell::new(Done::default()));
    let children: Vec<Child<_>> = futures
        .into_iter()
        .enumerate()
        .map(|(place, future)| {
            let task = spawn(future);
            let done = done.clone();
            task.add_done_callback(move || {
                let waker = {
                    let mut done = done.borrow_mut();
                    done.places.push_back(place);
                    done.waker.take()
                };
                if let Some(waker) = waker {
                    waker.wake();
                }
            });
            Child::Running(task)
        })
        .collect();
    Gather {
        left: children.len(),
        children,
        done,
    }
}

/// The children that ended and were not looked at yet.
#[derive(Default)]
struct Done {
    places: VecDeque<usize>,
    waker: Option<Waker>,
}

enum Child<T> {
    Running(Task<T>),
    Ended(Result<T, TaskError>),
    /// Its result was given out, or it was let go.
    Gone,
}

/// The future of [`gather`].
#[must_use = "a gather cancels its tasks when dropped; await it"]
pub struct Gather<T> {
    children: Vec<Child<T>>,
    left: usize,
    done: Rc<RefCell<Done>>,
}

impl<T> Gather<T> {
    /// Waits for all tasks, also after a failure, and gives each one's result.
    pub fn return_exceptions(self) -> GatherAll<T> {
        GatherAll { gather: self }
    }

    /// Collects what has ended; the first failure since the last call, if there is one.
    fn collect(&mut self, cx: &mut Context<'_>) -> Option<usize> {
        loop {
            let next = {
                let mut done = self.done.borrow_mut();
                let next = done.places.pop_front();
                if next.is_none() {
                    done.waker = Some(cx.waker().clone());
                }
                next
            };
            let place = next?;
            if let Child::Running(task) = &mut self.children[place]
                && let Some(result) = task.try_result()
            {
                let failed = result.is_err();
                self.left -= 1;
                self.children[place] = Child::Ended(result);
                if failed {
                    return Some(place);
                }
            }
        }
    }
}

impl<T> Future for Gather<T> {
    type Output = Result<Vec<T>, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(failed) = self.collect(cx) {
            let mut children = std::mem::take(&mut self.children);
            let failed = std::mem::replace(&mut children[failed], Child::Gone);
            // The others go on by themselves.
            drop(children);
            if let Child::Ended(Err(error)) = failed {
                return Poll::Ready(Err(error));
            }
        }
        if self.left > 0 {
            return Poll::Pending;
        }
        let results = std::mem::take(&mut self.children).into_iter();
        Poll::Ready(results.filter_map(Child::ended).collect())
    }
}

impl<T> Child<T> {
    fn ended(self) -> Option<Result<T, TaskError>> {
        match self {
            Child::Ended(result) => Some(result),
            Child::Running(_) | Child::Gone => None,
        }
    }
}

// Nothing in it is ever pinned: the futures live in their tasks.
impl<T> Unpin for Gather<T> {}

impl<T> Drop for Gather<T> {
    fn drop(&mut self) {
        for child in &self.children {
            if let Child::Running(task) = child {
                task.cancel("the gather they belong to was dropped");
            }
        }
    }
}

impl<T> fmt::Debug for Gather<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("children", &self.children.len())
            .field("left", &self.left)
            .finish()
    }
}

/// The future of [`Gather::return_exceptions`]. Dropping it before it is done cancels the tasks
/// that are not.
#[must_use = "a gather cancels its tasks when dropped; await it"]
#[derive(Debug)]
pub struct GatherAll<T> {
    gather: Gather<T>,
}

impl<T> Future for GatherAll<T> {
    type Output = Vec<Result<T, TaskError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gather = &mut self.gather;
        while gather.collect(cx).is_some() {}
        if gather.left > 0 {
            return Poll::Pending;
        }
        let results = std::mem::take(&mut gather.children).into_iter();
        Poll::Ready(results.filter_map(Child::ended).collect())
    }
}
