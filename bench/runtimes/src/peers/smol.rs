//! smol: its `LocalExecutor`, timers of its reactor thread, its `lock` and `channel` (async-lock, async-channel), and a
//! channel with room for one as a oneshot, as its documentation advises.

use std::future::Future;
use std::time::Duration;

use smol::LocalExecutor;

use crate::runtime::{Runtime, Timers};

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

sync_by_async_channel!(Smol);
threads_by_async_channel!(Smol);
