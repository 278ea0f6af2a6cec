//! smol: its `LocalExecutor`, timers of its reactor thread, its `lock` and `channel` (async-lock, async-channel), and a
//! channel with room for one as a oneshot, as its documentation advises.

use std::future::Future;
use std::time::Duration;

use smol::LocalExecutor;
use smol::channel::{self, Receiver, Sender};
use smol::lock::Mutex;

use crate::runtime::{Runtime, Sync, Threads, Timers};

/// See the module.
pub(crate) struct Smol;

thread_local! {
    static EXECUTOR: LocalExecutor<'static> = const { LocalExecutor::new() };
}

impl Runtime for Smol {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        EXECUTOR.with(|executor| smol::block_on(executor.run(future)))
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    fn yield_now() -> impl Future<Output = ()> {
        smol::future::yield_now()
    }
}

impl Timers for Smol {
    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

impl Sync for Smol {
    type Sender = Sender<u64>;
    type Lock = Mutex<()>;
    type Put = Sender<u64>;
    type Get = Receiver<u64>;

    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static) {
        let (sender, receiver) = channel::bounded(1);
        (
            sender,
            async move { receiver.recv().await.expect("it is sent") },
        )
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.try_send(value).expect("a receiver, and room");
    }

    fn lock() -> Self::Lock {
        Mutex::new(())
    }

    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized> {
        lock.lock()
    }

    fn queue() -> (Self::Put, Self::Get) {
        channel::bounded(1)
    }

    async fn put(queue: &mut Self::Put, value: u64) {
        queue.send(value).await.expect("a receiver");
    }

    async fn get(queue: &mut Self::Get) -> u64 {
        queue.recv().await.expect("a sender")
    }
}

impl Threads for Smol {
    type Remote = Sender<u64>;
    type Local = Receiver<u64>;

    fn channel() -> (Self::Remote, Self::Local) {
        channel::unbounded()
    }

    fn send_from_thread(remote: &Self::Remote, value: u64) {
        remote.try_send(value).expect("a receiver");
    }

    async fn receive(local: &mut Self::Local) -> u64 {
        local.recv().await.expect("a sender")
    }
}
