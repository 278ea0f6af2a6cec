//! The ways to start a task: [`spawn`] and its variants, and [`TaskBuilder`] for all of them at
//! once.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::Task;
use crate::context::Context;
use crate::{LoopRef, get_running_loop};

/// Starts `future` as a task of the running loop: asyncio's `create_task`. It is first polled in
/// the next turn.
///
/// # Panics
/// If no loop is running in this thread.
#[doc(alias("create_task", "ensure_future"))]
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
{
    get_running_loop().spawn(future)
}

/// [`spawn`] with a name that reports and errors will show.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn spawn_named<F>(name: &str, future: F) -> Task<F::Output>
where
    F: Future + 'static,
{
    get_running_loop().spawn_named(name, future)
}

/// Starts `future` as a task and polls it for the first time at once, inside this call; if that
/// ends it, it never goes through the ready queue. asyncio's eager task factory.
///
/// While that poll lasts, [`current_task`](crate::current_task) is the new task. Use it where most
/// tasks end at once, as when the answer is in a cache; the others cost the same as with [`spawn`].
/// Spawning eagerly from an eager task from an eager task takes stack for each.
///
/// ```
/// bucle_loop::run(async {
///     let task = bucle_loop::spawn_eager(async { "at once" });
///     assert!(task.done());
///     assert_eq!(task.await.unwrap(), "at once");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If no loop is running in this thread.
#[doc(alias = "eager_task_factory")]
#[track_caller]
pub fn spawn_eager<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
{
    TaskBuilder::new().eager_start(true).spawn(future)
}

/// Settings of a task to be started: the keyword arguments of asyncio's `create_task`.
///
/// ```
/// use bucle_loop::TaskBuilder;
///
/// bucle_loop::run(async {
///     let task = TaskBuilder::new().name("answer").eager_start(true).spawn(async { 42 });
///     assert!(task.done());
///     assert_eq!(task.handle().get_name(), "answer");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it starts nothing until `spawn`"]
pub struct TaskBuilder {
    name: Option<Arc<str>>,
    context: Option<Context>,
    eager_start: bool,
}

impl TaskBuilder {
    /// The settings of [`spawn`].
    pub fn new() -> TaskBuilder {
        TaskBuilder::default()
    }

    /// A name that reports and errors will show.
    pub fn name(mut self, name: &str) -> TaskBuilder {
        self.name = Some(name.into());
        self
    }

    /// The context the task runs in: it, not a copy, so that what the task sets is seen there.
    /// Without this, it is a copy of the context of who spawns it.
    pub fn context(mut self, context: Context) -> TaskBuilder {
        self.context = Some(context);
        self
    }

    /// Whether the first poll happens at once: see [`spawn_eager`].
    pub fn eager_start(mut self, eager: bool) -> TaskBuilder {
        self.eager_start = eager;
        self
    }

    /// Starts `future` as a task of the running loop.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
    {
        self.spawn_on(&get_running_loop(), future)
    }

    /// Starts `future` as a task of `event_loop`. If that isn't running now there is no eager
    /// start, as in asyncio.
    #[track_caller]
    pub fn spawn_on<F>(self, event_loop: &LoopRef, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
    {
        self.spawn_from(event_loop, Location::caller(), future)
    }

    /// [`spawn_on`](TaskBuilder::spawn_on) for a task that was asked for elsewhere.
    pub(crate) fn spawn_from<F>(
        self,
        event_loop: &LoopRef,
        location: &'static Location<'static>,
        future: F,
    ) -> Task<F::Output>
    where
        F: Future + 'static,
    {
        let eager = self.eager_start && event_loop.is_running();
        let tasks = &event_loop.core.tasks;
        let (task, join) = tasks.add(event_loop, future, self.name, self.context, location);
        if !task.is_done() {
            if eager {
                tasks.run(event_loop, &task);
            } else {
                task.into_ready();
            }
        }
        Task::new(join)
    }
}
