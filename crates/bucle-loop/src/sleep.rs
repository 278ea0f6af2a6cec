//! [`sleep`] and [`yield_now`]: letting time pass, and letting others run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::clock::nanos;
use crate::event_loop::FAR;
use crate::get_running_loop;
use crate::timers::SleepTimer;

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
        stage: Stage::After(duration),
    }
}

/// Waits until the running loop's [`time`](crate::LoopRef::time) has come to `deadline`; not at all
/// if it has passed.
///
/// # Panics
/// When polled where no loop is running.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        stage: Stage::Until(deadline),
    }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "a sleep does nothing unless awaited"]
#[derive(Debug)]
pub struct Sleep {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Not polled yet.
    After(Duration),
    Until(Instant),
    Armed(SleepTimer),
    /// Ready when it is polled again.
    Over,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let event_loop;
        let deadline = match &self.stage {
            Stage::Armed(timer) => {
                return match timer.poll(cx.waker()) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                };
            }
            Stage::Over => return Poll::Ready(()),
            Stage::After(Duration::ZERO) => {
                // asyncio's `sleep(0)`: others run first, once, and the system is asked.
                get_running_loop().ask_next_turn();
                self.stage = Stage::Over;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Stage::After(duration) => {
                event_loop = get_running_loop();
                let delay = nanos((*duration).min(FAR));
                event_loop.core.clock.now().saturating_add(delay)
            }
            Stage::Until(when) => {
                event_loop = get_running_loop();
                let clock = &event_loop.core.clock;
                let deadline = clock.deadline(*when);
                if deadline <= clock.now() {
                    return Poll::Ready(());
                }
                deadline
            }
        };
        self.stage = if event_loop.is_closed() {
            // Nothing is woken any more.
            Stage::Over
        } else {
            let timers = &event_loop.core.timers;
            Stage::Armed(timers.arm_sleep(deadline, cx.waker().clone()))
        };
        Poll::Pending
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
