//! [`Stop`]: how a server of several threads is told to end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// How urgently a server is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Once the answers under way are finished.
    Drain = 1,
    /// At once.
    Force = 2,
}

/// The level that was asked for, and who waits for it. Wakers wake across threads.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    level: AtomicU8,
    wakers: Mutex<Vec<Waker>>,
}

impl Stop {
    /// Asks for at least `level`.
    pub(crate) fn raise(&self, level: Level) {
        self.level.fetch_max(level as u8, Ordering::SeqCst);
        let wakers = {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *wakers)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    /// Asks for one level more than before: first to drain, then to end.
    pub(crate) fn raise_more(&self) {
        self.raise(if self.level.load(Ordering::SeqCst) == 0 {
            Level::Drain
        } else {
            Level::Force
        });
    }

    /// Waits until `level` is asked for.
    pub(crate) async fn reached(&self, level: Level) {
        poll_fn(|cx| {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if self.level.load(Ordering::SeqCst) >= level as u8 {
                return Poll::Ready(());
            }
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Waits for whichever of the two comes first.
pub(crate) async fn either(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        if a.as_mut().poll(cx).is_ready() || b.as_mut().poll(cx).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
