//! What stands for threads under the simulated loop: jobs are tasks of it.
//!
//! A job runs whole, at a virtual time that the seed decides, so that a run can be repeated. There
//! is no limit to how many wait at once.

use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::LoopRef;
use crate::clock::nanos;
use crate::concurrent::Job;
use crate::sim::SimOptions;
use crate::sim::options::Stream;
use crate::sleep::sleep;
use crate::task::Cancelled;

pub(super) struct SimulatedThreads {
    random: RefCell<fastrand::Rng>,
    latency: RangeInclusive<Duration>,
    /// Jobs that wait or run.
    jobs: Cell<usize>,
    /// Who waits until there is none.
    wakers: RefCell<Vec<Waker>>,
}

impl SimulatedThreads {
    pub(super) fn new(options: &SimOptions) -> SimulatedThreads {
        SimulatedThreads {
            random: RefCell::new(options.stream(Stream::Jobs)),
            latency: options.job_latency.clone(),
            jobs: Cell::new(0),
            wakers: RefCell::default(),
        }
    }

    /// Has the job run by a task of the loop.
    pub(super) fn run(
        self: &Rc<Self>,
        event_loop: &LoopRef,
        job: Job,
        location: &'static Location<'static>,
    ) {
        self.jobs.set(self.jobs.get() + 1);
        let delay = self.delay();
        let mut waiting = Waiting {
            job: Some(job),
            threads: self.clone(),
        };
        let task = async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            if let Some(job) = waiting.job.take() {
                job.run();
            }
        };
        let name = Some(Arc::from("to_thread"));
        let tasks = &event_loop.core.tasks;
        tasks.spawn(event_loop, task, name, location).detach();
    }

    fn delay(&self) -> Duration {
        let (least, most) = (nanos(*self.latency.start()), nanos(*self.latency.end()));
        Duration::from_nanos(if least < most {
            self.random.borrow_mut().u64(least..=most)
        } else {
            least
        })
    }

    /// Ready once no job waits or runs.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.jobs.get() == 0 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        self.wakers.borrow_mut().push(waker);
        Poll::Pending
    }
}

/// One job, until it has run or its task was dropped with the loop.
struct Waiting {
    job: Option<Job>,
    threads: Rc<SimulatedThreads>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Lest somebody wait for a job that went with its loop.
        if let Some(job) = self.job.take() {
            job.cancel(Cancelled::new("the event loop was closed"));
        }
        let left = self.threads.jobs.get() - 1;
        self.threads.jobs.set(left);
        if left == 0 {
            for waker in self.threads.wakers.take() {
                waker.wake();
            }
        }
    }
}
