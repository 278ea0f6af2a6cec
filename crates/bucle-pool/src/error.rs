//! How a task can end without an output.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use bucle_loop::Cancelled;

use crate::payload::{NotDecoded, NotEncoded};

/// Why a task has no output.
///
/// What the function itself returns, a `Result` among it, is not here: that is its output.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// The function panicked. Its worker lives on.
    Panicked(ProcessPanic),
    /// Its worker has ended while it ran it, by itself or because it had to.
    Failed(Arc<Failure>),
    /// It was cancelled before it began.
    Cancelled(Cancelled),
    /// The arguments or the output can't be put into bytes.
    NotEncoded(NotEncoded),
    /// The arguments, in the worker, or the output, here, can't be made of the bytes that came.
    NotDecoded(NotDecoded),
    /// The pool did not take it, or let it go before it began.
    Rejected(Rejected),
    /// The pool can't start workers.
    Broken(BrokenProcessPool),
}

impl ProcessError {
    /// What is known of the worker's end, if that was the reason.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            ProcessError::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessError::Panicked(panic) => panic.fmt(f),
            ProcessError::Failed(failure) => failure.fmt(f),
            ProcessError::Cancelled(cancelled) => cancelled.fmt(f),
            ProcessError::NotEncoded(error) => error.fmt(f),
            ProcessError::NotDecoded(error) => error.fmt(f),
            ProcessError::Rejected(rejected) => rejected.fmt(f),
            ProcessError::Broken(broken) => broken.fmt(f),
        }
    }
}

impl std::error::Error for ProcessError {}

/// A panic of the function, in the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessPanic {
    /// What the panic said.
    pub message: String,
    /// Where it was: `src/images.rs:17:5`.
    pub location: Option<String>,
    /// The task's name: the function's, unless it was given another.
    pub task: String,
    /// The worker's process.
    pub pid: u32,
}

impl fmt::Display for ProcessPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` panicked in process {}", self.task, self.pid)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ProcessPanic {}

/// Why a worker ended while it ran a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Of itself: by a signal, or by leaving the process.
    Died,
    /// The task ran for longer than its deadline.
    DeadlineExceeded(Duration),
    /// The task wanted more memory than its limit, and an allocation failed (`RLIMIT_DATA`).
    DataLimit(u64),
    /// More memory was resident than the task's limit.
    ResidentLimit {
        /// The limit, in bytes.
        limit: u64,
        /// What was resident, in bytes.
        resident: u64,
    },
    /// It was cancelled while it ran.
    Cancelled(String),
    /// The pool was shut down, and the time for that was over.
    Shutdown,
    /// The worker said what a worker does not say, or closed its channel: something in it has
    /// written where it should not.
    BrokeProtocol(String),
}

/// The end of a worker that was the end of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The task's name: the function's, unless it was given another.
    pub task: String,
    /// The function's path.
    pub function: &'static str,
    /// How many bytes its arguments were.
    pub arguments: usize,
    /// The worker's process.
    pub pid: u32,
    /// Why.
    pub cause: Cause,
    /// How the process ended; `None` if somebody else has waited for it.
    pub status: Option<ExitStatus>,
    /// Whether the function had begun. If not, the worker has ended while it read the arguments,
    /// and so has another one before it.
    pub begun: bool,
    /// For how long the task had run.
    pub elapsed: Duration,
    /// How much processor time the worker had used since the task began; up to a millisecond more
    /// may be told, of tasks before it.
    pub cpu_time: Duration,
    /// The most memory, in bytes, that was resident at one time in the worker's life.
    pub peak_resident: u64,
    /// The last the worker wrote to standard error, at most 4 KiB: what is known to be of tasks
    /// before this one is left out. What they wrote just before it began may be among it.
    pub stderr: String,
    /// How many workers have ended under this task.
    pub attempts: u32,
}

impl Failure {
    /// The signal that ended the worker, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }

    /// The code that the worker exited with, if it did.
    pub fn exit_code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the task `{}` ({} of arguments) failed in process {}: ",
            self.task,
            Bytes(self.arguments as u64),
            self.pid
        )?;
        match &self.cause {
            Cause::Died if !self.begun => {
                f.write_str("its process ended before it began, while the arguments were read")?;
            }
            Cause::Died => match self.exit_code() {
                Some(code) => write!(
                    f,
                    "it ended its process by `exit({code})`, and so never returned"
                )?,
                None => f.write_str("its process died")?,
            },
            Cause::DeadlineExceeded(deadline) => {
                write!(f, "it ran for longer than its deadline of {deadline:?}")?;
            }
            Cause::DataLimit(limit) => write!(
                f,
                "an allocation went beyond its memory limit of {} (RLIMIT_DATA)",
                Bytes(*limit)
            )?,
            Cause::ResidentLimit { limit, resident } => write!(
                f,
                "{} of its worker were resident, its memory limit is {}",
                Bytes(*resident),
                Bytes(*limit)
            )?,
            Cause::Cancelled(reason) => write!(f, "it was cancelled: {reason}")?,
            Cause::Shutdown => f.write_str("the pool was shut down")?,
            Cause::BrokeProtocol(what) => write!(f, "its process broke the protocol: {what}")?,
        }
        match self.status {
            Some(status) => write!(f, " ({status})")?,
            None => f.write_str(" (how it ended is not known)")?,
        }
        write!(
            f,
            ", after {:.1?}, {:.1?} of processor time, peak {} resident",
            self.elapsed,
            self.cpu_time,
            Bytes(self.peak_resident)
        )?;
        if self.attempts > 1 {
            write!(f, "; {} workers have ended under it", self.attempts)?;
        }
        let stderr = self.stderr.trim_end();
        if !stderr.is_empty() {
            f.write_str("; standard error ends with:")?;
            for line in stderr.lines() {
                write!(f, "\n  | {line}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// A number of bytes, for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} bytes", self.0);
        }
        let mut amount = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while amount >= 1024.0 && unit + 1 < UNITS.len() {
            amount /= 1024.0;
            unit += 1;
        }
        write!(f, "{amount:.1} {}", UNITS[unit])
    }
}

/// Why a task was never begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// The pool was shut down or dropped.
    Shutdown,
    /// The queue is full: see [`try_submit`](crate::ProcessPoolExecutor::try_submit).
    QueueFull,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejected::Shutdown => "the process pool was shut down and begins no more tasks",
            Rejected::QueueFull => "the queue of the process pool is full; await `room()` first",
        })
    }
}

impl std::error::Error for Rejected {}

/// A pool that runs nothing any more: its workers can't be started, or their initializer failed.
/// `BrokenProcessPool` of concurrent.futures, where one dead worker is enough for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenProcessPool {
    pub(crate) cause: Arc<str>,
}

impl BrokenProcessPool {
    /// What was wrong.
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for BrokenProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the process pool is broken and runs nothing any more: {}",
            self.cause
        )
    }
}

impl std::error::Error for BrokenProcessPool {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_it_all() {
        let failure = Failure {
            task: "resize".into(),
            function: "app::resize",
            arguments: 3 << 20,
            pid: 42,
            cause: Cause::Died,
            status: Some(ExitStatus::from_raw(9)),
            begun: true,
            elapsed: Duration::from_millis(1500),
            cpu_time: Duration::from_millis(700),
            peak_resident: 5 << 30,
            stderr: "one\ntwo\n".into(),
            attempts: 2,
        };
        assert_eq!(failure.signal(), Some(9));
        assert_eq!(failure.exit_code(), None);
        let text = failure.to_string();
        for part in [
            "`resize` (3.0 MiB of arguments)",
            "process 42",
            "signal: 9",
            "1.5s",
            "700.0ms",
            "5.0 GiB",
            "2 workers",
            "\n  | two",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let exited = Failure {
            status: Some(ExitStatus::from_raw(0)),
            ..failure
        };
        assert!(exited.to_string().contains("by `exit(0)`"), "{exited}");
        let early = Failure {
            begun: false,
            ..exited
        };
        assert!(early.to_string().contains("before it began"), "{early}");
        assert_eq!(Bytes(1023).to_string(), "1023 bytes");
        assert_eq!(Bytes(u64::MAX).to_string(), "16777216.0 TiB");
    }
}
