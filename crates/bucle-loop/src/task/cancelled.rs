//! [`Cancelled`]: why a task or future ended early, who asked for it, and the way the request went.
//!
//! A cancellation has a biography. It begins where somebody calls `cancel`; on its way to the task
//! that reads it, it may go through timeouts, groups and gathers, be held back, or start a clean-up.
//! Each of these adds a [`CancelStep`]. One word while nothing happens: what is not cancelled pays
//! nothing for it.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::TaskTag;

/// Why a task or future was cancelled, by whom, and through what the request came (asyncio's
/// `CancelledError`).
///
/// Displays as one line; the alternate form (`{:#}`) tells the whole biography, a line for each
/// step, and so does `Debug`.
///
/// ```
/// use bucle_loop::{gather, spawn_named, yield_now};
///
/// bucle_loop::run(async {
///     let parent = spawn_named("parent", async {
///         let child = spawn_named("child", std::future::pending::<()>());
///         let _ = bucle_loop::Gather::of([child]).await;
///     });
///     yield_now().await;
///     parent.cancel("shutting down");
///     let why = parent.await.unwrap_err().cancelled().unwrap().clone();
///     assert!(why.to_string().ends_with(": shutting down"));
///     assert!(format!("{why:#}").contains("went through the gather at"));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "CancelledError")]
#[derive(Clone, PartialEq, Eq)]
pub struct Cancelled(Arc<Biography>);

#[derive(Clone, PartialEq, Eq)]
struct Biography {
    reason: Box<str>,
    by: Option<TaskTag>,
    asked_at: Option<&'static Location<'static>>,
    steps: Vec<CancelStep>,
    deadlock: bool,
}

/// One thing that a cancellation met on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelStep {
    /// What it was, and what it did to the cancellation.
    pub what: CancelPlace,
    /// The task in which it was.
    pub task: Option<TaskTag>,
    /// Where in the source it was made.
    pub location: &'static Location<'static>,
}

/// What a cancellation can meet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelPlace {
    /// A [`timeout`](crate::timeout()) around the place where the task waited.
    Timeout,
    /// A [`gather`](crate::gather()), which handed it on to its tasks.
    Gather,
    /// A [`TaskGroup`](crate::TaskGroup), which handed it on to its tasks.
    TaskGroup,
    /// A [`TaskGroup`](crate::TaskGroup) that was being joined: it held the cancellation back until
    /// its tasks had ended.
    HeldByTaskGroup,
    /// An [`as_completed`](crate::as_completed), which handed it on to its tasks.
    AsCompleted,
    /// A [`CancelOnDrop`](crate::CancelOnDrop) handle, which handed it on to its task.
    CancelOnDrop,
    /// A [`wait_for`](crate::Task::wait_for), which handed it on to its task.
    WaitFor,
    /// A [`shield`](crate::shield()), which kept it from the task behind it.
    Shield,
    /// An [`on_cancel`](crate::on_cancel()), whose clean-up it started.
    OnCancel,
    /// A [`catch_cancel`](crate::catch_cancel()), which absorbed it.
    CatchCancel,
}

impl Cancelled {
    /// A cancellation for a reason, which may be empty.
    pub fn new(reason: impl Into<String>) -> Cancelled {
        Cancelled(Arc::new(Biography {
            reason: reason.into().into_boxed_str(),
            by: None,
            asked_at: None,
            steps: Vec::new(),
            deadlock: false,
        }))
    }

    /// The end of a run that could never have ended otherwise.
    pub(crate) fn by_deadlock(report: String) -> Cancelled {
        let mut cancelled = Cancelled::new(report);
        Arc::make_mut(&mut cancelled.0).deadlock = true;
        cancelled
    }

    /// Whether the loop ended the run because nothing could ever have woken it: the reason tells who
    /// waits for what.
    pub fn is_deadlock(&self) -> bool {
        self.0.deadlock
    }

    /// The same cancellation, asked for by the task `by`.
    #[must_use]
    pub fn asked_by(mut self, by: TaskTag) -> Cancelled {
        Arc::make_mut(&mut self.0).by = Some(by);
        self
    }

    /// The same cancellation, asked for by who runs now, from `location`.
    pub(crate) fn asked_here(mut self, location: &'static Location<'static>) -> Cancelled {
        let biography = Arc::make_mut(&mut self.0);
        biography.asked_at = Some(location);
        biography.by = super::current_tag();
        self
    }

    /// The same cancellation after it met `what`.
    pub(crate) fn through(
        mut self,
        what: CancelPlace,
        location: &'static Location<'static>,
    ) -> Cancelled {
        let task = super::current_tag();
        Arc::make_mut(&mut self.0).steps.push(CancelStep {
            what,
            task,
            location,
        });
        self
    }

    /// The reason given, perhaps empty.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The task that asked for the cancellation; `None` if it was asked for outside of any task.
    pub fn by(&self) -> Option<&TaskTag> {
        self.0.by.as_ref()
    }

    /// Where in the source it was asked for; `None` if the loop did it by itself.
    pub fn asked_at(&self) -> Option<&'static Location<'static>> {
        self.0.asked_at
    }

    /// What it met on its way, in that order.
    pub fn steps(&self) -> &[CancelStep] {
        &self.0.steps
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")?;
        if let Some(by) = self.by() {
            write!(f, " by task {by}")?;
        }
        if !self.reason().is_empty() {
            write!(f, ": {}", self.reason())?;
        }
        if f.alternate() {
            if let Some(location) = self.asked_at() {
                write!(f, "\n  asked for at {location}")?;
            }
            for step in self.steps() {
                write!(f, "\n  {step}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for CancelStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.what {
            CancelPlace::Timeout => "went through the timeout",
            CancelPlace::Gather => "went through the gather",
            CancelPlace::TaskGroup => "went through the task group",
            CancelPlace::HeldByTaskGroup => "waited for the tasks of the task group",
            CancelPlace::AsCompleted => "went through the as_completed",
            CancelPlace::CancelOnDrop => "went through the cancel_on_drop",
            CancelPlace::WaitFor => "went through the wait_for",
            CancelPlace::Shield => "stopped at the shield",
            CancelPlace::OnCancel => "started the clean-up of the on_cancel",
            CancelPlace::CatchCancel => "was caught by the catch_cancel",
        })?;
        write!(f, " at {}", self.location)?;
        if let Some(task) = &self.task {
            write!(f, " in task {task}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancelled({self:#})")
    }
}

impl Error for Cancelled {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_who_and_why() {
        assert_eq!(Cancelled::new("").to_string(), "cancelled");
        assert_eq!(
            Cancelled::new("too slow").to_string(),
            "cancelled: too slow"
        );
        let tag = TaskTag::new(7, None, Location::caller());
        let by = Cancelled::new("too slow").asked_by(tag);
        assert_eq!(by.to_string(), "cancelled by task Task-7: too slow");
    }

    #[test]
    fn the_alternate_form_tells_the_way() {
        let here = Location::caller();
        let why = Cancelled::new("enough")
            .asked_here(here)
            .through(CancelPlace::Gather, here)
            .through(CancelPlace::Shield, here);
        let told = format!("{why:#}");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert_eq!(lines[0], "cancelled: enough");
        assert!(lines[1].starts_with("  asked for at "), "{told}");
        assert!(lines[2].starts_with("  went through the gather at "));
        assert!(lines[3].starts_with("  stopped at the shield at "));
        assert_eq!(format!("{why:?}"), format!("Cancelled({told})"));
    }
}
