//! The runtimes, and what each calls what the cases ask for.

/// async-lock's lock, and async-channel as the queue and, with room for one, as the oneshot, for a runtime without its own.
macro_rules! sync_by_async_channel {
    ($runtime:ty) => {
        impl $crate::runtime::Sync for $runtime {
            type Sender = async_channel::Sender<u64>;
            type Lock = smol::lock::Mutex<()>;
            type Put = async_channel::Sender<u64>;
            type Get = async_channel::Receiver<u64>;

            fn oneshot() -> (
                Self::Sender,
                impl std::future::Future<Output = u64> + 'static,
            ) {
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
                smol::lock::Mutex::new(())
            }

            fn acquire(lock: &Self::Lock) -> impl std::future::Future<Output = impl Sized> {
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
    };
}

/// What comes from other threads comes by async-channel, for a runtime that has nothing of its own for a plain thread.
macro_rules! threads_by_async_channel {
    ($runtime:ty) => {
        impl $crate::runtime::Threads for $runtime {
            type Remote = async_channel::Sender<u64>;
            type Local = async_channel::Receiver<u64>;

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
    };
}

pub(crate) mod bucle;
#[cfg(feature = "uring")]
pub(crate) mod compio;
pub(crate) mod floor;
#[cfg(feature = "uring")]
pub(crate) mod glommio;
#[cfg(feature = "uring")]
pub(crate) mod monoio;
pub(crate) mod smol;
pub(crate) mod tokio;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A yield that needs no runtime: wakes its own task and is pending once.
#[derive(Debug, Default)]
pub(crate) struct Yield {
    done: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.done {
            return Poll::Ready(());
        }
        self.done = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
