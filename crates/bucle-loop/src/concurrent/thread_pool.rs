//! [`ThreadPoolExecutor`]: threads that run closures for others.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::future::deadline;
use super::job::{Job, job};
use super::state::guard;
use super::workers::{Submitted, Workers};
use super::{Future, Map};
use crate::exceptions::panic_message;
use crate::primitives::{Mutex, lock};
use crate::task::{Cancelled, discard};

/// A pool of threads that run closures. `ThreadPoolExecutor` of concurrent.futures.
///
/// Threads start when there is work for them: a job goes to an idle thread if there is one, to a
/// new one if there are fewer than `max_workers`, and waits in line otherwise. Jobs begin in the
/// order they were submitted. A thread that has started stays until the pool ends.
///
/// A panic in a job is that job's error ([`FutureError::Panicked`](super::FutureError::Panicked));
/// its thread lives on.
///
/// Dropping the pool is [`shutdown(true, false)`](ThreadPoolExecutor::shutdown), as leaving Python's
/// `with` is, unless it was shut down before: it blocks until every job that was submitted has run.
/// The pool itself never hangs, but a job that never returns is waited for as long; the caller must
/// be able to end its jobs, or say `shutdown(false, true)` first, which leaves the thread of such a
/// job behind until the process ends. A pool in a `static` is never dropped, and its threads end
/// with the process, wherever they are.
///
/// ```
/// use bucle_loop::concurrent::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::builder()
///     .max_workers(2)
///     .thread_name_prefix("reader")
///     .build()?;
/// let name = pool.submit(|| std::thread::current().name().map(String::from));
/// assert_eq!(name.result().unwrap().as_deref(), Some("reader_0"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A pool of its own for work that must not wait behind other work:
///
/// ```
/// use std::sync::LazyLock;
/// use bucle_loop::concurrent::ThreadPoolExecutor;
///
/// static RESOLVE: LazyLock<ThreadPoolExecutor> = LazyLock::new(|| {
///     let pool = ThreadPoolExecutor::builder().max_workers(4).thread_name_prefix("resolve");
///     pool.build().unwrap_or_default()
/// });
/// assert_eq!(RESOLVE.submit(|| 1 + 1).result().unwrap(), 2);
/// ```
pub struct ThreadPoolExecutor {
    pool: Arc<Pool>,
}

/// Settings of a [`ThreadPoolExecutor`] to be made.
#[derive(Default)]
#[must_use = "`build()` makes the pool"]
pub struct ThreadPoolExecutorBuilder {
    max_workers: Option<usize>,
    thread_name_prefix: Option<String>,
    stack_size: Option<usize>,
    initializer: Option<Initializer>,
}

type Initializer = Box<dyn Fn() -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync>;

/// What the pool's owner, its threads and its maps share.
pub(super) struct Pool {
    id: u64,
    workers: Workers,
    thread_name_prefix: String,
    stack_size: Option<usize>,
    initializer: Option<Initializer>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

thread_local! {
    /// The pool that this thread belongs to; 0 if none.
    static OWN_POOL: Cell<u64> = const { Cell::new(0) };
}

impl ThreadPoolExecutor {
    /// A pool with the default settings.
    pub fn new() -> ThreadPoolExecutor {
        ThreadPoolExecutorBuilder::default().make(default_max_workers())
    }

    /// Settings to change before the pool is made.
    pub fn builder() -> ThreadPoolExecutorBuilder {
        ThreadPoolExecutorBuilder::default()
    }

    /// Has `work` run by a thread of the pool.
    ///
    /// A pool that can't take it (it is shut down, it is broken, it has no thread and the system
    /// starts none) says so by the future, which is then done at once.
    #[track_caller]
    pub fn submit<T, F>(&self, work: F) -> Future<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.pool.submit(work, Location::caller())
    }

    /// Has `function` run on each item, and gives the results in the order of the items, as they
    /// come.
    ///
    /// All items are submitted before this returns. Taking the next result blocks the thread until
    /// it is there; dropping the iterator cancels the jobs that have not begun.
    #[track_caller]
    pub fn map<I, T, F>(&self, function: F, items: I) -> Map<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        T: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        Map::new(&self.pool, function, items, usize::MAX, Location::caller())
    }

    /// [`map`](ThreadPoolExecutor::map) that is at most `buffersize` items ahead of the results that
    /// were taken (at least one), for sources that are long or have no end.
    #[track_caller]
    pub fn map_buffered<I, T, F>(
        &self,
        buffersize: usize,
        function: F,
        items: I,
    ) -> Map<I::IntoIter, F, T>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        T: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        let ahead = buffersize.max(1);
        Map::new(&self.pool, function, items, ahead, Location::caller())
    }

    /// Takes no jobs from now on. Jobs that were submitted run still, unless `cancel_futures`: then
    /// those that have not begun are cancelled.
    ///
    /// With `wait` it blocks until every job is done and every thread has ended, however often it
    /// is called; called from one of the pool's own threads, which could wait for itself for ever,
    /// it doesn't wait.
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) {
        self.pool.shut_down(cancel_futures);
        if wait {
            self.pool.join(None);
        }
    }

    /// [`shutdown`](ThreadPoolExecutor::shutdown) that waits for at most `timeout`; whether every
    /// thread has ended. From one of the pool's own threads it doesn't wait.
    pub fn shutdown_timeout(&self, timeout: Duration, cancel_futures: bool) -> bool {
        self.pool.shut_down(cancel_futures);
        self.pool.join(deadline(timeout))
    }

    /// The most threads it will have.
    pub fn max_workers(&self) -> usize {
        self.pool.workers.max()
    }

    /// How many threads it has now, those that are just starting among them.
    pub fn threads(&self) -> usize {
        self.pool.workers.counts().0
    }

    /// How many of its threads wait for work.
    pub fn idle_threads(&self) -> usize {
        self.pool.workers.counts().1
    }

    /// How many jobs wait for a thread. Some of those that were cancelled are counted.
    pub fn queued_jobs(&self) -> usize {
        self.pool.workers.counts().2
    }

    pub(crate) fn submit_job(&self, job: Job) {
        self.pool.submit_job(job);
    }

    /// Ready once the pool is shut down and its last job is done.
    pub(crate) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.pool.workers.poll_ended(cx)
    }
}

impl Default for ThreadPoolExecutor {
    fn default() -> ThreadPoolExecutor {
        ThreadPoolExecutor::new()
    }
}

impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        if !self.pool.workers.is_shut_down() {
            self.shutdown(true, false);
        }
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, idle, queued) = self.pool.workers.counts();
        f.debug_struct("ThreadPoolExecutor")
            .field("thread_name_prefix", &self.pool.thread_name_prefix)
            .field("max_workers", &self.max_workers())
            .field("threads", &threads)
            .field("idle_threads", &idle)
            .field("queued_jobs", &queued)
            .finish()
    }
}

/// For jobs that mostly wait: more than there are processors, but not without limit.
fn default_max_workers() -> usize {
    const MOST: usize = 32;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    MOST.min(processors + 4)
}

impl ThreadPoolExecutorBuilder {
    /// The most threads the pool will have; `min(32, processors + 4)` until set.
    pub fn max_workers(mut self, most: usize) -> ThreadPoolExecutorBuilder {
        self.max_workers = Some(most);
        self
    }

    /// The threads are called `PREFIX_0`, `PREFIX_1`, ...; until set, the prefix is
    /// `ThreadPoolExecutor-` and the pool's number.
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> ThreadPoolExecutorBuilder {
        self.thread_name_prefix = Some(prefix.into());
        self
    }

    /// The size of each thread's stack, in bytes; the standard library's default until set.
    pub fn stack_size(mut self, bytes: usize) -> ThreadPoolExecutorBuilder {
        self.stack_size = Some(bytes);
        self
    }

    /// Is called by each thread before its first job. If it fails, by an error or a panic, the pool
    /// is broken: standard error is told, and the jobs that wait, and all that are submitted later,
    /// end with [`FutureError::Broken`](super::FutureError::Broken).
    pub fn initializer(
        mut self,
        initializer: impl Fn() -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> ThreadPoolExecutorBuilder {
        self.initializer = Some(Box::new(initializer));
        self
    }

    /// Makes the pool. No thread is started yet.
    ///
    /// # Errors
    /// `InvalidInput` if `max_workers` is 0, or a thread's name would hold a NUL.
    pub fn build(self) -> io::Result<ThreadPoolExecutor> {
        let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let max_workers = self.max_workers.unwrap_or_else(default_max_workers);
        if max_workers == 0 {
            return wrong("max_workers must be greater than 0");
        }
        if matches!(&self.thread_name_prefix, Some(prefix) if prefix.contains('\0')) {
            return wrong("thread_name_prefix must not hold a NUL");
        }
        Ok(self.make(max_workers))
    }

    fn make(self, max_workers: usize) -> ThreadPoolExecutor {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        ThreadPoolExecutor {
            pool: Arc::new(Pool {
                id,
                workers: Workers::new(max_workers),
                thread_name_prefix: self
                    .thread_name_prefix
                    .unwrap_or_else(|| format!("ThreadPoolExecutor-{}", id - 1)),
                stack_size: self.stack_size,
                initializer: self.initializer,
                threads: Mutex::new(Vec::new()),
            }),
        }
    }
}

impl fmt::Debug for ThreadPoolExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolExecutorBuilder")
            .field("max_workers", &self.max_workers)
            .field("thread_name_prefix", &self.thread_name_prefix)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn submit<T, F>(
        self: &Arc<Self>,
        work: F,
        location: &'static Location<'static>,
    ) -> Future<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (job, future) = job(work, location);
        self.submit_job(job);
        future
    }

    fn submit_job(self: &Arc<Self>, job: Job) {
        if let Submitted::StartWorker(number) = self.workers.submit(job) {
            self.start_worker(number);
        }
    }

    fn start_worker(self: &Arc<Self>, number: usize) {
        let mut thread =
            thread::Builder::new().name(format!("{}_{number}", self.thread_name_prefix));
        if let Some(stack_size) = self.stack_size {
            thread = thread.stack_size(stack_size);
        }
        let pool = self.clone();
        match thread.spawn(move || pool.work()) {
            Ok(thread) => lock(&self.threads).push(thread),
            Err(error) => self.workers.start_failed(error),
        }
    }

    /// The life of a thread.
    fn work(&self) {
        OWN_POOL.set(self.id);
        match self.initialize() {
            Ok(()) => {
                while let Some(job) = self.workers.next() {
                    job.run();
                }
            }
            Err(cause) => {
                let thread = thread::current();
                let name = thread.name().unwrap_or_default();
                eprintln!("bucle: the initializer of thread {name} failed: {cause}");
                self.workers.break_down(&cause);
            }
        }
        self.workers.end();
    }

    fn initialize(&self) -> Result<(), String> {
        let Some(initializer) = &self.initializer else {
            return Ok(());
        };
        match catch_unwind(AssertUnwindSafe(initializer)) {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(payload) => {
                let cause = format!("panicked: {}", panic_message(&*payload));
                discard(payload);
                Err(cause)
            }
        }
    }

    fn shut_down(&self, cancel_futures: bool) {
        for job in self.workers.shut_down(cancel_futures) {
            let why = Cancelled::new("the executor was shut down");
            // The rest is cancelled even if what a job captured can't be dropped without a panic.
            guard("the destructor of a cancelled job", || {
                job.cancel(why);
            });
        }
    }

    /// Whether all threads have ended.
    fn join(&self, deadline: Option<Instant>) -> bool {
        if OWN_POOL.get() == self.id {
            return false;
        }
        if !self.workers.wait_ended(deadline) {
            return false;
        }
        // They are past their last job: what is waited for here is only the end of the threads
        // themselves, thread-locals and all. Under the lock, so that every caller waits for it.
        for thread in lock(&self.threads).drain(..) {
            // A thread never unwinds out of `work`.
            let _ = thread.join();
        }
        true
    }
}
