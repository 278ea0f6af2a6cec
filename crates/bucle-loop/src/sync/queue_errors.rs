//! Why a queue didn't do what was asked.

use std::fmt;

/// The queue was shut down. Of a put it has the item that couldn't be put.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T = ()>(pub T);

impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown")
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was shut down")
    }
}

impl<T> std::error::Error for QueueShutDown<T> {}

/// Why [`put_nowait`](super::QueueOf::put_nowait) put nothing; it has the item.
#[doc(alias = "QueueFull")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutNowaitError<T> {
    /// There is no room. asyncio's `QueueFull`.
    QueueFull(T),
    /// The queue was shut down. asyncio's `QueueShutDown`.
    QueueShutDown(T),
}

impl<T> PutNowaitError<T> {
    /// The item that couldn't be put.
    pub fn into_item(self) -> T {
        match self {
            PutNowaitError::QueueFull(item) | PutNowaitError::QueueShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutNowaitError::QueueFull(_) => "QueueFull",
            PutNowaitError::QueueShutDown(_) => "QueueShutDown",
        })
    }
}

impl<T> fmt::Display for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutNowaitError::QueueFull(_) => "the queue is full",
            PutNowaitError::QueueShutDown(_) => "the queue was shut down",
        })
    }
}

impl<T> std::error::Error for PutNowaitError<T> {}

/// Why [`get_nowait`](super::QueueOf::get_nowait) got nothing.
#[doc(alias = "QueueEmpty")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetNowaitError {
    /// There is no item. asyncio's `QueueEmpty`.
    QueueEmpty,
    /// There is no item, and none will come. asyncio's `QueueShutDown`.
    QueueShutDown,
}

impl fmt::Display for GetNowaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GetNowaitError::QueueEmpty => "the queue is empty",
            GetNowaitError::QueueShutDown => "the queue was shut down",
        })
    }
}

impl std::error::Error for GetNowaitError {}

/// [`task_done`](super::QueueOf::task_done) was called more often than items were put (asyncio's
/// `ValueError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskDoneTooOften;

impl fmt::Display for TaskDoneTooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done() was called more often than items were put into the queue")
    }
}

impl std::error::Error for TaskDoneTooOften {}
