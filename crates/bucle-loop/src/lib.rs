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
//! | `task`, `futures`, `gather`, `timeout`, `sleep` | what `async fn` stands on |
//! | [`sim`] | the simulated world: a network in memory, time that jumps |
//! | `signals`, `exceptions`, `slow`, `counters` | signals, errors, and what can be seen |
#![deny(unsafe_code)]

mod clock;
mod counters;
mod event_loop;
mod exceptions;
mod fds;
mod futures;
mod gather;
mod handles;
mod inbox;
mod pollable;
mod primitives;
mod ready;
mod remote;
mod running;
mod selector;
mod signals;
pub mod sim;
mod sleep;
mod slow;
mod task;
mod timeout;
mod timers;

pub use counters::LoopCounters;
pub use event_loop::{
    Entered, EventLoop, LoopBuilder, LoopRef, READ_BUFFER, SLOW_CALLBACK_DURATION, run,
};
pub use exceptions::ExceptionContext;
pub use fds::{Interest, Readiness, Registration, Source};
pub use futures::{AlreadySet, Future, FutureError};
pub use gather::{Gather, GatherAll, gather};
pub use handles::{Handle, TimerHandle};
pub use pollable::{AsPollable, Pollable};
pub use remote::{LoopClosed, Remote};
pub use running::{get_running_loop, try_get_running_loop};
pub use selector::SelectorKind;
pub use sim::{SimNetwork, SimOptions, SimSocket};
pub use sleep::{Sleep, YieldNow, sleep, sleep_until, yield_now};
pub use task::{
    CancelOnDrop, Cancelled, Panic, Task, TaskError, TaskHandle, TaskTag, all_tasks, current_task,
    spawn, spawn_named,
};
pub use timeout::{TimeoutError, timeout};
