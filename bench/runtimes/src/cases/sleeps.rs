//! A million timers: fired, and taken back.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::plan::{Figures, Plan, cpu_time};
use crate::runtime::Timers;

/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(1);
/// Tasks that arm what is cancelled: a single one would be more than a waker's count of references holds in some runtimes.
const ARMING: u64 = 1_000;

/// What the sleeps found when they woke.
#[derive(Default)]
struct Lateness {
    sum: Cell<u128>,
    most: Cell<u64>,
    early: Cell<u64>,
    ended: Cell<u64>,
}

impl Lateness {
    fn woke(&self, due: Instant) {
        let now = Instant::now();
        self.ended.set(self.ended.get() + 1);
        match now.checked_duration_since(due) {
            None => self.early.set(self.early.get() + 1),
            Some(late) => {
                let late = late.as_nanos() as u64;
                self.sum.set(self.sum.get() + u128::from(late));
                self.most.set(self.most.get().max(late));
            }
        }
    }
}

/// As many tasks as counted, spawned at once, each of which sleeps once, for a time drawn from zero to a second. CPU is of
/// everything: spawn, arm, fire, end, join; lateness is from the moment each sleep was due, by its own clock.
pub(crate) fn fired<R: Timers>(plan: Plan) -> Figures {
    R::block_on(async move {
        let lateness = Rc::new(Lateness::default());
        let mut tasks = Vec::with_capacity(plan.count as usize);
        let mut state = 7_u64;
        let started = cpu_time();
        for _ in 0..plan.count {
            let duration = draw(&mut state);
            let lateness = lateness.clone();
            tasks.push(R::spawn(async move {
                let due = Instant::now() + duration;
                R::sleep(duration).await;
                lateness.woke(due);
            }));
        }
        for task in tasks {
            task.await;
        }
        let cpu = (cpu_time() - started) as f64;
        assert_eq!(lateness.ended.get(), plan.count);
        Figures::from([
            ("cpu", cpu / plan.count as f64),
            ("late", lateness.sum.get() as f64 / plan.count as f64 / 1e6),
            ("latest", lateness.most.get() as f64 / 1e6),
            ("early", lateness.early.get() as f64),
        ])
    })
}

/// As many sleeps as counted, shared out to a thousand tasks: each task arms its own by a first poll, lets the others do so,
/// and drops them.
pub(crate) fn cancelled<R: Timers>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let each = (plan.count / ARMING).max(1);
            let tasks: Vec<_> = (0..ARMING.min(plan.count))
                .map(|task| {
                    R::spawn(async move {
                        let mut state = task;
                        let mut armed = Vec::with_capacity(each as usize);
                        for _ in 0..each {
                            let mut sleep = Box::pin(R::sleep(LONGEST + draw(&mut state)));
                            poll_fn(|context| {
                                assert!(sleep.as_mut().poll(context).is_pending());
                                Poll::Ready(())
                            })
                            .await;
                            armed.push(sleep);
                        }
                        R::yield_now().await;
                        drop(armed);
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        })
        .await
    })
}

/// The next duration below [`LONGEST`] (Knuth's linear congruential generator; the upper bits are good).
fn draw(state: &mut u64) -> Duration {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let part = (*state >> 33) as f64 / (1_u64 << 31) as f64;
    LONGEST.mul_f64(part)
}
