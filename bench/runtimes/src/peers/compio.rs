//! compio: io_uring, or polling where the system has none. It has no yield, locks or channels of its own: its users take
//! async-lock and async-channel, the latter with room for one as a oneshot.

use std::future::Future;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use smol::lock::Mutex;

use super::Yield;
use crate::runtime::{Runtime, Sync, Threads, Timers};

/// See the module.
pub(crate) struct Compio;

impl Runtime for Compio {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        compio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = compio::runtime::spawn(future);
        async move { task.await.expect("the task ends well") }
    }

    fn yield_now() -> impl Future<Output = ()> {
        Yield::default()
    }
}

impl Timers for Compio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        compio::time::sleep(duration)
    }
}

impl Sync for Compio {
    type Sender = Sender<u64>;
    type Lock = Mutex<()>;
    type Put = Sender<u64>;
    type Get = Receiver<u64>;

    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static) {
        let (sender, receiver) = async_channel::bounded(1);
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
        async_channel::bounded(1)
    }

    async fn put(queue: &mut Self::Put, value: u64) {
        queue.send(value).await.expect("a receiver");
    }

    async fn get(queue: &mut Self::Get) -> u64 {
        queue.recv().await.expect("a sender")
    }
}

impl Threads for Compio {
    type Remote = Sender<u64>;
    type Local = Receiver<u64>;

    fn channel() -> (Self::Remote, Self::Local) {
        async_channel::unbounded()
    }

    fn send_from_thread(remote: &Self::Remote, value: u64) {
        remote.try_send(value).expect("a receiver");
    }

    async fn receive(local: &mut Self::Local) -> u64 {
        local.recv().await.expect("a sender")
    }
}
