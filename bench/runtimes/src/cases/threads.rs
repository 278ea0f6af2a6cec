//! Items that another thread sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::plan::{Figures, Plan};
use crate::runtime::{Runtime, Threads};

/// How long the other thread leaves the runtime alone before it sends again, so that it sleeps by then.
const PAUSE: Duration = Duration::from_micros(50);

/// The other thread sends as fast as it can, by the runtime's own means.
pub(crate) fn items<R: Threads>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let (remote, mut local) = R::channel();
            let sender = std::thread::spawn(move || {
                for number in 0..plan.count {
                    R::send_from_thread(&remote, number);
                }
            });
            for number in 0..plan.count {
                assert_eq!(R::receive(&mut local).await, number);
            }
            sender.join().expect("the sending thread");
        })
        .await
    })
}

/// The same over the crate `async-channel`, which knows none of them.
pub(crate) fn channel<R: Runtime>(plan: Plan) -> Figures {
    R::block_on(async move {
        plan.best(async || {
            let (remote, local) = async_channel::unbounded();
            let sender = std::thread::spawn(move || {
                for number in 0..plan.count {
                    remote.send_blocking(number).expect("a receiver");
                }
            });
            for number in 0..plan.count {
                assert_eq!(local.recv().await, Ok(number));
            }
            sender.join().expect("the sending thread");
        })
        .await
    })
}

/// Nanoseconds from sending on the other thread to receiving on the runtime's, which slept: the median.
pub(crate) fn latency<R: Threads>(plan: Plan) -> Figures {
    R::block_on(async move {
        let base = Instant::now();
        let seen = Arc::new(AtomicU64::new(0));
        let (remote, mut local) = R::channel();
        let sender = std::thread::spawn({
            let seen = seen.clone();
            move || {
                for number in 0..plan.count {
                    let rest = Instant::now() + PAUSE;
                    while Instant::now() < rest {
                        std::hint::spin_loop();
                    }
                    R::send_from_thread(&remote, base.elapsed().as_nanos() as u64);
                    while seen.load(Ordering::Acquire) <= number {
                        std::thread::yield_now();
                    }
                }
            }
        });
        let mut waits = Vec::with_capacity(plan.count as usize);
        for number in 0..plan.count {
            let sent = R::receive(&mut local).await;
            waits.push(base.elapsed().as_nanos() as u64 - sent);
            seen.store(number + 1, Ordering::Release);
        }
        sender.join().expect("the sending thread");
        waits.sort_unstable();
        Figures::from([("wall", waits[waits.len() / 2] as f64)])
    })
}
