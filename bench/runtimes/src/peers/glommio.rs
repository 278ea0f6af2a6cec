//! glommio: io_uring only. Its own semaphore of one is the lock, its local channel the queue, and with room for one the oneshot;
//! its shared channels are between two glommio executors only, so what comes from a plain thread comes by async-channel.

use std::future::Future;
use std::time::Duration;

use glommio::channels::local_channel::{self, LocalReceiver, LocalSender};
use glommio::sync::Semaphore;

use super::Yield;
use crate::runtime::{Runtime, Sync, Timers};

/// See the module.
pub(crate) struct Glommio;

impl Runtime for Glommio {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        glommio::LocalExecutorBuilder::default()
            .make()
            .expect("an executor")
            .run(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        glommio::spawn_local(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        Yield::default()
    }
}

impl Timers for Glommio {
    async fn sleep(duration: Duration) {
        glommio::timer::sleep(duration).await;
    }
}

impl Sync for Glommio {
    type Sender = LocalSender<u64>;
    type Lock = Semaphore;
    type Put = LocalSender<u64>;
    type Get = LocalReceiver<u64>;

    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static) {
        let (sender, receiver) = local_channel::new_bounded(1);
        (
            sender,
            async move { receiver.recv().await.expect("it is sent") },
        )
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.try_send(value).expect("a receiver, and room");
    }

    fn lock() -> Self::Lock {
        Semaphore::new(1)
    }

    async fn acquire(lock: &Self::Lock) -> impl Sized {
        lock.acquire_permit(1).await.expect("an open semaphore")
    }

    fn queue() -> (Self::Put, Self::Get) {
        local_channel::new_bounded(1)
    }

    async fn put(queue: &mut Self::Put, value: u64) {
        queue.send(value).await.expect("a receiver");
    }

    async fn get(queue: &mut Self::Get) -> u64 {
        queue.recv().await.expect("a sender")
    }
}

threads_by_async_channel!(Glommio);
