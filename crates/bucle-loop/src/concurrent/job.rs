//! A job: a closure, then its result, in one allocation.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use super::Future;
use super::error::{FutureError, JobPanic};
use super::state::{Shared, Watch, Work, guard};
use crate::primitives::{Mutex, lock};

/// A job as its executor sees it.
pub(crate) trait Run: Watch {
    /// Runs it, unless it was cancelled. Never unwinds.
    fn run(self: Arc<Self>);

    /// Ends it without running it. Never unwinds.
    fn refuse(self: Arc<Self>, why: FutureError);
}

/// What an executor holds.
pub(crate) type Job = Arc<dyn Run>;

/// The two ends of a job: what its executor runs, and what its owner waits for.
pub(crate) fn job<T, F>(work: F, location: &'static Location<'static>) -> (Job, Future<T>)
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let cell = Arc::new(Shared::new(Closure {
        body: Mutex::new(Some(work)),
        location,
    }));
    (cell.clone(), Future::new(cell))
}

/// What is to be run. Taken by whoever ends `Pending`: the one who runs it, or who cancels it.
struct Closure<F> {
    body: Mutex<Option<F>>,
    location: &'static Location<'static>,
}

impl<F: Send> Work for Closure<F> {
    type Rest = Option<F>;

    fn discard(&self) -> Option<F> {
        lock(&self.body).take()
    }
}

impl<T, F> Run for Shared<T, Infallible, Closure<F>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    fn run(self: Arc<Self>) {
        if !self.state.start() {
            return;
        }
        let Some(body) = self.work.discard() else {
            return;
        };
        // What the closure captured is gone before anybody sees that it is done.
        let outcome = catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
            FutureError::Panicked(JobPanic::caught(payload, self.work.location))
        });
        if let Ok(aftermath) = self.state.finish(outcome) {
            aftermath.tell(|| self.handle());
        }
    }

    fn refuse(self: Arc<Self>, why: FutureError) {
        if !self.state.start() {
            return;
        }
        guard("the destructor of a job", || drop(self.work.discard()));
        if let Ok(aftermath) = self.state.finish(Err(why)) {
            aftermath.tell(|| self.handle());
        }
    }
}
