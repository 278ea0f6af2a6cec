//! tokio: the current-thread runtime with a `LocalSet`, and tokio's own oneshot, mutex and channels.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::runtime::{Runtime, Sync, Threads, Timers};

/// See the module.
pub(crate) struct Tokio;

impl Runtime for Tokio {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = tokio::task::spawn_local(future);
        async move { task.await.expect("the task ends well") }
    }

    fn yield_now() -> impl Future<Output = ()> {
        tokio::task::yield_now()
    }
}

impl Timers for Tokio {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }
}

impl Sync for Tokio {
    type Sender = oneshot::Sender<u64>;
    type Lock = Mutex<()>;
    type Put = mpsc::Sender<u64>;
    type Get = mpsc::Receiver<u64>;

    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static) {
        let (sender, receiver) = oneshot::channel();
        (sender, async move { receiver.await.expect("it is sent") })
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("a receiver");
    }

    fn lock() -> Self::Lock {
        Mutex::new(())
    }

    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized> {
        lock.lock()
    }

    fn queue() -> (Self::Put, Self::Get) {
        mpsc::channel(1)
    }

    async fn put(queue: &mut Self::Put, value: u64) {
        queue.send(value).await.expect("a receiver");
    }

    async fn get(queue: &mut Self::Get) -> u64 {
        queue.recv().await.expect("a sender")
    }
}

impl Threads for Tokio {
    type Remote = mpsc::UnboundedSender<u64>;
    type Local = mpsc::UnboundedReceiver<u64>;

    fn channel() -> (Self::Remote, Self::Local) {
        mpsc::unbounded_channel()
    }

    fn send_from_thread(remote: &Self::Remote, value: u64) {
        remote.send(value).expect("a receiver");
    }

    async fn receive(local: &mut Self::Local) -> u64 {
        local.recv().await.expect("a sender")
    }
}
