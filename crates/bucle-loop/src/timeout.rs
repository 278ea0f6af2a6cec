//! [`timeout`]: a future that must be done in time.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::sleep::sleep;

/// The time of a [`timeout`] was up. asyncio's `TimeoutError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError {
    after: Duration,
}

impl TimeoutError {
    /// How long the future was given.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {:?}", self.after)
    }
}

impl std::error::Error for TimeoutError {}

/// Runs `future` for at most `duration`, counted from the first poll. asyncio's `wait_for`, and its
/// `timeout` around one await.
///
/// The future runs in place, in the caller's task. If its value and the end of the time come
/// together, the value wins. When the time is up the future is dropped before this returns.
/// Cancelling this drops the future too.
///
/// # Errors
/// [`TimeoutError`] if the time was up first.
///
/// # Panics
/// If no loop is running in this thread.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, TimeoutError> {
    let mut future = pin!(future);
    let mut end = sleep(duration);
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut end)
            .poll(cx)
            .map(|()| Err(TimeoutError { after: duration }))
    })
    .await
}
