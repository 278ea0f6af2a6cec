//! compio: io_uring, or polling where the system has none. It has no yield, locks or channels of its own: its users take
//! async-lock and async-channel, the latter with room for one as a oneshot.

use std::future::Future;
use std::time::Duration;

use super::Yield;
use crate::runtime::{Runtime, Timers};

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

sync_by_async_channel!(Compio);
threads_by_async_channel!(Compio);
