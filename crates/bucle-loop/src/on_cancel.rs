//! [`on_cancel`]: clean-up that awaits, for work that may be cut short.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::LoopRef;
use crate::exceptions::ExceptionContext;
use crate::running::with_running_loop;
use crate::task::{CancelPlace, TaskBuilder, current_tag, unwinding};
use crate::timeout::timeout;

/// How long a clean-up may take, unless it says otherwise.
pub const ON_CANCEL_DEADLINE: Duration = Duration::from_secs(10);

/// Prepares an asynchronous clean-up for work that may be cut short: asyncio's `except
/// CancelledError: await clean_up(); raise`, or an awaiting `finally`.
///
/// A future that is cancelled is dropped, and a drop can't await. So the clean-up is handed to the
/// loop: when what [`guard`](OnCancel::guard) runs is dropped before it is done, for whatever reason
/// (its task was cancelled, a timeout expired, a group ended, somebody dropped it), `cleanup`
/// becomes a task of its own. It is out of reach of what cut the work short, has
/// [`ON_CANCEL_DEADLINE`] to finish ([`deadline`](OnCancel::deadline) sets another), and inherits the
/// context variables. What it overruns or panics with goes to the exception handler.
/// [`run`](crate::run) waits for all clean-ups before it closes the loop; a loop that is closed
/// otherwise drops them, and tells the exception handler.
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use bucle_loop::{on_cancel, sleep, timeout};
///
/// let rolled_back = Rc::new(Cell::new(false));
/// let (seen, flag) = (rolled_back.clone(), rolled_back.clone());
/// bucle_loop::run(async move {
///     let transaction = on_cancel(async move {
///         sleep(Duration::from_millis(1)).await;
///         flag.set(true);
///     })
///     .guard(std::future::pending::<()>());
///     assert!(timeout(Duration::from_millis(1), transaction).await.is_err());
/// })?;
/// assert!(seen.get(), "run waits for clean-ups");
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn on_cancel<C>(cleanup: C) -> OnCancel<C>
where
    C: Future<Output = ()> + 'static,
{
    OnCancel {
        cleanup: Some(cleanup),
        deadline: ON_CANCEL_DEADLINE,
        location: Location::caller(),
    }
}

/// A clean-up that stands ready: see [`on_cancel`].
///
/// Dropping it starts the clean-up, unless it was [disarmed](OnCancel::disarm) or its
/// [`guard`](OnCancel::guard) has run to its end.
#[must_use = "dropping it starts the clean-up"]
pub struct OnCancel<C: Future<Output = ()> + 'static> {
    cleanup: Option<C>,
    deadline: Duration,
    location: &'static Location<'static>,
}

impl<C: Future<Output = ()> + 'static> OnCancel<C> {
    /// How long the clean-up may take; then it is dropped, and the exception handler told.
    pub fn deadline(mut self, deadline: Duration) -> OnCancel<C> {
        self.deadline = deadline;
        self
    }

    /// Runs `future`. If it comes to its end, the clean-up is dropped unrun; if it panics or is
    /// dropped before, the clean-up starts, after `future` is gone.
    pub async fn guard<F: Future>(self, future: F) -> F::Output {
        let armed = self;
        let value = future.await;
        armed.disarm();
        value
    }

    /// Drops the clean-up unrun.
    pub fn disarm(mut self) {
        self.cleanup = None;
    }
}

impl<C: Future<Output = ()> + 'static> Drop for OnCancel<C> {
    fn drop(&mut self) {
        let Some(cleanup) = self.cleanup.take() else {
            return;
        };
        unwinding::met(CancelPlace::OnCancel, self.location);
        let Some(event_loop) = with_running_loop(LoopRef::clone) else {
            eprintln!(
                "bucle: the clean-up of the on_cancel at {} was dropped: no event loop is running",
                self.location
            );
            return;
        };
        start(&event_loop, cleanup, self.deadline, self.location);
    }
}

fn start(
    event_loop: &LoopRef,
    cleanup: impl Future<Output = ()> + 'static,
    deadline: Duration,
    location: &'static Location<'static>,
) {
    let report = move |event_loop: &LoopRef, message: String| {
        let mut context = ExceptionContext::new("on_cancel", message);
        context.location = Some(location);
        event_loop.call_exception_handler(context);
    };
    if event_loop.is_closed() {
        report(
            event_loop,
            "the clean-up was dropped: the loop is closed".into(),
        );
        return;
    }
    let name = match current_tag() {
        Some(task) => format!("on_cancel of {task}"),
        None => "on_cancel".into(),
    };
    let teller = event_loop.clone();
    let task = TaskBuilder::new()
        .name(&name)
        .spawn_from(event_loop, location, async move {
            if let Err(late) = timeout(deadline, cleanup).await {
                report(&teller, format!("the clean-up was dropped: {late}"));
            }
        });
    event_loop.core.tasks.keep_cleanup(task.task_ref());
    task.detach();
}

impl<C: Future<Output = ()> + 'static> fmt::Debug for OnCancel<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel")
            .field("armed", &self.cleanup.is_some())
            .field("deadline", &self.deadline)
            .field("made_at", &format_args!("{}", self.location))
            .finish()
    }
}
