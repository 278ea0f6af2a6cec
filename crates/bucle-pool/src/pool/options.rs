//! What can be said about a pool, and about one task.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bucle_loop::{LoopRef, try_get_running_loop};

use super::ProcessPoolExecutor;
use super::output::OutputLine;
use super::status::Progress;
use crate::function::{ProcessFunction, index_of};
use crate::payload::{NotEncoded, Writer};
use crate::start::check_set_up;

/// How many tasks may wait for a worker before `submit` holds back.
pub const QUEUE_SIZE: usize = 4096;

/// How long a worker has after the polite signal before it is killed.
pub const KILL_AFTER: Duration = Duration::from_secs(1);

/// How long a worker may take to be ready before it is killed, and another one started.
pub const START_WITHIN: Duration = Duration::from_secs(60);

/// How many tasks may be handed to a worker before it has finished those it has.
pub const TASKS_AHEAD: usize = 256;

/// Settings of a [`ProcessPoolExecutor`] to be made.
#[must_use = "`build()` makes the pool"]
#[derive(Default)]
pub struct ProcessPoolExecutorBuilder {
    max_workers: Option<usize>,
    max_tasks_per_child: Option<u64>,
    max_memory_per_child: Option<u64>,
    initializer: Option<Initializer>,
    initializer_error: Option<NotEncoded>,
    env: Vec<(OsString, Option<OsString>)>,
    nice: i32,
    current_dir: Option<PathBuf>,
    queue_size: Option<usize>,
    start_within: Option<Duration>,
    kill_after: Option<Duration>,
    tasks_ahead: Option<usize>,
    on_output: Option<OnOutput>,
    on_progress: Option<OnProgress>,
}

/// Who is told how far the pool is.
type OnProgress = Rc<dyn Fn(Progress)>;

/// Who is given the lines of workers.
type OnOutput = Rc<dyn Fn(OutputLine<'_>)>;

/// A call that each worker makes first.
pub(super) struct Initializer {
    pub(super) path: &'static str,
    pub(super) index: u32,
    pub(super) head_len: usize,
    pub(super) bytes: Rc<[u8]>,
}

/// A pool's settings, all decided.
pub(super) struct Options {
    pub(super) max_workers: usize,
    pub(super) max_tasks_per_child: u64,
    pub(super) max_memory_per_child: Option<u64>,
    pub(super) initializer: Option<Initializer>,
    pub(super) env: Vec<(OsString, Option<OsString>)>,
    pub(super) nice: i32,
    pub(super) current_dir: Option<PathBuf>,
    pub(super) queue_size: usize,
    pub(super) start_within: Duration,
    pub(super) kill_after: Duration,
    pub(super) tasks_ahead: usize,
    pub(super) on_output: Option<OnOutput>,
    pub(super) on_progress: Option<OnProgress>,
}

impl ProcessPoolExecutorBuilder {
    /// The most workers the pool will have; as many as there are processors until set.
    pub fn max_workers(mut self, most: usize) -> ProcessPoolExecutorBuilder {
        self.max_workers = Some(most);
        self
    }

    /// A worker that has run so many tasks ends and makes place for a fresh one.
    pub fn max_tasks_per_child(mut self, most: u64) -> ProcessPoolExecutorBuilder {
        self.max_tasks_per_child = Some(most);
        self
    }

    /// A worker of which more than so many bytes are resident after a task ends and makes place
    /// for a fresh one.
    pub fn max_memory_per_child(mut self, bytes: u64) -> ProcessPoolExecutorBuilder {
        self.max_memory_per_child = Some(bytes);
        self
    }

    /// Is called by each worker before its first task. If it fails, by a panic or by the worker's
    /// end, the pool is broken: the tasks that wait, and all that are submitted later, end with
    /// [`ProcessError::Broken`](crate::ProcessError::Broken).
    pub fn initializer<F: ProcessFunction<Output = ()>>(
        mut self,
        _: F,
        arguments: F::Arguments<'_>,
    ) -> ProcessPoolExecutorBuilder {
        let mut writer = Writer::default();
        match F::encode(&arguments, &mut writer) {
            Ok(()) => {
                self.initializer = Some(Initializer {
                    path: F::entry().path,
                    index: index_of(F::entry()),
                    head_len: writer.head_len(),
                    bytes: writer.into_bytes().into(),
                });
            }
            Err(error) => self.initializer_error = Some(error),
        }
        self
    }

    /// Sets a variable in the workers' environment.
    pub fn env(
        mut self,
        name: impl Into<OsString>,
        value: impl Into<OsString>,
    ) -> ProcessPoolExecutorBuilder {
        self.env.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a variable out of the workers' environment.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> ProcessPoolExecutorBuilder {
        self.env.push((name.into(), None));
        self
    }

    /// Makes the workers so much nicer than this process: 1 to 19, below 0 with the right to it.
    pub fn nice(mut self, increment: i32) -> ProcessPoolExecutorBuilder {
        self.nice = increment;
        self
    }

    /// The workers' working directory; this process's until set.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> ProcessPoolExecutorBuilder {
        self.current_dir = Some(directory.into());
        self
    }

    /// How many tasks may wait for a worker before `submit` holds back; [`QUEUE_SIZE`] until set.
    pub fn queue_size(mut self, most: usize) -> ProcessPoolExecutorBuilder {
        self.queue_size = Some(most);
        self
    }

    /// How long a worker may take from its start until it is ready for its initializer and tasks:
    /// what the program does before `main` and the line of set-up. [`START_WITHIN`] until set. One
    /// that takes longer is killed; after three in a row the pool is broken.
    pub fn start_within(mut self, most: Duration) -> ProcessPoolExecutorBuilder {
        self.start_within = Some(most);
        self
    }

    /// How long a worker has after the polite signal, `SIGTERM`, before it is killed;
    /// [`KILL_AFTER`] until set.
    pub fn kill_after(mut self, patience: Duration) -> ProcessPoolExecutorBuilder {
        self.kill_after = Some(patience);
        self
    }

    /// How many tasks a worker may have at once, the one that it runs among them; [`TASKS_AHEAD`]
    /// until set. Of tasks that take long no more than two are handed to a worker anyway, and those
    /// that it has not begun are taken back when another one is idle.
    pub fn tasks_ahead(mut self, most: usize) -> ProcessPoolExecutorBuilder {
        self.tasks_ahead = Some(most);
        self
    }

    /// Is called with each line that a worker writes to standard output or standard error. Until
    /// set, the lines go to this process's standard error, each with the worker's process and the
    /// task's name before it.
    pub fn on_output(
        mut self,
        take: impl Fn(OutputLine<'_>) + 'static,
    ) -> ProcessPoolExecutorBuilder {
        self.on_output = Some(Rc::new(take));
        self
    }

    /// Is called when tasks have ended, with how many: for a progress bar. Many that end at once are
    /// told at once.
    pub fn on_progress(mut self, take: impl Fn(Progress) + 'static) -> ProcessPoolExecutorBuilder {
        self.on_progress = Some(Rc::new(take));
        self
    }

    /// Makes the pool, on the loop that runs in this thread. No worker is started yet.
    ///
    /// # Errors
    /// `InvalidInput` if `max_workers`, `queue_size`, `tasks_ahead` or `max_tasks_per_child` is 0,
    /// or the initializer's arguments can't be put into bytes; `Unsupported` if this process has
    /// not said the line that lets it have child processes (the error says which line), if no loop
    /// runs in this thread, and on a simulated loop, where processes don't exist.
    pub fn build(self) -> io::Result<ProcessPoolExecutor> {
        let Some(event_loop) = try_get_running_loop() else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "no event loop runs in this thread; make the pool inside `bucle::run(async { .. })`, \
                 or use `ProcessPool::blocking()`",
            ));
        };
        self.build_on(&event_loop)
    }

    /// [`build`](ProcessPoolExecutorBuilder::build) on `event_loop`, which this thread owns.
    ///
    /// # Errors
    /// As [`build`](ProcessPoolExecutorBuilder::build).
    pub fn build_on(self, event_loop: &LoopRef) -> io::Result<ProcessPoolExecutor> {
        check_set_up()?;
        if event_loop.sim_network().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "child processes are real; a simulated loop has none; run the test as \
                 `#[bucle::test(real)]`",
            ));
        }
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if let Some(error) = self.initializer_error {
            return wrong(format!("the initializer's arguments: {error}"));
        }
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        let options = Options {
            max_workers: self.max_workers.unwrap_or_else(processors),
            max_tasks_per_child: self.max_tasks_per_child.unwrap_or(u64::MAX),
            max_memory_per_child: self.max_memory_per_child,
            initializer: self.initializer,
            env: self.env,
            nice: self.nice,
            current_dir: self.current_dir,
            queue_size: self.queue_size.unwrap_or(QUEUE_SIZE),
            start_within: self.start_within.unwrap_or(START_WITHIN),
            kill_after: self.kill_after.unwrap_or(KILL_AFTER),
            tasks_ahead: self.tasks_ahead.unwrap_or(TASKS_AHEAD),
            on_output: self.on_output,
            on_progress: self.on_progress,
        };
        for (name, zero) in [
            ("max_workers", options.max_workers == 0),
            ("queue_size", options.queue_size == 0),
            ("tasks_ahead", options.tasks_ahead == 0),
            ("max_tasks_per_child", options.max_tasks_per_child == 0),
        ] {
            if zero {
                return wrong(format!("{name} must be greater than 0"));
            }
        }
        Ok(ProcessPoolExecutor::make(event_loop, options))
    }
}

impl fmt::Debug for ProcessPoolExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolExecutorBuilder")
            .field("max_workers", &self.max_workers)
            .field("max_tasks_per_child", &self.max_tasks_per_child)
            .field("max_memory_per_child", &self.max_memory_per_child)
            .finish_non_exhaustive()
    }
}

/// What holds for one task: see [`submit_with`](ProcessPoolExecutor::submit_with).
#[derive(Clone, Debug, Default)]
pub struct TaskOptions {
    pub(super) deadline: Option<Duration>,
    pub(super) memory_limit: Option<u64>,
    pub(super) idempotent: bool,
    pub(super) name: Option<Arc<str>>,
}

impl TaskOptions {
    /// No deadline, no limit, never run twice, named after its function.
    pub fn new() -> TaskOptions {
        TaskOptions::default()
    }

    /// For how long it may run, from when a worker begins it; then the worker is ended, and the
    /// task with it.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> TaskOptions {
        self.deadline = Some(deadline);
        self
    }

    /// How many bytes of memory its worker may have: of its own (`RLIMIT_DATA`), so that an
    /// allocation beyond it fails, and resident, which is looked at every
    /// [`MEMORY_LOOK`](super::MEMORY_LOOK). The error says which it was. What the worker had before
    /// the task counts: a few MiB.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> TaskOptions {
        self.memory_limit = Some(bytes);
        self
    }

    /// It may be run twice: if its worker dies under it, it is given to another one, once.
    #[must_use]
    pub fn idempotent(mut self) -> TaskOptions {
        self.idempotent = true;
        self
    }

    /// Its name in errors, in the log and in the status.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> TaskOptions {
        self.name = Some(name.into());
        self
    }
}
