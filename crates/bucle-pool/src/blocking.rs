//! The pool for programs without a loop: [`ProcessPool::blocking`].

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bucle_loop::concurrent::{Future, Promise};
use bucle_loop::{EventLoop, LoopRef, Remote};

use crate::error::{ProcessError, Rejected};
use crate::function::ProcessFunction;
use crate::payload::Writer;
use crate::pool::{PoolStatus, ProcessPoolExecutor, ProcessPoolExecutorBuilder, TaskOptions};

/// The same pool behind a thread of its own: for programs that run no loop. `Send` and `Sync`.
///
/// ```no_run
/// # use bucle_macros::process;
/// use bucle_pool::ProcessPool;
///
/// #[process(crate = bucle_pool)]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     bucle_pool::init();
///     let pool = ProcessPool::blocking()?;
///     let one = pool.submit(square, 12);
///     let many = pool.map(square, 1..=3);
///     assert_eq!(one.result()?, 144);
///     assert_eq!(many.collect::<Result<Vec<_>, _>>()?, [1, 4, 9]);
///     Ok(())
/// }
/// ```
///
/// Dropping it kills its workers; tasks that are left end with [`Rejected::Shutdown`].
pub struct ProcessPool {
    remote: Remote,
    thread: Option<JoinHandle<()>>,
}

/// A task of a [`ProcessPool`]: its result is waited for by the thread, or awaited on any loop.
pub type Pending<T> = Future<T, ProcessError>;

thread_local! {
    /// In the pool's thread: the pool.
    static POOL: RefCell<Option<ProcessPoolExecutor>> = const { RefCell::new(None) };
}

impl ProcessPool {
    /// A pool with the default settings.
    ///
    /// # Errors
    /// As [`build`](ProcessPoolExecutorBuilder::build), but that no loop is needed.
    pub fn blocking() -> io::Result<ProcessPool> {
        ProcessPool::blocking_with(|builder| builder)
    }

    /// A pool with the settings that `settings` makes, in the pool's own thread.
    ///
    /// # Errors
    /// As [`build`](ProcessPoolExecutorBuilder::build), but that no loop is needed; and if the
    /// thread can't be started.
    pub fn blocking_with(
        settings: impl FnOnce(ProcessPoolExecutorBuilder) -> ProcessPoolExecutorBuilder + Send + 'static,
    ) -> io::Result<ProcessPool> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("bucle-process-pool".into())
            .spawn(move || {
                let made = EventLoop::new().and_then(|event_loop| {
                    let builder = settings(ProcessPoolExecutor::builder());
                    let pool = builder.build_on(&event_loop)?;
                    Ok((event_loop, pool))
                });
                match made {
                    Ok((event_loop, pool)) => {
                        POOL.set(Some(pool));
                        let _ = sender.send(Ok(event_loop.remote()));
                        event_loop.run_forever();
                        drop(POOL.take());
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            })?;
        let remote = receiver
            .recv()
            .map_err(|_| io::Error::other("the thread of the process pool panicked"))??;
        Ok(ProcessPool {
            remote,
            thread: Some(thread),
        })
    }

    /// Has `function` run by a worker: see [`ProcessPoolExecutor::submit`]. The arguments are put
    /// into bytes in this thread.
    ///
    /// The future's `result()` blocks; dropping it lets the task run on; its `cancel` ends the task
    /// as long as it was not handed to the pool's thread, which is a moment.
    pub fn submit<F>(&self, function: F, arguments: F::Arguments<'_>) -> Pending<F::Output>
    where
        F: ProcessFunction,
        F::Output: Send,
    {
        self.submit_with(TaskOptions::default(), function, arguments)
    }

    /// [`submit`](ProcessPool::submit) with a deadline, a limit, a name.
    pub fn submit_with<F>(
        &self,
        options: TaskOptions,
        _: F,
        arguments: F::Arguments<'_>,
    ) -> Pending<F::Output>
    where
        F: ProcessFunction,
        F::Output: Send,
    {
        let (promise, future) = Promise::new();
        let mut writer = Writer::default();
        if let Err(error) = F::encode(&arguments, &mut writer) {
            let _ = promise.set_exception(ProcessError::NotEncoded(error));
            return future;
        }
        let (head, bytes) = (writer.head_len(), writer.into_bytes());
        let sent = self.remote.call_soon_threadsafe(move || {
            if !promise.set_running_or_notify_cancel() {
                return;
            }
            let task = with_pool(|pool| pool.submit_bytes::<F>(options, bytes, head));
            let Some(task) = task else {
                let _ = promise.set_exception(ProcessError::Rejected(Rejected::Shutdown));
                return;
            };
            bucle_loop::spawn(async move {
                let _ = match task.await {
                    Ok(output) => promise.set_result(output).map_err(drop),
                    Err(error) => promise.set_exception(error).map_err(drop),
                };
            })
            .detach();
        });
        // Otherwise the promise was dropped, which the future says.
        let _ = sent;
        future
    }

    /// Has `function` run on each item; the results come in the order of the items. All items are
    /// submitted before this returns.
    pub fn map<'i, F, I>(
        &self,
        function: F,
        items: I,
    ) -> impl Iterator<Item = Result<F::Output, bucle_loop::concurrent::FutureError<ProcessError>>>
    where
        F: ProcessFunction,
        F::Output: Send,
        I: IntoIterator<Item = F::Arguments<'i>>,
    {
        let tasks: Vec<_> = items
            .into_iter()
            .map(|item| self.submit(function, item))
            .collect();
        tasks.into_iter().map(Future::result)
    }

    /// What each worker does now: see [`ProcessPoolExecutor::status`]. `None` after a shutdown.
    pub fn status(&self) -> Option<PoolStatus> {
        let (promise, future) = Promise::<PoolStatus>::new();
        let asked = self.remote.call_soon_threadsafe(move || {
            if let Some(status) = with_pool(|pool| pool.status()) {
                let _ = promise.set_result(status);
            }
        });
        asked.ok()?;
        future.result().ok()
    }

    /// Takes no more tasks, and blocks until those it has are done, or the time is up and they were
    /// ended: see [`ProcessPoolExecutor::shutdown`].
    pub fn shutdown(mut self, timeout: Duration) -> bool {
        let (promise, future) = Promise::<bool>::new();
        let asked = self.remote.call_soon_threadsafe(move || {
            let pool = POOL.take();
            bucle_loop::spawn(async move {
                let in_time = match pool {
                    Some(pool) => pool.shutdown(timeout).await,
                    None => true,
                };
                let _ = promise.set_result(in_time);
            })
            .detach();
        });
        let in_time = asked.is_ok() && future.result().unwrap_or(false);
        self.end();
        in_time
    }

    fn end(&mut self) {
        let _ = self.remote.call_soon_threadsafe(|| {
            drop(POOL.take());
            // What the tasks came to is told in the next turn.
            let event_loop: LoopRef = bucle_loop::get_running_loop();
            let stop = event_loop.clone();
            event_loop.call_soon(move || stop.stop());
        });
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was told when it happened.
            let _ = thread.join();
        }
    }
}

fn with_pool<T>(body: impl FnOnce(&ProcessPoolExecutor) -> T) -> Option<T> {
    POOL.with_borrow(|pool| pool.as_ref().map(body))
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool").finish_non_exhaustive()
    }
}
