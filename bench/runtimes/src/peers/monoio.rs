//! monoio: io_uring, or its legacy driver where the system has none. It has no yield, locks or channels of its own: local-sync
//! is by its makers (its semaphore of one is the lock), and what comes from other threads comes by async-channel.

use std::future::Future;
use std::time::Duration;

use local_sync::{mpsc::bounded, oneshot, semaphore::Semaphore};

use super::Yield;
use crate::runtime::{Runtime, Sync, Timers};

/// See the module.
pub(crate) struct Monoio;

impl Runtime for Monoio {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        monoio::RuntimeBuilder::<monoio::FusionDriver>::new()
            .enable_timer()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        monoio::spawn(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        Yield::default()
    }
}

impl Timers for Monoio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }
}

impl Sync for Monoio {
    type Sender = oneshot::Sender<u64>;
    type Lock = Semaphore;
    type Put = bounded::Tx<u64>;
    type Get = bounded::Rx<u64>;

    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static) {
        let (sender, receiver) = oneshot::channel();
        (sender, async move { receiver.await.expect("it is sent") })
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("a receiver");
    }

    fn lock() -> Self::Lock {
        Semaphore::new(1)
    }

    async fn acquire(lock: &Self::Lock) -> impl Sized {
        lock.acquire().await.expect("an open semaphore")
    }

    fn queue() -> (Self::Put, Self::Get) {
        bounded::channel(1)
    }

    async fn put(queue: &mut Self::Put, value: u64) {
        queue.send(value).await.expect("a receiver");
    }

    async fn get(queue: &mut Self::Get) -> u64 {
        queue.recv().await.expect("a sender")
    }
}

threads_by_async_channel!(Monoio);
