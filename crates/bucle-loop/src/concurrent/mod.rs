//! Python's `concurrent.futures` for threads: results that cross from one thread to another, and
//! a pool of threads that makes them.
//!
//! This half knows no event loop: everything here blocks the calling thread or doesn't wait at
//! all, and works in programs that run no loop. What ties it to a loop (awaiting with
//! [`wrap_future`](crate::wrap_future), [`to_thread`](crate::to_thread),
//! [`run_in_executor`](crate::LoopRef::run_in_executor)) lies outside.
//!
//! ```text
//!   ThreadPoolExecutor::submit ──▶ job ──▶ worker thread ─┐
//!   Promise::set_result ──────────────────────────────────┼─▶ State ──▶ Future: result, await
//!   run_coroutine_threadsafe ──▶ task on a loop ──────────┘     └─────▶ wait, as_completed,
//!                                                                       done callbacks
//! ```
//!
//! ```
//! use bucle_loop::concurrent::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new();
//! let sum = pool.submit(|| (1..=1000_u64).sum::<u64>());
//! let squares = pool.map(|n| n * n, 1..=3);
//! assert_eq!(sum.result().unwrap(), 500_500);
//! assert_eq!(squares.map(Result::unwrap).collect::<Vec<i32>>(), [1, 4, 9]);
//! ```
//!
//! | file | what |
//! |---|---|
//! | `future`, `promise` | the two ends: who waits, and who sets |
//! | `state` | what the ends share: the states, and the two places where anybody waits |
//! | `wait` | many futures at once |
//! | `thread_pool`, `map` | the executor |
//! | `job`, `workers` | a closure and its result in one allocation; who runs it |
//! | `error` | how a future can be done without a value |

mod error;
mod future;
mod job;
mod map;
mod promise;
mod state;
mod thread_pool;
mod wait;
mod workers;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod model_tests;

pub use crate::wait::ReturnWhen;
pub use error::{BrokenThreadPool, FutureError, JobPanic, Rejected};
pub use future::{Future, FutureHandle};
pub use map::Map;
pub use promise::Promise;
pub use thread_pool::{ThreadPoolExecutor, ThreadPoolExecutorBuilder};
pub use wait::{AsCompleted, DoneAndNotDone, Unfinished, Watched, as_completed, wait};

pub(crate) use job::{Job, job};
