//! Functions run in other processes: a pool of workers that can't hang, and what it stands on.
//!
//! A child is this program, started again by `exec` (never a bare fork), and finds the function it
//! is to run in a registry that `#[bucle::process]` fills. Nothing is shared among children: each
//! has a channel and a board of its own, so one that is killed can hold nothing that another needs.
//! A child's end is an event of the loop, seen at once. `docs/design/process-pool.md` has the
//! reasons.
//!
//! ```no_run
//! # use bucle_macros::process;
//! use bucle_pool::ProcessPoolExecutor;
//!
//! #[process(crate = bucle_pool)]
//! fn mean(numbers: &[f64]) -> f64 {
//!     numbers.iter().sum::<f64>() / numbers.len() as f64
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     bucle_pool::init();
//!     bucle_loop::run(async {
//!         let pool = ProcessPoolExecutor::new()?;
//!         let result = pool.submit(mean, &[1.0, 2.0, 3.0][..]).await;
//!         assert_eq!(result.unwrap(), 2.0);
//!         Ok(())
//!     })?
//! }
//! ```
//!
//! # How it is cut
//!
//! From the bottom up; each knows only what stands above it in this table.
//!
//! | module | what | what others use of it |
//! |---|---|---|
//! | `payload` | arguments and outputs as bytes, slices in place | `Writer`, `Reader`, `AlignedBytes` |
//! | `function` | the registry, the trait behind the attribute, the build id | `ProcessFunction`, `index_of`, `at_index`, `Entry::call` with an `Answer` |
//! | `start` | how any child starts and is tied to its parent | parent: `check_set_up()`, `Launch::new(role).start(done)` gives a `Child` (killed and buried when dropped; `try_wait`); child: a `Role` is played by a function that gets a `ChildSide` (channel, descriptors) and says `ready()`; `Message` |
//! | `ring`, `frame`, `board` | the shared memory of a worker and its pool: two rings, started marks | |
//! | `worker` | the role of a pool's worker | `run(side, nice)` |
//! | `pool` | the executor, on the loop | |
//! | `hand` | processes by hand, pipes, queues, shared memory | `travel::take_reason`, `run` |
//! | `blocking` | the pool in a thread of its own, for programs without a loop | |
//! | `error` | how a task can end without an output | |
//!
//! Another kind of child is another `Role` and a function beside `worker::run`: the
//! start, the ties to the parent and the registry are the same.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod blocking;
mod board;
mod error;
mod frame;
mod function;
mod hand;
mod payload;
mod pool;
mod ring;
mod shared;
mod start;
mod worker;

pub use blocking::{Pending, ProcessPool};
pub use board::{LONGEST_INLINE, LONGEST_INLINE_OUTPUT};
pub use bucle_sys::plain::Plain;
pub use error::{BrokenProcessPool, Cause, Failure, ProcessError, ProcessPanic, Rejected};
pub use function::ProcessFunction;
pub use hand::{
    ChannelError, LockError, Nothing, Pipe, Process, Queue, Semaphore, SemaphorePermit,
    SharedGuard, SharedMemory,
};
pub use payload::{NotDecoded, NotEncoded};
pub use pool::{
    AsCompleted, KILL_AFTER, LastExit, MEMORY_LOOK, Map, OutputLine, OutputStream, PoolStatus,
    ProcessPoolExecutor, ProcessPoolExecutorBuilder, Progress, QUEUE_SIZE, START_WITHIN,
    STDERR_TAIL, Submitted, TASKS_AHEAD, TaskOptions, WorkerState, WorkerStatus,
};
pub use shared::Shared;
pub use start::{BuildMismatch, init};

/// What the code that the attributes make names.
#[doc(hidden)]
pub mod __private {
    pub use crate::function::{Answer, CallError, Entry, FUNCTIONS, ProcessFunction};
    pub use crate::payload::{NotDecoded, NotEncoded, Reader, Writer};
    pub use crate::start::TEST_ENTRIES;
    pub use linkme;
}
