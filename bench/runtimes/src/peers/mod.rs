//! The runtimes, and what each calls what the cases ask for.

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
