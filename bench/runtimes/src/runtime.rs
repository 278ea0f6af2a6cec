//! What a runtime has to have for a case to be run on it.

use std::future::Future;
use std::time::Duration;

/// Tasks on one thread.
pub(crate) trait Runtime: 'static {
    /// Runs `future` on a new runtime, to its end.
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Spawns a task of this thread. The handle is awaited, or kept until the process ends.
    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Lets the others run: the runtime's own, or [`Yield`](crate::peers::Yield) where it has none.
    fn yield_now() -> impl Future<Output = ()>;
}

/// Time.
pub(crate) trait Timers: Runtime {
    /// Sleeps.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;
}

/// What tasks of one thread wait on, or what the runtime's users take for it.
pub(crate) trait Sync: Runtime {
    /// Sets a value once.
    type Sender: 'static;
    /// A mutual exclusion.
    type Lock: 'static;
    /// Both ends of a bounded queue.
    type Put: 'static;
    /// See [`Put`](Sync::Put).
    type Get: 'static;

    /// A value that is sent once, and the future that waits for it.
    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static);
    /// Sends it.
    fn send(sender: Self::Sender, value: u64);

    /// An open lock.
    fn lock() -> Self::Lock;
    /// Waits for the lock; dropping what comes opens it.
    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized>;

    /// A queue with room for one.
    fn queue() -> (Self::Put, Self::Get);
    /// Waits for room.
    fn put(queue: &mut Self::Put, value: u64) -> impl Future<Output = ()>;
    /// Waits for an item.
    fn get(queue: &mut Self::Get) -> impl Future<Output = u64>;
}

/// What comes from other threads, by the means of the runtime's own, or the one its users take.
pub(crate) trait Threads: Runtime {
    /// The end for the other thread.
    type Remote: Send + 'static;
    /// The end for the runtime's thread.
    type Local: 'static;

    /// Both ends of an unbounded queue.
    fn channel() -> (Self::Remote, Self::Local);
    /// Sends from the other thread, never waiting.
    fn send_from_thread(remote: &Self::Remote, value: u64);
    /// Waits for an item on the runtime's thread.
    fn receive(local: &mut Self::Local) -> impl Future<Output = u64>;
}
