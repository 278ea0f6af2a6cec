//! [`Promise`]: the end of a concurrent future that sets it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use super::error::FutureError;
use super::state::{Outcome, Shared};
use super::{Future, FutureHandle};
use crate::futures::AlreadySet;

/// The duty to set a [`Future`], from whatever thread. The thread-safe twin of
/// [`bucle_loop::Future`](crate::Future).
///
/// Dropped unset, it leaves its future with [`FutureError::Abandoned`]: nobody waits in vain. A
/// second set is an error value.
///
/// ```
/// use bucle_loop::concurrent::Promise;
///
/// let (promise, future) = Promise::<u32>::new();
/// std::thread::spawn(move || promise.set_result(42));
/// assert_eq!(future.result().unwrap(), 42);
/// ```
pub struct Promise<T: Send + 'static, E: Send + 'static = Infallible> {
    cell: Arc<Shared<T, E, ()>>,
}

impl<T: Send + 'static, E: Send + 'static> Promise<T, E> {
    /// A pending future, and the promise to set it.
    pub fn new() -> (Promise<T, E>, Future<T, E>) {
        let cell = Arc::new(Shared::new(()));
        (Promise { cell: cell.clone() }, Future::new(cell))
    }

    /// Sets the value.
    ///
    /// # Errors
    /// [`AlreadySet`] with the value, if the future is done: set before, or cancelled.
    pub fn set_result(&self, value: T) -> Result<(), AlreadySet<T>> {
        match self.finish(Ok(value)) {
            Ok(()) => Ok(()),
            Err(Ok(value)) => Err(AlreadySet(value)),
            Err(Err(_)) => unreachable!("it gives back what it was given"),
        }
    }

    /// Sets an error in place of a value.
    ///
    /// # Errors
    /// [`AlreadySet`] with the error, if the future is done.
    pub fn set_exception(&self, error: E) -> Result<(), AlreadySet<E>> {
        match self.finish(Err(FutureError::Exception(error))) {
            Ok(()) => Ok(()),
            Err(Err(FutureError::Exception(error))) => Err(AlreadySet(error)),
            Err(_) => unreachable!("it gives back what it was given"),
        }
    }

    /// Sets whatever outcome, also one that no user could; false if the future is done.
    pub(crate) fn set(&self, outcome: Outcome<T, E>) -> bool {
        self.finish(outcome).is_ok()
    }

    fn finish(&self, outcome: Outcome<T, E>) -> Result<(), Outcome<T, E>> {
        let aftermath = self.cell.state.finish(outcome)?;
        aftermath.tell(|| self.handle());
        Ok(())
    }

    /// Begins the work: from now on the future can't be cancelled. False if it has been: then the
    /// work isn't to be done.
    ///
    /// For who writes an executor; a promise may also be set without it. False as well if it was
    /// said before, or the future is done.
    #[must_use = "false means that the work isn't to be done"]
    pub fn set_running_or_notify_cancel(&self) -> bool {
        self.cell.state.start()
    }

    /// A handle to watch the future by: whether it was cancelled, say.
    pub fn handle(&self) -> FutureHandle {
        self.cell.handle()
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for Promise<T, E> {
    fn drop(&mut self) {
        self.set(Err(FutureError::Abandoned));
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for Promise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("state", &format_args!("{}", self.cell.state.phase().name()))
            .finish()
    }
}
