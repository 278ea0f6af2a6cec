//! [`sleep`] and [`yield_now`]: letting time pass, and letting others run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::event_loop::far;
use crate::get_running_loop;
use crate::handles::TimerHandle;

/// Waits for `duration`, on the running loop's clock; never less, also below a millisecond.
/// asyncio's `sleep`; one of [`Duration::ZERO`] lets everything else run once, new events of the
/// system included.
///
/// The time counts from the first poll, so a `sleep` kept for later sleeps its whole length.
/// Dropping it takes the timer back.
///
/// # Panics
/// When polled where no loop is running.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        until: Until::After(duration),
        timer: None,
    }
}

/// Waits until the running loop's [`time`](crate::LoopRef::time) has come to `deadline`; not at all
/// if it has passed.
///
/// # Panics
/// When polled where no loop is running.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        until: Until::At(deadline),
        timer: None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Until {
    After(Duration),
    At(Instant),
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "a sleep does nothing unless awaited"]
#[derive(Debug)]
pub struct Sleep {
    until: Until,
    timer: Option<TimerHandle>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &self.timer {
            if timer.cell.is_done() {
                return Poll::Ready(());
            }
            timer.cell.set_waker(cx.waker());
            return Poll::Pending;
        }
        let event_loop = get_running_loop();
        let now = event_loop.time();
        let when = match self.until {
            Until::After(duration) => far(now, duration),
            Until::At(deadline) => deadline,
        };
        if when <= now {
            // asyncio's `sleep(0)`: others run first, once, and the system is asked.
            if let Until::After(_) = self.until {
                self.until = Until::At(now);
                event_loop.ask_next_turn();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(());
        }
        self.timer = Some(event_loop.wake_at(when, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.cancel();
        }
    }
}

/// Lets everything else that is ready run once.
///
/// That is, what the loop knows to be ready: the system is asked for new events every so often (see
/// [`select`](crate::LoopRef::select)), not at each yield, which makes a yield ten times cheaper.
/// `sleep(Duration::ZERO)`, as asyncio's `sleep(0)`, has it asked.
#[inline]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[must_use = "it does nothing unless awaited"]
#[derive(Debug)]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
