//! What ties [`concurrent`](crate::concurrent) to a loop: blocking work in threads, awaited.
//!
//! A job that is done wakes the task that awaits it through the loop's inbox, like any other waker
//! from another thread. Nothing here blocks the loop.
//!
//! | file | what |
//! |---|---|
//! | here | the loop's default executor, `run_in_executor` |
//! | `wrap_future` | awaiting a concurrent future, and cancelling it with the await |
//! | `to_thread` | the short form |
//! | `threadsafe` | the other direction: a coroutine submitted from a thread |
//! | `simulated` | what stands for threads in a simulation |
//!
//! Under the simulated loop no thread is used: the job runs as a task of the loop, after a time that
//! the seed decides, so that a run can be repeated.

mod simulated;
mod threadsafe;
mod to_thread;
mod wrap_future;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use simulated::SimulatedThreads;
pub use threadsafe::run_coroutine_threadsafe;
pub use to_thread::{ToThread, to_thread};
pub use wrap_future::{WrapFuture, wrap_future};

use crate::LoopRef;
use crate::concurrent::{FutureError, Rejected, ThreadPoolExecutor, job};
use crate::sim::SimOptions;
use crate::timeout::{TimeoutError, timeout};

/// How long [`run`](crate::run) waits for the jobs of the default executor when all else is done;
/// asyncio's `THREAD_JOIN_TIMEOUT`.
pub const THREAD_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// The executor of a loop for those who name none.
#[derive(Default)]
pub(crate) struct DefaultExecutor {
    pool: RefCell<Option<Arc<ThreadPoolExecutor>>>,
    shut_down: Cell<bool>,
    /// In place of all executors, where the loop is a simulated one.
    simulated: Option<Rc<SimulatedThreads>>,
}

impl DefaultExecutor {
    pub(crate) fn simulated(options: &SimOptions) -> DefaultExecutor {
        DefaultExecutor {
            simulated: Some(Rc::new(SimulatedThreads::new(options))),
            ..DefaultExecutor::default()
        }
    }

    /// The pool, made if it has to be.
    fn pool(&self) -> Arc<ThreadPoolExecutor> {
        let mut pool = self.pool.borrow_mut();
        let pool = pool.get_or_insert_with(|| {
            let named = ThreadPoolExecutor::builder().thread_name_prefix("bucle");
            Arc::new(named.build().unwrap_or_default())
        });
        pool.clone()
    }

    /// Ends it for this loop, and gives out the pool if there was one.
    fn end(&self) -> Option<Arc<ThreadPoolExecutor>> {
        self.shut_down.set(true);
        self.pool.borrow_mut().take()
    }

    /// What the closing of a loop does: a pool of its own is shut down, its waiting jobs are
    /// cancelled, and nothing is waited for.
    pub(crate) fn close(&self) {
        if let Some(pool) = self.end().and_then(Arc::into_inner) {
            pool.shutdown(false, true);
        }
    }

    /// What `run` does: takes the pool away, to wait for its jobs when the loop is closed. Only if
    /// it is the loop's own.
    pub(crate) fn take(&self) -> Option<ThreadPoolExecutor> {
        self.end().and_then(Arc::into_inner)
    }
}

/// Waits for the jobs of a loop that is gone.
pub(crate) fn join(pool: Option<ThreadPoolExecutor>) {
    if let Some(pool) = pool
        && !pool.shutdown_timeout(THREAD_JOIN_TIMEOUT, false)
    {
        eprintln!(
            "bucle: jobs of the default executor still run {} s after all else was done; they are \
             left to themselves",
            THREAD_JOIN_TIMEOUT.as_secs()
        );
    }
}

/// Blocking work in threads.
impl LoopRef {
    /// Has `work` run by a thread of `executor`, or of the loop's default one if none is given.
    /// asyncio's `run_in_executor`.
    ///
    /// The job is submitted before this returns; awaiting what this returns gives its result.
    /// Dropping that cancels the job if it has not begun; a job that runs can't be stopped, it runs
    /// on and its result is dropped.
    ///
    /// Under the simulated loop no thread is used, whichever executor is given: the job runs as a
    /// task of the loop, [`job_latency`](crate::sim::SimOptions::job_latency) later. It must not wait
    /// for anything that the loop has to do first.
    ///
    /// # Errors
    /// By the future: [`FutureError`], if the job panicked, or could not be taken because the
    /// executor was shut down or the loop is closed.
    #[track_caller]
    pub fn run_in_executor<T, F>(
        &self,
        executor: Option<&ThreadPoolExecutor>,
        work: F,
    ) -> WrapFuture<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.run_job(executor, work, Location::caller())
    }

    fn run_job<T, F>(
        &self,
        executor: Option<&ThreadPoolExecutor>,
        work: F,
        location: &'static Location<'static>,
    ) -> WrapFuture<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let executors = &self.core.executor;
        let (job, future) = job(work, location);
        if self.is_closed() {
            job.refuse(FutureError::Rejected(Rejected::LoopClosed));
        } else if executor.is_none() && executors.shut_down.get() {
            job.refuse(FutureError::Rejected(Rejected::Shutdown));
        } else if let Some(simulated) = &executors.simulated {
            simulated.run(self, job, location);
        } else {
            match executor {
                Some(pool) => pool.submit_job(job),
                None => executors.pool().submit_job(job),
            }
        }
        wrap_future(future)
    }

    /// Sets the executor for those who name none; a pool, or an [`Arc`] of one that is used
    /// elsewhere too. Jobs that were submitted to the one before run still, and this doesn't wait
    /// for them. asyncio's `set_default_executor`.
    ///
    /// When the loop is closed it shuts the pool down, without waiting for it, unless others hold
    /// it too.
    ///
    /// After [`shutdown_default_executor`](LoopRef::shutdown_default_executor) there is an executor
    /// again.
    pub fn set_default_executor(&self, executor: impl Into<Arc<ThreadPoolExecutor>>) {
        let executors = &self.core.executor;
        let old = executors.pool.borrow_mut().replace(executor.into());
        executors.shut_down.set(false);
        if let Some(old) = old.and_then(Arc::into_inner) {
            old.shutdown(false, false);
        }
    }

    /// Shuts the default executor down and waits, for at most `limit`, until its last job is done
    /// and its threads have ended. asyncio's `shutdown_default_executor`.
    ///
    /// From the call on, the loop has no default executor: later jobs for it are refused. When the
    /// wait is cut short, by the limit or by a cancellation, the jobs run on by themselves, and no
    /// one waits for them any more.
    ///
    /// [`run`](crate::run) does this at its end, with [`THREAD_JOIN_TIMEOUT`]; a program that can't
    /// wait for its jobs, one of which reads a terminal perhaps, calls it itself, with a limit of
    /// its choice.
    ///
    /// # Errors
    /// [`TimeoutError`] if the limit came first.
    ///
    /// # Panics
    /// If there is a limit, and no loop is running in this thread.
    pub async fn shutdown_default_executor(
        &self,
        limit: Option<Duration>,
    ) -> Result<(), TimeoutError> {
        let executors = &self.core.executor;
        let pool = executors.end();
        if let Some(pool) = &pool {
            pool.shutdown(false, false);
        }
        let ended = poll_fn(|cx| match (&executors.simulated, &pool) {
            (Some(simulated), _) => simulated.poll_ended(cx),
            (None, Some(pool)) => pool.poll_ended(cx),
            (None, None) => Poll::Ready(()),
        });
        match limit {
            Some(limit) => timeout(limit, ended).await,
            None => {
                ended.await;
                Ok(())
            }
        }
    }
}
