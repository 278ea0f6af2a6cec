//! Processes by hand, for what a pool does not fit: [`Process`], and what a parent and its children
//! say to each other by: [`Pipe`], [`Queue`], [`SharedMemory`], [`Semaphore`].
//!
//! Nothing here is shared among children that a killed one could leave half done: a queue's items
//! and a lock's state are the parent's, each child has a connection of its own, and its end is an
//! event of the parent's loop. `docs/design/processes-by-hand.md` has the reasons.
//!
//! | file | what |
//! |---|---|
//! | `process`, `child` | the two sides of a process: start, result, end |
//! | `travel` | descriptors among arguments |
//! | `wait`, `wire` | waiting as a task or with the thread; messages, and the values in them |
//! | `pipe` | two ends |
//! | `desk`, `waiter` | what the parent keeps for children: connections, requests; and for its own tasks |
//! | `queue` | items at a desk |
//! | `permits`, `semaphore`, `shared_memory` | permits at a desk, and who uses them |
//! | `error` | what can go wrong |

mod child;
mod desk;
mod error;
mod permits;
mod pipe;
mod process;
mod queue;
mod semaphore;
mod shared_memory;
pub(crate) mod travel;
mod wait;
mod waiter;
mod wire;

pub(crate) use child::run;
pub use error::ChannelError;
pub use pipe::{Nothing, Pipe};
pub use process::Process;
pub use queue::Queue;
pub use semaphore::{Semaphore, SemaphorePermit};
pub use shared_memory::{LockError, SharedGuard, SharedMemory};
