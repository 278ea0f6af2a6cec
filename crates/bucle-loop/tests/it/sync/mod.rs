//! `sync`: each primitive against a plain model, step by step and polled by hand; all of them in
//! storms of tasks on a real loop; and asyncio's behaviours one by one.

mod barrier;
mod condition;
mod event;
mod labels;
mod lock;
mod model;
mod queue;
mod semaphore;
mod storms;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bucle_loop::{Task, yield_now};

/// A future that is polled by hand, and says whether it was woken since.
struct ByHand<F: ?Sized> {
    woken: Arc<Woken>,
    future: Pin<Box<F>>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<F: Future> ByHand<F> {
    fn new(future: F) -> ByHand<F> {
        ByHand {
            woken: Arc::default(),
            future: Box::pin(future),
        }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// The same with a waker that wasn't seen before, as when a future moves to another task.
    fn change_waker(&mut self) {
        self.woken = Arc::default();
    }
}

/// Runs what is ready, `turns` times over.
async fn turns(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

/// Cancels the task and waits for its end, which must be that.
async fn cancel<T: std::fmt::Debug>(task: Task<T>) {
    task.cancel("the test says so");
    assert!(task.await.unwrap_err().cancelled().is_some());
}
