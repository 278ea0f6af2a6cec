//! How a concurrent future can be done without a value.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use crate::exceptions::panic_message;
use crate::remote::LoopClosed;
use crate::task::{Cancelled, Panic, discard};

/// Why a [`concurrent::Future`](super::Future) has no value. Cheap to clone if `E` is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FutureError<E = Infallible> {
    /// An error was set in place of a value.
    Exception(E),
    /// It was cancelled before it began.
    Cancelled(Cancelled),
    /// The job panicked.
    Panicked(JobPanic),
    /// The thread pool broke before the job began.
    Broken(BrokenThreadPool),
    /// The job was never taken.
    Rejected(Rejected),
    /// The [`Promise`](super::Promise) was dropped unset.
    Abandoned,
}

impl<E> FutureError<E> {
    /// The cancellation, if this is one.
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match self {
            FutureError::Cancelled(cancelled) => Some(cancelled),
            _ => None,
        }
    }

    /// The panic, if this is one.
    pub fn panicked(&self) -> Option<&JobPanic> {
        match self {
            FutureError::Panicked(panic) => Some(panic),
            _ => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for FutureError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FutureError::Exception(error) => error.fmt(f),
            FutureError::Cancelled(cancelled) => cancelled.fmt(f),
            FutureError::Panicked(panic) => panic.fmt(f),
            FutureError::Broken(broken) => broken.fmt(f),
            FutureError::Rejected(rejected) => rejected.fmt(f),
            FutureError::Abandoned => {
                f.write_str("no result will come: its promise was dropped unset")
            }
        }
    }
}

impl<E: fmt::Display + fmt::Debug> Error for FutureError<E> {}

/// A panic inside a job of an executor, or inside the task of
/// [`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe).
///
/// The panic hook has told of it when it happened, with the place of the panic itself; this tells
/// what it said and where the job was submitted. Clones share the payload: the first
/// [`take_payload`](JobPanic::take_payload) gets it.
#[derive(Clone)]
pub struct JobPanic(Arc<Origin>);

enum Origin {
    Job {
        message: Box<str>,
        location: &'static Location<'static>,
        thread: Option<Box<str>>,
        payload: Mutex<Option<Box<dyn Any + Send>>>,
    },
    Task(Panic),
}

impl JobPanic {
    /// A panic of the calling thread, caught from a job that was submitted at `location`.
    pub(super) fn caught(
        payload: Box<dyn Any + Send>,
        location: &'static Location<'static>,
    ) -> JobPanic {
        JobPanic(Arc::new(Origin::Job {
            message: panic_message(&*payload).into(),
            location,
            thread: std::thread::current().name().map(Into::into),
            payload: Mutex::new(Some(payload)),
        }))
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        match &*self.0 {
            Origin::Job { message, .. } => message,
            Origin::Task(panic) => panic.message(),
        }
    }

    /// Where the job was submitted, or the task spawned.
    pub fn location(&self) -> &'static Location<'static> {
        match &*self.0 {
            Origin::Job { location, .. } => location,
            Origin::Task(panic) => panic.task().location(),
        }
    }

    /// The name of the thread that the job ran in, if it has one.
    pub fn thread(&self) -> Option<&str> {
        match &*self.0 {
            Origin::Job { thread, .. } => thread.as_deref(),
            Origin::Task(_) => None,
        }
    }

    /// The panic's payload, for [`std::panic::resume_unwind`]; `None` if it was taken already, from
    /// this or from a clone.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        match &*self.0 {
            Origin::Job { payload, .. } => payload
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
            Origin::Task(panic) => panic.take_payload(),
        }
    }
}

impl From<Panic> for JobPanic {
    fn from(panic: Panic) -> JobPanic {
        JobPanic(Arc::new(Origin::Task(panic)))
    }
}

impl fmt::Debug for JobPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobPanic")
            .field("message", &self.message())
            .field("location", &format_args!("{}", self.location()))
            .field("thread", &self.thread())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for JobPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Origin::Job {
                message,
                location,
                thread,
                ..
            } => {
                write!(f, "the job submitted at {location} panicked")?;
                if let Some(thread) = thread {
                    write!(f, " in thread {thread}")?;
                }
                write!(f, ": {message}")
            }
            Origin::Task(panic) => panic.fmt(f),
        }
    }
}

impl Error for JobPanic {}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Origin::Job { payload, .. } = self
            && let Some(payload) = payload
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        {
            discard(payload);
        }
    }
}

/// A thread pool whose initializer failed: it runs nothing any more. `BrokenThreadPool` of
/// concurrent.futures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenThreadPool {
    cause: Arc<str>,
}

impl BrokenThreadPool {
    pub(super) fn new(cause: &str) -> BrokenThreadPool {
        BrokenThreadPool {
            cause: cause.into(),
        }
    }

    /// What the initializer said.
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for BrokenThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the initializer of a thread failed, so its pool runs nothing any more: {}",
            self.cause
        )
    }
}

impl Error for BrokenThreadPool {}

/// Why a job was never taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Rejected {
    /// The executor was shut down before the job was submitted.
    Shutdown,
    /// The executor had no thread, and the system started none.
    NoThread(Arc<io::Error>),
    /// The loop that was to run it is closed.
    LoopClosed,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Shutdown => f.write_str("the executor was shut down and takes no new jobs"),
            Rejected::NoThread(error) => {
                write!(
                    f,
                    "the executor could not start a thread for the job: {error}"
                )
            }
            Rejected::LoopClosed => LoopClosed.fmt(f),
        }
    }
}

impl Error for Rejected {}
