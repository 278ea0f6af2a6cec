//! The event loop of Bucle, and what lives on it: callbacks, timers, file descriptors, signals,
//! futures and tasks, with the names and the semantics of Python's asyncio where Rust allows them.
//!
//! Start with [`run`]; the loop itself is [`EventLoop`], and what it can be asked to do is in
//! [`LoopRef`]. A loop belongs to one thread for life; other threads reach it through a [`Remote`].
//!
//! ```
//! use std::time::Duration;
//!
//! bucle_loop::run(async {
//!     let hello = bucle_loop::spawn(async {
//!         bucle_loop::sleep(Duration::from_millis(1)).await;
//!         "hello"
//!     });
//!     assert_eq!(hello.await.unwrap(), "hello");
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How it is cut
//!
//! | module | what |
//! |---|---|
//! | `event_loop` | the loop and its turn |
//! | `ready`, `timers`, `handles` | what is to run now, later, and how it is taken back |
//! | `fds`, [`selector`](SelectorKind) | who owns a descriptor, and how the system is asked |
//! | `inbox`, `remote` | what other threads send |
//! | `task`, `futures`, `context`, `sleep` | what `async fn` stands on |
//! | `gather`, `wait`, `wait_for`, `as_completed`, `timeout` | several at once, and for how long |
//! | `task_group`, `scope`, `exception_group` | tasks that end with who started them |
//! | `shield`, `catch_cancel`, `on_cancel` | who stands in the way of a cancellation |
//! | `runners` | a loop from its beginning to a clean end |
//! | [`sync`] | locks, events, semaphores, barriers and queues between tasks |
//! | [`concurrent`], `executor` | results across threads, the thread pool; both tied to the loop |
//! | [`sim`] | the simulated world: a network in memory, time that jumps |
//! | `signals`, `exceptions`, `slow`, `turn_watch`, `counters` | signals, errors, and what can be seen |
//! | `waits`, `future_waits`, `lines`, `wait_graph` | who waits for what, and deadlocks |
//! | `without_hooks` | the twin of `slow` in a build of the benchmark's, which shows what it costs |
#![deny(unsafe_code)]

mod as_completed;
mod catch_cancel;
mod clock;
pub mod concurrent;
mod context;
mod counters;
mod event_loop;
mod exception_group;
mod exceptions;
mod executor;
mod fds;
mod future_waits;
mod futures;
mod gather;
mod handles;
mod inbox;
mod lines;
mod on_cancel;
mod pollable;
mod primitives;
mod ready;
mod remote;
mod runners;
mod running;
mod scope;
mod selector;
mod shield;
pub mod signal;
mod signals;
pub mod sim;
mod sleep;
#[cfg(not(bucle_bench_without_hooks))]
mod slow;
#[cfg(bucle_bench_without_hooks)]
#[path = "without_hooks/slow.rs"]
mod slow;
pub mod sync;
mod task;
mod task_group;
mod timeout;
mod timers;
mod turn_watch;
mod wait;
mod wait_for;
mod wait_graph;
mod waits;
mod wake_set;

pub use as_completed::{AsCompleted, as_completed};
pub use catch_cancel::catch_cancel;
pub use concurrent::ThreadPoolExecutor;
pub use context::{Context, ContextToken, ContextTokenError, ContextVar, copy_context};
pub use counters::LoopCounters;
pub use event_loop::{
    Entered, EventLoop, LoopBuilder, LoopRef, READ_BUFFER, SLOW_CALLBACK_DURATION,
};
pub use exception_group::{BoxError, ExceptionGroup, GroupException};
pub use exceptions::ExceptionContext;
pub use executor::{
    THREAD_JOIN_TIMEOUT, ToThread, WrapFuture, run_coroutine_threadsafe, to_thread, wrap_future,
};
pub use fds::{Interest, Readiness, Registration, Source};
pub use futures::{AlreadySet, Future, FutureError};
pub use gather::{
    Gather, GatherAll, GatherError, Gatherable, Many, Several, Tasks, TryGather, gather, try_gather,
};
pub use handles::{Handle, TimerHandle};
pub use on_cancel::{ON_CANCEL_DEADLINE, OnCancel, on_cancel};
pub use pollable::{AsPollable, Pollable};
pub use remote::{LoopClosed, Remote};
pub use runners::{Runner, run};
pub use running::{get_running_loop, try_get_running_loop};
pub use scope::{Scope, ScopedTask, scope};
pub use selector::SelectorKind;
pub use shield::{Shield, shield};
pub use sim::{SimNetwork, SimOptions, SimSocket};
pub use sleep::{Sleep, YieldNow, sleep, sleep_until, yield_now};
pub use task::{
    CallbackId, CancelOnDrop, CancelPlace, CancelStep, Cancelled, Panic, Task, TaskBuilder,
    TaskError, TaskHandle, TaskTag, all_tasks, current_task, spawn, spawn_eager, spawn_named,
};
pub use task_group::{GroupHandle, GroupTask, Outcome, TaskGroup};
pub use timeout::{Timeout, TimeoutError, TimeoutHandle, TimeoutOver, timeout, timeout_at};
pub use wait::{ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, ReturnWhen, Wait, Waitable, wait};
pub use wait_for::wait_for;
pub use wait_graph::{WaitGraph, WaitKind, WaitingTask, WaitsFor, WatchedDescriptor};
