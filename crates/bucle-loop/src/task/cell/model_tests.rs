//! The cell against `async-task`: the same operations on both, one after the other, must poll as
//! often, end the same way and leave nothing behind.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use async_task::{FallibleTask, Runnable};
use proptest::prelude::*;

use super::*;
use crate::inbox::Inbox;
use crate::ready::Entry;

/// What the future does at one of its polls.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Waits, without keeping a waker.
    Wait,
    /// Waits, and leaves a waker in the pool.
    GiveWaker,
    /// Waits, after it woke itself.
    WakeItself,
    /// Waits, after it woke what is in the pool.
    WakePool,
    Ready(u32),
    Panic,
}

/// What the world does.
#[derive(Clone, Copy, Debug)]
enum Op {
    Run,
    Schedule,
    Wake(usize),
    WakeByRef(usize),
    Clone(usize),
    Drop(usize),
    /// The same on another thread.
    CloneThere(usize),
    DropThere(usize),
    Cancel,
    /// The handle is dropped and the task runs on.
    Detach,
    Take,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Wait),
        6 => Just(Act::GiveWaker),
        2 => Just(Act::WakeItself),
        2 => Just(Act::WakePool),
        1 => any::<u32>().prop_map(Act::Ready),
        1 => Just(Act::Panic),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Run),
        1 => Just(Op::Schedule),
        3 => any::<usize>().prop_map(Op::Wake),
        3 => any::<usize>().prop_map(Op::WakeByRef),
        3 => any::<usize>().prop_map(Op::Clone),
        3 => any::<usize>().prop_map(Op::Drop),
        1 => any::<usize>().prop_map(Op::CloneThere),
        1 => any::<usize>().prop_map(Op::DropThere),
        1 => Just(Op::Cancel),
        1 => Just(Op::Detach),
        2 => Just(Op::Take),
    ]
}

/// A future that follows a script, and what is left of it.
#[derive(Default)]
struct Stage {
    polls: Cell<usize>,
    futures: Cell<i32>,
    outputs: Cell<i32>,
    pool: RefCell<Vec<Waker>>,
}

struct Script {
    acts: VecDeque<Act>,
    stage: Rc<Stage>,
}

/// Counted while it lives.
struct Output(u32, Rc<Stage>);

impl Drop for Output {
    fn drop(&mut self) {
        self.1.outputs.set(self.1.outputs.get() - 1);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.stage.futures.set(self.stage.futures.get() - 1);
    }
}

impl Future for Script {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let stage = self.stage.clone();
        stage.polls.set(stage.polls.get() + 1);
        match self.acts.pop_front().unwrap_or(Act::Wait) {
            Act::Wait => {}
            Act::GiveWaker => stage.pool.borrow_mut().push(cx.waker().clone()),
            Act::WakeItself => cx.waker().wake_by_ref(),
            Act::WakePool => stage.pool.borrow().iter().for_each(Waker::wake_by_ref),
            Act::Ready(value) => {
                stage.outputs.set(stage.outputs.get() + 1);
                return Poll::Ready(Output(value, stage));
            }
            // Without the hook, which would print it.
            Act::Panic => std::panic::resume_unwind(Box::new("scripted")),
        }
        Poll::Pending
    }
}

fn script(acts: &[Act]) -> (Script, Rc<Stage>) {
    let stage = Rc::new(Stage::default());
    stage.futures.set(1);
    (
        Script {
            acts: acts.iter().copied().collect(),
            stage: stage.clone(),
        },
        stage,
    )
}

/// How a result compares: `None` for a task that ended without a value.
type Taken = Option<Option<u32>>;

trait World {
    fn stage(&self) -> &Rc<Stage>;
    /// Runs the first entry of the queue; false if there is none.
    fn run(&mut self) -> bool;
    fn schedule(&mut self);
    fn cancel(&mut self);
    fn detach(&mut self);
    fn take(&mut self) -> Taken;
}

struct Ours {
    stage: Rc<Stage>,
    ready: HomeRef,
    /// The loop's table.
    task: Option<TaskRef>,
    join: Option<JoinRef<Output>>,
}

impl Ours {
    fn new(acts: &[Act], inbox: &'static Inbox) -> Ours {
        let (future, stage) = script(acts);
        let tag = TaskTag::new(1, None, Location::caller());
        let ready = HomeRef::new(0, inbox);
        let (task, join) = TaskRef::new(future, tag, ready.clone());
        task.schedule();
        Ours {
            stage,
            ready,
            task: Some(task),
            join: Some(join),
        }
    }
}

impl World for Ours {
    fn stage(&self) -> &Rc<Stage> {
        &self.stage
    }

    fn run(&mut self) -> bool {
        let Some(entry) = self.ready.pop() else {
            return false;
        };
        if let Entry::Task(task) = entry
            && task.run() == Ran::Done
        {
            self.task = None;
        }
        true
    }

    fn schedule(&mut self) {
        if let Some(task) = &self.task {
            task.schedule();
        }
    }

    fn cancel(&mut self) {
        if let Some(join) = &self.join {
            join.task().cancel(Cancelled::new(""));
        }
    }

    fn detach(&mut self) {
        self.join = None;
    }

    fn take(&mut self) -> Taken {
        let taken = self.join.as_mut()?.try_take()?;
        self.join = None;
        Some(taken.ok().map(|output| output.0))
    }
}

struct Theirs {
    stage: Rc<Stage>,
    ready: Arc<Mutex<VecDeque<Runnable>>>,
    task: Option<FallibleTask<Output>>,
    cancelled: bool,
    done: bool,
    /// Stands for `TaskRef::schedule`.
    waker: Option<Waker>,
}

impl Theirs {
    fn new(acts: &[Act]) -> Theirs {
        let (future, stage) = script(acts);
        let ready: Arc<Mutex<VecDeque<Runnable>>> = Arc::default();
        let queue = ready.clone();
        let (runnable, task) = async_task::spawn_local(future, move |runnable| {
            queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(runnable);
        });
        let waker = Some(runnable.waker());
        runnable.schedule();
        let task = Some(task.fallible());
        Theirs {
            stage,
            ready,
            task,
            cancelled: false,
            done: false,
            waker,
        }
    }

    fn poll(&mut self) -> Option<Option<Output>> {
        let task = self.task.as_mut()?;
        match Pin::new(task).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl World for Theirs {
    fn stage(&self) -> &Rc<Stage> {
        &self.stage
    }

    fn run(&mut self) -> bool {
        let Some(runnable) = self.ready.lock().unwrap().pop_front() else {
            return false;
        };
        // It unwinds where ours keeps the panic.
        let _ = catch_unwind(AssertUnwindSafe(|| runnable.run()));
        if self.stage.futures.get() == 0 {
            self.done = true;
            self.waker = None;
        }
        true
    }

    fn schedule(&mut self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn cancel(&mut self) {
        // Done already, or cancelled: both say no to another one.
        if self.done || self.cancelled {
            return;
        }
        if let Some(task) = self.task.take() {
            self.cancelled = true;
            let mut cancel = Box::pin(task.cancel());
            // Its first poll asks; the answer is not awaited.
            let _ = cancel
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn detach(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }

    fn take(&mut self) -> Taken {
        if !self.done {
            return None;
        }
        let output = self.poll()?;
        self.task = None;
        Some(output.map(|output| output.0))
    }
}

fn apply(world: &mut impl World, op: Op) -> Taken {
    let stage = world.stage().clone();
    let mut pool = stage.pool.borrow_mut();
    let len = pool.len().max(1);
    let place = |index: usize| index % len;
    match op {
        Op::Wake(index) | Op::Drop(index) | Op::DropThere(index) if !pool.is_empty() => {
            let waker = pool.swap_remove(place(index));
            drop(pool);
            match op {
                Op::Wake(_) => waker.wake(),
                Op::Drop(_) => drop(waker),
                _ => std::thread::spawn(move || drop(waker)).join().unwrap(),
            }
        }
        Op::WakeByRef(index) if !pool.is_empty() => pool[place(index)].wake_by_ref(),
        Op::Clone(index) if !pool.is_empty() => {
            let waker = pool[place(index)].clone();
            pool.push(waker);
        }
        Op::CloneThere(index) if !pool.is_empty() => {
            let waker = &pool[place(index)];
            let waker = std::thread::scope(|scope| scope.spawn(|| waker.clone()).join().unwrap());
            pool.push(waker);
        }
        Op::Run => {
            drop(pool);
            world.run();
        }
        Op::Schedule => {
            drop(pool);
            world.schedule();
        }
        Op::Cancel => {
            drop(pool);
            world.cancel();
        }
        Op::Detach => {
            drop(pool);
            world.detach();
        }
        Op::Take => {
            drop(pool);
            return world.take();
        }
        _ => {}
    }
    None
}

fn compare(acts: &[Act], ops: &[Op]) -> Result<(), TestCaseError> {
    let live = Tracker::live();
    let inbox = Inbox::acquire(u64::MAX, Box::new(|| ()));
    let mut ours = Ours::new(acts, inbox);
    let mut theirs = Theirs::new(acts);
    for (step, &op) in ops.iter().enumerate() {
        let taken = (apply(&mut ours, op), apply(&mut theirs, op));
        // A cancelled `async-task` was let go; ours keeps the handle and says so.
        if !theirs.cancelled {
            prop_assert_eq!(taken.0, taken.1, "taken at step {} {:?}", step, op);
        } else if let Some(taken) = taken.0 {
            prop_assert_eq!(taken, None);
        }
        let (a, b) = (&ours.stage, &theirs.stage);
        prop_assert_eq!(
            a.polls.get(),
            b.polls.get(),
            "polls at step {} {:?}",
            step,
            op
        );
        prop_assert_eq!(
            a.futures.get(),
            b.futures.get(),
            "future at step {} {:?}",
            step,
            op
        );
        prop_assert_eq!(
            a.outputs.get(),
            b.outputs.get(),
            "outputs at step {} {:?}",
            step,
            op
        );
        let queued = (ours.ready.len(), theirs.ready.lock().unwrap().len());
        prop_assert_eq!(queued.0, queued.1, "queued at step {} {:?}", step, op);
    }
    // Everything goes, in an order of the script's making: the wakers last.
    let wakers = ours.stage.pool.take();
    if let Some(task) = ours.task.take() {
        task.abandon(Cancelled::new("closing"));
    }
    ours.join = None;
    while ours.run() {}
    prop_assert_eq!(ours.stage.futures.get(), 0);
    prop_assert_eq!(ours.stage.outputs.get(), 0);
    prop_assert_eq!(
        live.load(std::sync::atomic::Ordering::Acquire),
        usize::from(!wakers.is_empty())
    );
    drop(wakers);
    prop_assert_eq!(live.load(std::sync::atomic::Ordering::Acquire), 0);
    prop_assert_eq!(Rc::strong_count(&ours.stage), 1);
    prop_assert_eq!(ours.ready.count(), 1);
    inbox.close(u64::MAX);
    // The other side's remains hold each other: a queued task holds the queue. Its last waker goes
    // last of all, because a future that waits without one is forgotten there, not dropped.
    theirs.detach();
    loop {
        theirs.stage.pool.take();
        if !theirs.run() && theirs.waker.take().is_none() {
            break;
        }
    }
    prop_assert_eq!(theirs.stage.futures.get(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn as_async_task_does(
        acts in prop::collection::vec(act(), 0..8),
        ops in prop::collection::vec(op(), 0..40),
    ) {
        compare(&acts, &ops)?;
    }
}
