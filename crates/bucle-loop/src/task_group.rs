//! [`TaskGroup`]: tasks that start together, end together, and fail together.
//!
//! # Cancellation
//!
//! | what happens | what the group does |
//! |---|---|
//! | a task of it returns an error, or panics | keeps the error, cancels the other tasks, waits for them |
//! | the body of [`run`](TaskGroup::run) returns an error | the same |
//! | somebody cancels one of its tasks | nothing: that is no error |
//! | the task that waits for the group is cancelled | holds that back, cancels its tasks with it, and passes it on when they have ended; errors go first, as in asyncio |
//! | that is taken back, by [`uncancel`](crate::TaskHandle::uncancel), after it was passed on | the wait ends; a body that was dropped by it counts as an error, the [`Cancelled`] |
//! | the group is dropped (by a timeout, a panic, the end of a scope) | drops the futures of its tasks, before the drop returns |
//!
//! A task that holds its cancellation up by [`catch_cancel`](crate::catch_cancel()) holds the group
//! up, as in asyncio; a drop of the group doesn't wait for it. What a task has started by
//! [`spawn`](crate::spawn()), [`shield`](crate::shield()) or [`on_cancel`](crate::on_cancel()) is not
//! the group's.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::exception_group::{BoxError, ExceptionGroup, GroupException};
use crate::exceptions::ExceptionContext;
use crate::task::catching::Catching;
use crate::task::cell::TaskRef;
use crate::task::{
    CancelPlace, Cancelled, Panic, Task, TaskBuilder, TaskError, TaskHandle, TaskTag, current_tag,
    unwinding,
};
use crate::wait_graph::{Needs, Survey, WaitKind, What};
use crate::waits::{Member, Waited};
use crate::{LoopRef, get_running_loop};

/// Tasks that can't outlive the group, the first error of which cancels the others, and all errors
/// of which are kept. asyncio's `TaskGroup`.
///
/// [`run`](TaskGroup::run) is asyncio's `async with`: it runs a body that spawns into the group, and
/// returns when the body and all tasks have ended. Or make one by [`new`](TaskGroup::new), spawn,
/// and [`join`](TaskGroup::join). The tasks own what they use; for ones that borrow see
/// [`scope`](crate::scope()).
///
/// ```
/// use bucle_loop::{TaskGroup, yield_now};
///
/// bucle_loop::run(async {
///     let sum = TaskGroup::run(async |group| {
///         let one = group.spawn(async { Ok::<_, std::io::Error>(1) });
///         let two = group.spawn(async { Ok::<_, std::io::Error>(2) });
///         one.await.unwrap() + two.await.unwrap()
///     });
///     assert_eq!(sum.await.unwrap(), 3);
///
///     let failed = TaskGroup::run(async |group| {
///         group.spawn_named("reader", async { Err::<(), _>("no such file") });
///         group.spawn(std::future::pending::<()>());
///     });
///     let errors = failed.await.unwrap_err();
///     assert_eq!(errors.exceptions()[0].error().to_string(), "no such file");
///     println!("{errors:#}");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TaskGroup {
    shared: Rc<Shared>,
}

struct Shared {
    event_loop: LoopRef,
    location: &'static Location<'static>,
    state: RefCell<State>,
    member: Member,
}

struct State {
    /// The tasks that have not ended. `None` for one that is just being started.
    tasks: Slab<Option<TaskRef>>,
    errors: Vec<GroupException>,
    /// Why no more tasks are taken, if so: what those there were cancelled with.
    stopped: Option<Cancelled>,
    /// Who waits for the end, or for an error.
    waker: Option<Waker>,
}

/// What a task of a group, or its body, can return: a `Result`, or nothing.
pub trait Outcome {
    /// What it has when it didn't fail.
    type Value;

    /// The value, or the error as the group keeps it.
    ///
    /// # Errors
    /// The error that was returned.
    fn into_result(self) -> Result<Self::Value, BoxError>;
}

impl<T, E: Into<BoxError>> Outcome for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

macro_rules! infallible {
    ($($value:ty),*) => {$(
        impl Outcome for $value {
            type Value = $value;

            fn into_result(self) -> Result<$value, BoxError> {
                Ok(self)
            }
        }
    )*};
}

/// The type of what never returns has no name in stable Rust; it is what such a function returns.
mod never {
    pub trait Returns {
        type Type;
    }

    impl<T> Returns for fn() -> T {
        type Type = T;
    }
}

type Never = <fn() -> ! as never::Returns>::Type;

/// For tasks that loop for ever.
impl Outcome for Never {
    type Value = Never;

    fn into_result(self) -> Result<Never, BoxError> {
        self
    }
}

// What bodies and tasks that can't fail mostly return; others say `Ok::<_, Infallible>(..)`.
infallible!((), bool, char, String, &'static str, f32, f64);
infallible!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

impl TaskGroup {
    /// An empty group, on the running loop.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it needs a running loop")]
    pub fn new() -> TaskGroup {
        TaskGroup::at(Location::caller())
    }

    fn at(location: &'static Location<'static>) -> TaskGroup {
        let group = TaskGroup {
            shared: Rc::new(Shared {
                event_loop: get_running_loop(),
                location,
                state: RefCell::new(State {
                    tasks: Slab::new(),
                    errors: Vec::new(),
                    stopped: None,
                    waker: None,
                }),
                member: Member::default(),
            }),
        };
        group.shared.member.begin(&group.shared);
        group
    }

    /// Runs `body` in the caller's task with a new group, and returns what the body returned once
    /// all tasks of the group have ended.
    ///
    /// At the first error of a task the body is dropped where it waits. The head of this module
    /// says what happens on errors and cancellations.
    ///
    /// # Errors
    /// All errors, those of the body among them, if there is any. They go before a cancellation that
    /// came meanwhile: who returns them at once ends with them, who waits again is cancelled there.
    ///
    /// # Panics
    /// When polled where no loop is running. A panic of the body passes through, and drops the
    /// tasks.
    #[track_caller]
    pub fn run<B, R>(body: B) -> impl Future<Output = Result<R::Value, ExceptionGroup>>
    where
        B: AsyncFnOnce(&TaskGroup) -> R,
        R: Outcome,
    {
        let location = Location::caller();
        async move {
            let group = TaskGroup::at(location);
            let mut waiting = Waiting::default();
            // Dropped in reverse: the body goes before the group and its tasks.
            let mut body = pin!(Some(body(&group)));
            let value = poll_fn(|cx| {
                if waiting.cancelled(&group.shared, cx) {
                    if let Some(cancelled) = waiting.held.take() {
                        let drop_body = || body.set(None);
                        let ((), cancelled) = unwinding::by_cancelling(cancelled, drop_body);
                        waiting.held = Some(cancelled);
                    }
                    return Poll::Ready(None);
                }
                if let Some(body) = body.as_mut().as_pin_mut() {
                    // An error during this poll must find its waiter.
                    group.shared.register(cx);
                    if let Poll::Ready(outcome) = waiting.catching.inside(|| body.poll(cx)) {
                        return Poll::Ready(Some(outcome.into_result()));
                    }
                }
                if group.shared.has_failed() {
                    let why = group.shared.state.borrow().stopped.clone();
                    if let Some(why) = why {
                        unwinding::by_cancelling(why, || body.set(None));
                    }
                    return Poll::Ready(None);
                }
                Poll::Pending
            })
            .await;
            let value = match value {
                Some(Ok(value)) => Some(value),
                Some(Err(error)) => {
                    group.shared.fail(None, None, error);
                    None
                }
                None => None,
            };
            let taken_back = waiting.finish(&group.shared).await?;
            match (value, taken_back) {
                (Some(value), _) => Ok(value),
                // The body was dropped by a cancellation that didn't end the task after all.
                (None, why) => {
                    let why = why.unwrap_or_else(|| Cancelled::new("")).into();
                    let error = GroupException::new(current_tag(), why);
                    Err(ExceptionGroup::new(location, vec![error]))
                }
            }
        }
    }

    /// Waits for all tasks of the group, those that are spawned meanwhile among them.
    ///
    /// # Errors
    /// All errors, if there is any.
    pub async fn join(self) -> Result<(), ExceptionGroup> {
        Waiting::default().finish(&self.shared).await.map(drop)
    }

    /// Starts `future` as a task of the group. asyncio's `create_task`.
    ///
    /// Its error is the group's; its value can be awaited. In a group that is shutting down, the
    /// future is dropped and the task ends cancelled (asyncio raises).
    #[doc(alias = "create_task")]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> GroupTask<<F::Output as Outcome>::Value>
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        self.shared
            .spawn(TaskBuilder::new(), future, Location::caller())
    }

    /// [`spawn`](TaskGroup::spawn) with a name that reports and errors will show.
    #[track_caller]
    pub fn spawn_named<F>(&self, name: &str, future: F) -> GroupTask<<F::Output as Outcome>::Value>
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        let builder = TaskBuilder::new().name(name);
        self.shared.spawn(builder, future, Location::caller())
    }

    /// [`spawn`](TaskGroup::spawn) with all the settings of a [`TaskBuilder`].
    #[track_caller]
    pub fn spawn_with<F>(
        &self,
        builder: TaskBuilder,
        future: F,
    ) -> GroupTask<<F::Output as Outcome>::Value>
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        self.shared.spawn(builder, future, Location::caller())
    }

    /// A handle through which its own tasks, or others, can spawn into the group.
    pub fn handle(&self) -> GroupHandle {
        GroupHandle {
            shared: Rc::downgrade(&self.shared),
        }
    }

    /// Cancels the tasks of the group and takes no more. That is no error: [`join`](TaskGroup::join)
    /// and [`run`](TaskGroup::run) go on to their end.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) {
        let cancelled = Cancelled::new(reason).asked_here(Location::caller());
        self.shared.stop(cancelled, None);
    }

    /// How many of its tasks have not ended.
    pub fn len(&self) -> usize {
        self.shared.state.borrow().tasks.len()
    }

    /// Whether all of its tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A wait for the end of a group, which holds a cancellation back.
#[derive(Default)]
struct Waiting {
    catching: Catching,
    held: Option<Cancelled>,
}

impl Waiting {
    /// Takes a cancellation of the waiting task and hands it on to the group's; true if one came.
    fn cancelled(&mut self, group: &Shared, cx: &mut Context<'_>) -> bool {
        let Some(cancelled) = self.catching.poll(cx) else {
            return false;
        };
        self.catching.hold();
        group.stop(cancelled.clone(), None);
        self.held = Some(cancelled.through(CancelPlace::HeldByTaskGroup, group.location));
        true
    }

    /// Waits for the tasks. If a cancellation came meanwhile and was taken back after it was passed
    /// on, this gives it.
    async fn finish(mut self, group: &Shared) -> Result<Option<Cancelled>, ExceptionGroup> {
        poll_fn(|cx| {
            self.cancelled(group, cx);
            group.register(cx);
            if group.state.borrow().tasks.is_empty() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
        let errors = std::mem::take(&mut group.state.borrow_mut().errors);
        let held = self.held.take();
        if errors.is_empty() {
            if let Some(cancelled) = &held {
                self.catching.pass_on(cancelled.clone());
                // The task ends here, or goes on from a catch further out, in nearly all cases.
                poll_fn(|cx| self.catching.poll_passed(cx)).await;
            }
            return Ok(held);
        }
        if let Some(cancelled) = held {
            // As in asyncio, errors go first: a task that returns them at once ends with them, and
            // one that waits again is cancelled there.
            let catching = std::mem::take(&mut self.catching);
            let pass_on = move || catching.pass_on(cancelled);
            group.event_loop.call_soon(pass_on);
        }
        Err(ExceptionGroup::new(group.location, errors))
    }
}

impl Drop for Waiting {
    /// The wait is given up, by a timeout or a race: what it held back goes on to the task.
    fn drop(&mut self) {
        if let Some(cancelled) = self.held.take() {
            self.catching.pass_on(cancelled);
        }
    }
}

impl Shared {
    fn spawn<F>(
        self: &Rc<Self>,
        builder: TaskBuilder,
        future: F,
        location: &'static Location<'static>,
    ) -> GroupTask<<F::Output as Outcome>::Value>
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        if let Some(why) = self.stopped() {
            return refused(&self.event_loop, location, why);
        }
        let number = self.state.borrow_mut().tasks.insert(None);
        let child = Child {
            group: Rc::downgrade(self),
            number,
        };
        let task = builder.spawn_from(&self.event_loop, location, child.run(future));
        if !task.done() {
            if let Some(place) = self.state.borrow_mut().tasks.get_mut(number) {
                *place = Some(task.task_ref().clone());
            }
            // Its own first poll, or what that started, may have stopped the group.
            if let Some(why) = self.stopped() {
                task.task_ref().cancel(why);
            }
        }
        GroupTask { task }
    }

    fn stopped(&self) -> Option<Cancelled> {
        self.state.borrow().stopped.clone()
    }

    fn has_failed(&self) -> bool {
        !self.state.borrow().errors.is_empty()
    }

    /// Keeps an error, and cancels the others if it is the first.
    fn fail(&self, number: Option<usize>, task: Option<TaskTag>, error: BoxError) {
        let reason = match &task {
            Some(task) => format!("task {task} of its group failed: {error}"),
            None => format!("the body of its task group failed: {error}"),
        };
        self.state
            .borrow_mut()
            .errors
            .push(GroupException::new(task.clone(), error));
        let mut cancelled = Cancelled::new(reason);
        if let Some(task) = task {
            cancelled = cancelled.asked_by(task);
        }
        self.stop(cancelled, number);
    }

    /// Takes no more tasks, and cancels those there are but the one that asks.
    fn stop(&self, cancelled: Cancelled, but: Option<usize>) {
        let cancelled = cancelled.through(CancelPlace::TaskGroup, self.location);
        let (tasks, waker) = {
            let mut state = self.state.borrow_mut();
            let waker = state.waker.take();
            if state.stopped.is_some() {
                (Vec::new(), waker)
            } else {
                state.stopped = Some(cancelled.clone());
                let others = state.tasks.iter().filter(|(n, _)| Some(*n) != but);
                let others: Vec<TaskRef> = others.filter_map(|(_, task)| task.clone()).collect();
                (others, waker)
            }
        };
        for task in tasks {
            task.cancel(cancelled.clone());
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn register(&self, cx: &mut Context<'_>) {
        let waker = cx.waker().clone();
        let old = self.state.borrow_mut().waker.replace(waker);
        self.event_loop.core.ready.note_wait();
        drop(old);
    }

    fn ended(&self, number: usize) {
        let waker = {
            let mut state = self.state.borrow_mut();
            drop(state.tasks.try_remove(number));
            if state.tasks.is_empty() {
                state.waker.take()
            } else {
                None
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Waited for Shared {
    fn tell(&self, survey: &mut Survey) {
        let state = self.state.borrow();
        let Some(waker) = &state.waker else {
            return;
        };
        let what = What::new(WaitKind::TaskGroup, "TaskGroup").at(self.location);
        // One that is being spawned has no number yet.
        let ids = |task: &Option<TaskRef>| task.as_ref().map_or(0, TaskRef::id);
        let left: Vec<u64> = state.tasks.iter().map(|(_, task)| ids(task)).collect();
        let needs = match left.is_empty() {
            true => Needs::Itself,
            false => Needs::Tasks(left),
        };
        survey.waits(waker, what, needs);
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        let shared = &*self.shared;
        if !self.is_empty() {
            let reason = "the task group was dropped";
            let cancelled = unwinding::met_or(CancelPlace::TaskGroup, shared.location, reason);
            let tasks = {
                let mut state = shared.state.borrow_mut();
                state.stopped = Some(cancelled.clone());
                std::mem::take(&mut state.tasks)
            };
            let table = &shared.event_loop.core.tasks;
            for (_, task) in tasks {
                if let Some(task) = task {
                    table.abandon(&shared.event_loop, &task, cancelled.clone());
                }
            }
        }
        let mut state = shared.state.borrow_mut();
        let errors = std::mem::take(&mut state.errors);
        if state.stopped.is_none() {
            state.stopped = Some(Cancelled::new("its task group has ended"));
        }
        drop(state);
        // Dropped before anybody could take them.
        for error in errors {
            let mut context = ExceptionContext::new("task group", error.error().to_string());
            context.name = error.task().map(TaskTag::to_string);
            context.location = Some(shared.location);
            shared.event_loop.call_exception_handler(context);
        }
    }
}

impl fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.len())
            .field("failed", &self.shared.has_failed())
            .field("made_at", &format_args!("{}", self.shared.location))
            .finish()
    }
}

/// A task's membership, which ends when the task's future is done or dropped.
struct Child {
    group: Weak<Shared>,
    number: usize,
}

impl Child {
    async fn run<F>(self, future: F) -> Result<<F::Output as Outcome>::Value, TaskError>
    where
        F: Future,
        F::Output: Outcome,
    {
        let mut future = pin!(future);
        let outcome =
            poll_fn(
                |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(Ok),
                    Err(payload) => Poll::Ready(Err(payload)),
                },
            )
            .await;
        let tag = current_tag();
        match (outcome, tag) {
            (Ok(outcome), Some(tag)) => outcome.into_result().map_err(|error| {
                self.fail(tag.clone(), error);
                TaskError::Failed(tag)
            }),
            (Err(payload), Some(tag)) => {
                let panic = Panic::new(payload, tag.clone());
                self.fail(tag, Box::new(panic.clone()));
                Err(TaskError::Panicked(panic))
            }
            // A task polls this, so there is a current one.
            (Ok(_), None) => Err(Cancelled::new("not polled by its task").into()),
            (Err(payload), None) => std::panic::resume_unwind(payload),
        }
    }

    fn fail(&self, tag: TaskTag, error: BoxError) {
        if let Some(group) = self.group.upgrade() {
            group.fail(Some(self.number), Some(tag), error);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(group) = self.group.upgrade() {
            group.ended(self.number);
        }
    }
}

/// A task that a group doesn't take: cancelled from the start.
fn refused<T: 'static>(
    event_loop: &LoopRef,
    location: &'static Location<'static>,
    why: Cancelled,
) -> GroupTask<T> {
    let task = TaskBuilder::new().spawn_from(event_loop, location, pending());
    event_loop
        .core
        .tasks
        .abandon(event_loop, task.task_ref(), why);
    GroupTask { task }
}

/// The means to spawn into a [`TaskGroup`] from elsewhere, for instance from its tasks. It doesn't
/// keep the group alive.
#[derive(Clone)]
pub struct GroupHandle {
    shared: Weak<Shared>,
}

impl GroupHandle {
    /// See [`TaskGroup::spawn`]. If the group is gone, the future is dropped and the task ends
    /// cancelled.
    ///
    /// # Panics
    /// If the group is gone and no loop is running in this thread.
    #[doc(alias = "create_task")]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> GroupTask<<F::Output as Outcome>::Value>
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        let location = Location::caller();
        match self.shared.upgrade() {
            Some(shared) => shared.spawn(TaskBuilder::new(), future, location),
            None => {
                let why = Cancelled::new("its task group has ended");
                refused(&get_running_loop(), location, why)
            }
        }
    }
}

impl fmt::Debug for GroupHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHandle")
            .field("alive", &(self.shared.strong_count() > 0))
            .finish()
    }
}

/// A task of a group. Awaiting gives its value; dropping it lets the group see to the task.
///
/// If the task failed, awaiting gives [`TaskError::Failed`], as the error itself is the group's.
pub struct GroupTask<T> {
    task: Task<Result<T, TaskError>>,
}

impl<T> GroupTask<T> {
    /// Cancels this one task, which is no error for the group.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        self.task.cancel(reason)
    }

    /// Whether the task has ended, in whatever way.
    pub fn done(&self) -> bool {
        self.task.done()
    }

    /// Whether a cancellation ended the task.
    pub fn cancelled(&self) -> bool {
        self.task.cancelled()
    }

    /// A handle to the same task for others to watch and cancel it by.
    pub fn handle(&self) -> TaskHandle {
        self.task.handle()
    }

    /// The result, if the task has ended and its result was not taken yet.
    pub fn try_result(&mut self) -> Option<Result<T, TaskError>> {
        self.task.try_result().map(Result::flatten)
    }
}

impl<T> Future for GroupTask<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(Result::flatten)
    }
}

impl<T> fmt::Debug for GroupTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroupTask").field(&self.task).finish()
    }
}
