//! Locks, events, semaphores, barriers and queues between the tasks of one loop, with the names and
//! the semantics of asyncio's.
//!
//! Everything here is for one thread: nothing is atomic, nothing is `Send`, and nothing needs a
//! running loop, only wakers. Tasks share a primitive by [`Rc`](std::rc::Rc). Waiting allocates
//! nothing once a primitive has had as many waiters as it ever has at a time.
//!
//! | asyncio | here | waits in |
//! |---|---|---|
//! | `Lock` | [`Lock`], which may hold the value it protects | [`acquire`](Lock::acquire) |
//! | `Event` | [`Event`] | [`wait`](Event::wait) |
//! | `Condition` | [`Condition`] | [`wait`](Condition::wait), [`wait_for`](Condition::wait_for) |
//! | `Semaphore` | [`Semaphore`] | [`acquire`](Semaphore::acquire) |
//! | `BoundedSemaphore` | [`BoundedSemaphore`] | [`acquire`](BoundedSemaphore::acquire) |
//! | `Barrier` | [`Barrier`] | [`wait`](Barrier::wait) |
//! | `Queue` | [`Queue`] | [`get`](QueueOf::get), [`put`](QueueOf::put), [`join`](QueueOf::join) |
//! | `PriorityQueue` | [`PriorityQueue`] | the same |
//! | `LifoQueue` | [`LifoQueue`] | the same |
//!
//! # `async with`
//!
//! What asyncio releases at the end of an `async with` block is a guard here, and released when that
//! is dropped. For the rarer pair of `acquire()` and `release()` in different places there is
//! `forget` on the guard and `release` on the primitive.
//!
//! ```
//! use std::rc::Rc;
//! use bucle_loop::sync::Lock;
//!
//! bucle_loop::run(async {
//!     let total = Rc::new(Lock::of(0));
//!     bucle_loop::gather((1..=4).map(|n| {
//!         let total = total.clone();
//!         async move {
//!             let mut total = total.acquire().await;
//!             let before = *total;
//!             bucle_loop::yield_now().await;
//!             *total = before + n;
//!         }
//!     }))
//!     .await
//!     .unwrap();
//!     assert_eq!(*total.acquire().await, 10);
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Order
//!
//! Whoever waits is served in the order it began to wait. What is given up while somebody waits goes
//! to the first waiter at once, before that has run: nobody who comes later can take it.
//! The exceptions are the queues' `get_nowait` and `put_nowait`, which take what is there, as in
//! asyncio.
//!
//! # Cancellation
//!
//! Every wait can be dropped at any time: by the end of its task, by a
//! [`timeout`](crate::timeout()), by losing a race. A waiter that is dropped leaves its place; one
//! that had been given something but didn't come to see it passes that on to the next. No permit, no
//! item and no wake-up is lost. What each one means in detail is said with each method.
//!
//! # Names
//!
//! Every primitive knows where it was made and can be given a name; its `Debug` output tells both,
//! and which tasks wait.

mod barrier;
mod bounded_semaphore;
mod condition;
mod event;
mod label;
mod lifo_queue;
mod lock;
mod priority_queue;
mod queue;
mod queue_errors;
mod semaphore;
mod waiters;

pub use barrier::{Barrier, BarrierWait, BrokenBarrierError};
pub use bounded_semaphore::{BoundedSemaphore, ReleasedTooOften};
pub use condition::{Condition, ConditionWait};
pub use event::{Event, EventWait};
pub use lifo_queue::{Lifo, LifoQueue};
pub use lock::{Lock, LockAcquire, LockGuard, NotAcquired};
pub use priority_queue::{ByPriority, PriorityQueue};
pub use queue::{Fifo, Queue, QueueGet, QueueJoin, QueueOf, QueuePut, QueueStore};
pub use queue_errors::{GetNowaitError, PutNowaitError, QueueShutDown, TaskDoneTooOften};
pub use semaphore::{
    OwnedSemaphorePermit, Semaphore, SemaphoreAcquire, SemaphoreAcquireOwned, SemaphorePermit,
};
