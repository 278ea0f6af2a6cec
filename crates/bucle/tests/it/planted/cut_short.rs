//! A consumer that has work done in a thread and grows impatient. Its time-out is meant for the wait
//! at the queue, which can be cancelled without a loss; but it stands around the work as well, and
//! takes along what was already taken from the queue.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bucle::sync::Queue;
use bucle::{sleep, spawn, timeout, to_thread};

const JOBS: u64 = 10;

/// What becomes of a job whose work was cut short.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// The bug.
    None,
    PutsBack,
}

/// A job in work; dropped before it is done, it goes back.
struct Taken {
    job: Option<u64>,
    queue: Rc<Queue<u64>>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            let _ = self.queue.put_nowait(job);
        }
    }
}

/// The next job, done.
async fn next(queue: &Rc<Queue<u64>>, care: Care) -> u64 {
    let job = queue.get().await.unwrap();
    let mut taken = Taken {
        job: (care == Care::PutsBack).then_some(job),
        queue: queue.clone(),
    };
    let done = to_thread(move || job * job).await.unwrap();
    taken.job = None;
    done
}

pub(super) async fn program(care: Care) {
    let queue = Rc::new(Queue::new(0));
    let results = Rc::new(RefCell::new(Vec::new()));
    let consumer = spawn({
        let (queue, results) = (queue.clone(), results.clone());
        async move {
            loop {
                // Something else is to be looked after once in a while.
                match timeout(Duration::from_micros(11_900), next(&queue, care)).await {
                    Ok(result) => results.borrow_mut().push(result),
                    Err(_) => continue,
                }
            }
        }
    })
    .cancel_on_drop();
    for job in 0..JOBS {
        sleep(Duration::from_millis(10)).await;
        queue.put(job).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    drop(consumer);
    let mut results = results.take();
    results.sort_unstable();
    let all: Vec<u64> = (0..JOBS).map(|job| job * job).collect();
    assert_eq!(results, all, "jobs were lost");
}
