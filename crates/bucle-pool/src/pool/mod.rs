//! The pool in the parent: [`ProcessPoolExecutor`].
//!
//! All of it lives on the loop's thread: nothing is locked, and what a worker does is an event.
//!
//! ```text
//!   submit ─▶ queue ─▶ dispatch ─▶ Worker::send ─▶ ring ─▶ (the worker)
//!                          ▲                                  │
//!   Submitted ◀─ Job ◀─ results ◀── ring ◀────────────────────┘
//!                          ▲
//!              death ──────┘  what it ran fails or is tried again, what it had not begun goes back
//! ```
//!
//! | file | what |
//! |---|---|
//! | `options` | settings of a pool and of a task |
//! | `job` | a task, from `submit` to its result; [`Submitted`] |
//! | `map`, `chunk` | one function over many items; several of them as one task |
//! | `memory` | shared memory for large arguments |
//! | `worker` | a worker as the parent sees it |
//! | `dispatch` | who gets which task; starting workers; taking tasks back |
//! | `events` | what the loop reports of a worker; results |
//! | `awake` | looking into the rings without being told, for a moment |
//! | `ending` | deadlines, limits, cancelling, deaths |
//! | `closing` | shutting down, dropping |
//! | `status` | what can be seen of it |
//! | `output` | what workers write to their standard streams |

mod awake;
mod chunk;
mod closing;
mod dispatch;
mod ending;
mod events;
mod job;
mod map;
mod memory;
mod options;
mod output;
mod status;
mod worker;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::Instant;

use bucle_loop::{ExceptionContext, LoopRef, Remote};

use crate::error::{BrokenProcessPool, ProcessError, Rejected};
use crate::function::{ProcessFunction, index_of};
use crate::payload::{AlignedBytes, NotEncoded, Writer};
use crate::worker::panics::message_of;

use awake::Awake;
use job::{Averages, Base, Call, Job, Payload};
use memory::{Lease, Memory};
use options::Options;
use worker::{Phase, Worker};

pub use ending::MEMORY_LOOK;
pub use job::Submitted;
pub use map::{AsCompleted, Map};
pub use options::{
    KILL_AFTER, ProcessPoolExecutorBuilder, QUEUE_SIZE, START_WITHIN, TASKS_AHEAD, TaskOptions,
};
pub use output::{OutputLine, OutputStream, STDERR_TAIL};
pub use status::{LastExit, PoolStatus, Progress, WorkerState, WorkerStatus};

use crate::board::LONGEST_INLINE;

/// A pool of processes that run functions. `ProcessPoolExecutor` of concurrent.futures.
///
/// A worker is this program, started again; the functions it can run are those that
/// `#[bucle::process]` stands above. Workers start when there are tasks for them: a task goes to an
/// idle worker if there is one, and a new worker is started if there are fewer than `max_workers`.
///
/// A task that ends its worker (a crash, an exit, a limit) is the only one that fails, with an
/// error that says all there is to say; the worker is replaced when there is work for another. A
/// panic in a task is that task's error; its worker lives on.
///
/// Dropping the pool kills its workers, and the tasks that are left end with
/// [`Rejected::Shutdown`]. [`shutdown`](ProcessPoolExecutor::shutdown) lets them finish first.
///
/// It belongs to the loop that it was made on. For programs without a loop, see
/// [`ProcessPool::blocking`](crate::ProcessPool::blocking).
pub struct ProcessPoolExecutor {
    pool: Rc<Pool>,
}

/// What the pool, its tasks and the loop's callbacks share.
pub(super) struct Pool {
    id: u64,
    event_loop: LoopRef,
    remote: Remote,
    options: Options,
    state: Cell<State>,
    broken: RefCell<Option<BrokenProcessPool>>,
    /// Tasks that wait for a worker. Cancelled ones lie there until their turn.
    queue: RefCell<VecDeque<Rc<dyn Job>>>,
    /// How many of them are to be run.
    queued: Cell<usize>,
    /// Tasks that found no room in the queue.
    parked: RefCell<VecDeque<Weak<dyn Job>>>,
    /// When as many lie there, it is looked for those that are over.
    parked_most: Cell<usize>,
    /// Who waits for room.
    want_room: RefCell<Vec<Waker>>,
    /// Who waits until nothing is left.
    want_idle: RefCell<Vec<Waker>>,
    workers: RefCell<Vec<Rc<Worker>>>,
    next_worker: Cell<u64>,
    /// The place of the next task in the order of submission.
    next_place: Cell<u64>,
    /// When it was last looked for tasks that run long.
    looked_for_long: Cell<Instant>,
    /// How many are being started and have no process yet.
    starting: Cell<usize>,
    /// How many have ended without ever being ready, one after the other.
    failed_starts: Cell<u32>,
    /// How often the system had no room for a worker, one time after the other.
    failed_launches: Cell<u32>,
    restarts: Cell<u64>,
    tasks_done: Cell<u64>,
    last_exit: Cell<Option<LastExit>>,
    averages: Averages,
    memory: Rc<Memory>,
    awake: Awake,
    scratch: Cell<AlignedBytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Takes no more tasks.
    ShutDown,
    /// Begins none of those that it has.
    Closed,
}

thread_local! {
    /// The pools of this thread's loop, for what comes from the spawner's thread.
    static POOLS: RefCell<Vec<(u64, Weak<Pool>)>> = const { RefCell::new(Vec::new()) };
}

/// The pool of that number, if it is there still.
fn find(id: u64) -> Option<Rc<Pool>> {
    let pools = POOLS.try_with(|pools| {
        let pools = pools.borrow();
        let found = pools.iter().find(|(known, _)| *known == id)?;
        found.1.upgrade()
    });
    pools.ok().flatten()
}

impl ProcessPoolExecutor {
    /// A pool with the default settings, on the loop that runs in this thread.
    ///
    /// # Errors
    /// As [`build`](ProcessPoolExecutorBuilder::build).
    pub fn new() -> std::io::Result<ProcessPoolExecutor> {
        ProcessPoolExecutorBuilder::default().build()
    }

    /// Settings to change before the pool is made.
    pub fn builder() -> ProcessPoolExecutorBuilder {
        ProcessPoolExecutorBuilder::default()
    }

    fn make(event_loop: &LoopRef, options: Options) -> ProcessPoolExecutor {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let memory = Memory::new(options.max_workers);
        let pool = Rc::new(Pool {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            event_loop: event_loop.clone(),
            remote: event_loop.remote(),
            options,
            state: Cell::new(State::Open),
            broken: RefCell::new(None),
            queue: RefCell::default(),
            queued: Cell::new(0),
            parked: RefCell::default(),
            parked_most: Cell::new(dispatch::KEPT_DONE),
            want_room: RefCell::default(),
            want_idle: RefCell::default(),
            workers: RefCell::default(),
            next_worker: Cell::new(1),
            next_place: Cell::new(0),
            looked_for_long: Cell::new(Instant::now()),
            starting: Cell::new(0),
            failed_starts: Cell::new(0),
            failed_launches: Cell::new(0),
            restarts: Cell::new(0),
            tasks_done: Cell::new(0),
            last_exit: Cell::new(None),
            averages: Averages::default(),
            memory,
            awake: Awake::default(),
            scratch: Cell::default(),
        });
        POOLS.with(|pools| {
            let mut pools = pools.borrow_mut();
            pools.retain(|(_, pool)| pool.strong_count() > 0);
            pools.push((pool.id, Rc::downgrade(&pool)));
        });
        ProcessPoolExecutor { pool }
    }

    /// Has `function` run by a worker, with `arguments`: nothing is `()`, a single one is itself,
    /// several are a tuple.
    ///
    /// The arguments are put into bytes before this returns, so they may be borrowed. The task
    /// begins whether or not the future is polled, unless the queue is full
    /// ([`queue_size`](ProcessPoolExecutorBuilder::queue_size)): then it enters the queue when
    /// there is room, in the order of the calls, as long as its future lives. Whoever makes tasks
    /// faster than they are run awaits [`room`](ProcessPoolExecutor::room) first.
    pub fn submit<F: ProcessFunction>(
        &self,
        function: F,
        arguments: F::Arguments<'_>,
    ) -> Submitted<F::Output> {
        self.submit_with(TaskOptions::default(), function, arguments)
    }

    /// [`submit`](ProcessPoolExecutor::submit) with a deadline, a limit, a name.
    pub fn submit_with<F: ProcessFunction>(
        &self,
        options: TaskOptions,
        _: F,
        arguments: F::Arguments<'_>,
    ) -> Submitted<F::Output> {
        let entry = F::entry();
        let base = Base::new(entry.path, index_of(entry), options);
        let call = match self.pool.refusal() {
            Some(refusal) => Call::failed(base, refusal, F::decode),
            None => match self.pool.encode::<F>(&arguments) {
                Ok((payload, head)) => {
                    let call = Call::new(base, payload, head, F::decode);
                    self.pool.accept(call.clone());
                    call
                }
                Err(error) => Call::failed(base, ProcessError::NotEncoded(error), F::decode),
            },
        };
        Submitted {
            call,
            pool: Rc::downgrade(&self.pool),
            detached: false,
        }
    }

    /// A task whose arguments were put into bytes elsewhere. In a full queue it has room.
    pub(crate) fn submit_bytes<F: ProcessFunction>(
        &self,
        options: TaskOptions,
        bytes: Vec<u8>,
        head: usize,
    ) -> Submitted<F::Output> {
        let entry = F::entry();
        let base = Base::new(entry.path, index_of(entry), options);
        let call = match self.pool.refusal() {
            Some(refusal) => Call::failed(base, refusal, F::decode),
            None => match self.pool.place_bytes(bytes, head) {
                Ok((payload, head)) => {
                    let call = Call::new(base, payload, head, F::decode);
                    self.pool.accept(call.clone());
                    call
                }
                Err(error) => Call::failed(base, ProcessError::NotEncoded(error), F::decode),
            },
        };
        Submitted {
            call,
            pool: Rc::downgrade(&self.pool),
            detached: false,
        }
    }

    /// [`submit`](ProcessPoolExecutor::submit), if there is room in the queue.
    ///
    /// # Errors
    /// [`Rejected::QueueFull`] if not, [`Rejected::Shutdown`] after a shutdown.
    pub fn try_submit<F: ProcessFunction>(
        &self,
        function: F,
        arguments: F::Arguments<'_>,
    ) -> Result<Submitted<F::Output>, Rejected> {
        if !self.pool.is_open() {
            return Err(Rejected::Shutdown);
        }
        if !self.pool.has_room() {
            return Err(Rejected::QueueFull);
        }
        Ok(self.submit(function, arguments))
    }

    /// Waits until there is room in the queue, so that the next `submit` enters it at once.
    pub async fn room(&self) {
        std::future::poll_fn(|cx| self.pool.poll_room(cx)).await;
    }

    /// How many tasks wait for a worker. Those that workers have and have not begun are not
    /// counted.
    pub fn queued_tasks(&self) -> usize {
        self.pool.queued.get()
    }

    /// The most workers it will have.
    pub fn max_workers(&self) -> usize {
        self.pool.options.max_workers
    }

    /// How many workers it has now, those that are just starting among them.
    pub fn workers(&self) -> usize {
        self.pool.workers.borrow().len() + self.pool.starting.get()
    }
}

impl fmt::Debug for ProcessPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolExecutor")
            .field("max_workers", &self.max_workers())
            .field("workers", &self.workers())
            .field("queued_tasks", &self.queued_tasks())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Why it takes no tasks, if it doesn't.
    fn refusal(&self) -> Option<ProcessError> {
        if let Some(broken) = &*self.broken.borrow() {
            return Some(ProcessError::Broken(broken.clone()));
        }
        match self.state.get() {
            State::Open => None,
            State::ShutDown | State::Closed => Some(ProcessError::Rejected(Rejected::Shutdown)),
        }
    }

    /// Arguments in bytes, and how long their head is.
    fn encode<F: ProcessFunction>(
        &self,
        arguments: &F::Arguments<'_>,
    ) -> Result<(Payload, u32), NotEncoded> {
        let mut writer = Writer::default();
        F::encode(arguments, &mut writer)?;
        self.place(writer)
    }

    /// Where a payload travels, put there.
    fn place(&self, writer: Writer<'_>) -> Result<(Payload, u32), NotEncoded> {
        let (len, head) = (writer.len(), head_len(writer.head_len())?);
        let payload = match self.lease(len) {
            Some(mut lease) => {
                writer.write(&mut lease.bytes_mut()[..len]);
                Payload::Lease(lease, len)
            }
            None => Payload::Own(writer.into_bytes()),
        };
        Ok((payload, head))
    }

    /// The same for what is bytes already.
    fn place_bytes(&self, bytes: Vec<u8>, head: usize) -> Result<(Payload, u32), NotEncoded> {
        // They are copied to shared memory when it is their turn.
        Ok((Payload::Own(bytes), head_len(head)?))
    }

    /// Shared memory for what is too long for a ring, if it may wait there.
    fn lease(&self, len: usize) -> Option<Lease> {
        match len <= LONGEST_INLINE {
            true => None,
            false => self.memory.lease_to_wait(len),
        }
    }

    /// Runs what is the user's: its panic is the exception handler's, and stops nothing else.
    fn guard(&self, what: &str, body: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
            let text = format!("{what} panicked: {}", message_of(&*payload));
            let mut context = ExceptionContext::new("process pool", text);
            context.panic = Some(payload);
            self.event_loop.call_exception_handler(context);
        }
    }

    /// Ends all that is left, and takes nothing any more.
    fn break_down(self: &Rc<Pool>, cause: &str) {
        let broken = BrokenProcessPool {
            cause: cause.into(),
        };
        if self.broken.borrow().is_some() {
            return;
        }
        self.broken.replace(Some(broken.clone()));
        self.fail_waiting(&ProcessError::Broken(broken));
        for worker in &*self.workers.borrow() {
            if worker.phase.get() == Phase::Starting {
                worker.kill();
            }
        }
    }
}

fn head_len(len: usize) -> Result<u32, NotEncoded> {
    u32::try_from(len).map_err(|_| NotEncoded {
        what: "the arguments",
        why: "they are longer than 4 GiB".into(),
    })
}
