//! [`catch_cancel`]: what remains to be done when the task is cancelled here.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;

use crate::task::catching::Catching;
use crate::task::{CancelPlace, Cancelled, unwinding};

/// Runs `future`, and absorbs a cancellation of the task that comes meanwhile: `except
/// CancelledError` in asyncio.
///
/// In Rust a cancelled task's future is dropped where it waits; nothing after that await runs. This
/// is the place from which it goes on instead. When the task is cancelled while it waits in here,
/// `future` is dropped, and then this gives the [`Cancelled`]. The request counts as absorbed: the
/// task is not cancelled any more, the next request is a new one. To end after all, return, or
/// cancel the [`current_task`](crate::current_task) again.
///
/// Of several around each other the innermost catches; of several side by side in one task (in a
/// `join!`) each does. It catches requests to the task by `cancel`, not the end of a `timeout`, nor
/// a drop of this future, nor the closing of the loop: these drop it at once. Outside of any task it
/// just runs `future`.
///
/// For clean-up that awaits, [`on_cancel`](crate::on_cancel()) is simpler and also covers drops.
///
/// ```
/// use bucle_loop::{catch_cancel, spawn, yield_now};
///
/// bucle_loop::run(async {
///     let task = spawn(async {
///         match catch_cancel(std::future::pending::<()>()).await {
///             Ok(()) => "done".to_string(),
///             Err(cancelled) => format!("saved my work, as {}", cancelled.reason()),
///         }
///     });
///     yield_now().await;
///     task.cancel("we close");
///     assert_eq!(task.await.unwrap(), "saved my work, as we close");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The cancellation that was absorbed.
#[track_caller]
pub fn catch_cancel<F: Future>(
    future: F,
) -> impl Future<Output = Result<F::Output, Cancelled>> + use<F> {
    let location = Location::caller();
    async move {
        // Dropped in reverse: what is within goes before the place is left.
        let mut catching = Catching::default();
        let mut future = pin!(Some(future));
        poll_fn(|cx| {
            if let Some(cancelled) = catching.poll(cx) {
                let ((), cancelled) = unwinding::by_cancelling(cancelled, || future.set(None));
                let caught = cancelled.through(CancelPlace::CatchCancel, location);
                return Poll::Ready(Err(caught));
            }
            match future.as_mut().as_pin_mut() {
                Some(inner) => catching.inside(|| inner.poll(cx)).map(Ok),
                None => Poll::Pending,
            }
        })
        .await
    }
}
