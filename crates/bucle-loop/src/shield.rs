//! [`shield`]: work that goes on when who waits for it is cancelled.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::get_running_loop;
use crate::task::{CancelPlace, Task, TaskError, unwinding};

/// Runs `future` as a task of its own, out of reach of a cancellation of who waits for it. asyncio's
/// `shield`.
///
/// If the waiting task is cancelled, or the [`Shield`] dropped, the waiting ends at once and the
/// work goes on; a panic in it goes to the loop's exception handler then. The biography of the
/// cancellation says that it stopped here. The task behind it can still be cancelled by itself, and
/// it ends with the loop: [`run`](crate::run) cancels what is left when the main future is done.
///
/// ```
/// use bucle_loop::{shield, spawn, yield_now};
///
/// bucle_loop::run(async {
///     let saved = std::rc::Rc::new(std::cell::Cell::new(false));
///     let flag = saved.clone();
///     let request = spawn(async move {
///         let save = async move { yield_now().await; flag.set(true) };
///         shield(save).await
///     });
///     yield_now().await;
///     request.cancel("the client hung up");
///     assert!(request.await.is_err());
///     yield_now().await;
///     assert!(saved.get());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: Future + 'static,
{
    Shield {
        task: get_running_loop().spawn(future),
        location: Location::caller(),
    }
}

impl<T> Task<T> {
    /// The same task behind a [`shield`](crate::shield()): awaiting is what it was, and a
    /// cancellation of who waits says that it stopped here.
    #[track_caller]
    pub fn shield(self) -> Shield<T> {
        Shield {
            task: self,
            location: Location::caller(),
        }
    }
}

/// The future of [`shield`]. Dropping it lets the work go on.
#[must_use = "await it; dropped, the work goes on"]
pub struct Shield<T> {
    task: Task<T>,
    location: &'static Location<'static>,
}

impl<T> Shield<T> {
    /// The task behind the shield.
    pub fn task(&self) -> &Task<T> {
        &self.task
    }
}

impl<T> Future for Shield<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<T> Drop for Shield<T> {
    fn drop(&mut self) {
        if !self.task.done() {
            unwinding::met(CancelPlace::Shield, self.location);
        }
    }
}

impl<T> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shield").field(&self.task).finish()
    }
}
