//! doc
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod board;
mod error;
mod frame;
mod function;
mod payload;
mod pool;
mod ring;
mod start;
mod worker;

pub use error::{BrokenProcessPool, Cause, Failure, ProcessError, ProcessPanic, Rejected};
pub use function::ProcessFunction;
pub use payload::{NotDecoded, NotEncoded};
pub use pool::{
    KILL_AFTER, MEMORY_LOOK, OutputLine, OutputStream, ProcessPoolExecutor,
    ProcessPoolExecutorBuilder, QUEUE_SIZE, STDERR_TAIL, Submitted, TASKS_AHEAD, TaskOptions,
};
pub use start::{BuildMismatch, init};

/// What the code that the attributes make names.
#[doc(hidden)]
pub mod __private {
    pub use crate::function::{Answer, CallError, Entry, FUNCTIONS};
    pub use crate::payload::{NotDecoded, NotEncoded, Reader, Writer};
    pub use crate::start::TEST_ENTRIES;
    pub use linkme;
}
