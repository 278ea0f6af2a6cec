//! [`WaitGraph`]: which task waits for what, and who holds that.
//!
//! Nothing is recorded for it while tasks run: it is put together when it is asked for, out of the
//! wakers that those who wait have left in locks, queues, futures, timers and tasks. What it costs,
//! and what can't be known, is in `docs/design/deadlock.md`.

mod survey;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

pub(crate) use survey::{Needs, Survey, What};

use crate::LoopRef;
use crate::task::TaskTag;
use crate::task::cell::TaskRef;
use survey::{Findings, Wait};

/// How many tasks that are in no cycle a report names, and how many waits of each task.
const TASKS_SHOWN: usize = 20;
const WAITS_SHOWN: usize = 6;

/// Which task waits for what at one moment: see [`LoopRef::wait_graph`].
///
/// A value of its own, which may be kept and sent elsewhere. Displays as a report, one line for each
/// wait, with those first who wait for each other:
///
/// ```
/// use bucle_loop::{get_running_loop, spawn_named, sync::Lock, yield_now};
/// use std::rc::Rc;
///
/// bucle_loop::run(async {
///     let accounts = Rc::new(Lock::named("accounts"));
///     let held = accounts.acquire().await;
///     let waiting = accounts.clone();
///     let task = spawn_named("audit", async move { drop(waiting.acquire().await) });
///     yield_now().await;
///     let graph = get_running_loop().wait_graph();
///     let audit = graph.task(task.tag().id()).unwrap();
///     assert_eq!(audit.waits[0].name.as_deref(), Some("accounts"));
///     assert!(graph.to_string().contains("`audit`"));
///     assert!(graph.cycles().is_empty());
///     drop(held);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WaitGraph {
    tasks: Vec<WaitingTask>,
    cycles: Vec<Vec<TaskTag>>,
    descriptors: Vec<WatchedDescriptor>,
}

/// A task of a [`WaitGraph`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitingTask {
    /// Which one.
    pub tag: TaskTag,
    /// The number of the task that spawned it.
    pub parent_id: Option<u64>,
    /// It runs, or is about to.
    pub ready: bool,
    /// What it waits for. More than one if it waits for several things at once; what it waited for
    /// before and didn't let go of may be among them.
    pub waits: Vec<WaitsFor>,
    /// How many more wakers of it there are, which the loop can't see: in other threads, in jobs of
    /// an executor, in connections, in futures of other crates.
    pub elsewhere: usize,
}

/// One thing that a task waits for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitsFor {
    /// What kind of thing it is.
    pub kind: WaitKind,
    /// What its type is called: `Lock`, `PriorityQueue`, `Future`.
    pub called: &'static str,
    /// The name it was given.
    pub name: Option<String>,
    /// Where it was made.
    pub made_at: Option<&'static Location<'static>>,
    /// How many of how many: parties that came to a barrier.
    pub count: Option<(usize, usize)>,
    /// The tasks whose end, or whose letting go, would end the wait. Empty where anybody could.
    pub held_by: Vec<TaskTag>,
    /// How long until it ends by itself, at the time the graph was made.
    pub ends_in: Option<Duration>,
}

/// What kind of thing a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitKind {
    /// A lock that another task has.
    Lock,
    /// A permit of a semaphore.
    Semaphore,
    /// An event that is not set.
    Event,
    /// A condition to be notified.
    Condition,
    /// The other parties of a barrier.
    Barrier,
    /// An item of a queue that is empty.
    QueueGet,
    /// Room in a queue that is full.
    QueuePut,
    /// All items of a queue to be done.
    QueueJoin,
    /// A settable future.
    Future,
    /// The end of a task.
    Task,
    /// The end of a task group's tasks.
    TaskGroup,
    /// A child of its own scope.
    ScopedTask,
    /// A point in time.
    Sleep,
    /// A descriptor, or a simulated socket, to be ready.
    Descriptor,
    /// Its own cancellation, to catch it.
    Cancellation,
    /// Any of the places of a gather, a wait, a scope; never in a [`WaitGraph`], which has what is
    /// waited for in each of them.
    #[doc(hidden)]
    Several,
}

/// A descriptor that the loop watches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchedDescriptor {
    /// Its number; under simulation, a simulated socket's.
    pub number: i32,
    /// It is watched for being readable.
    pub reads: bool,
    /// It is watched for being writable.
    pub writes: bool,
    /// Who is told: a transport by its own description, a callback by where it was added.
    pub owner: String,
}

impl WaitGraph {
    /// The tasks that have not ended, oldest first.
    pub fn tasks(&self) -> &[WaitingTask] {
        &self.tasks
    }

    /// The task with this number.
    pub fn task(&self, id: u64) -> Option<&WaitingTask> {
        let place = self.tasks.binary_search_by_key(&id, |task| task.tag.id());
        place.ok().map(|place| &self.tasks[place])
    }

    /// Tasks that wait for each other in a circle, each for the next and the last for the first,
    /// through locks, joins, gathers and groups, with no other way to be woken. Only a cancellation
    /// can help them. There may be more circles than are here, but none without a task of one that
    /// is.
    pub fn cycles(&self) -> &[Vec<TaskTag>] {
        &self.cycles
    }

    /// The descriptors that the loop watches, its own aside.
    pub fn descriptors(&self) -> &[WatchedDescriptor] {
        &self.descriptors
    }

    fn new(event_loop: &LoopRef, findings: &Findings) -> WaitGraph {
        let core = &*event_loop.core;
        let words = Words {
            findings,
            now: core.clock.now(),
        };
        let stuck = findings.stuck();
        let cycles = findings.cycles(&stuck);
        WaitGraph {
            tasks: words.tasks(),
            cycles: cycles.iter().map(|cycle| words.tags(cycle)).collect(),
            descriptors: event_loop.watched_descriptors(),
        }
    }
}

/// Puts findings into words.
struct Words<'a> {
    findings: &'a Findings,
    now: u64,
}

impl Words<'_> {
    fn tags(&self, nodes: &[usize]) -> Vec<TaskTag> {
        let tasks = nodes.iter().filter_map(|node| self.task(*node));
        tasks.map(TaskRef::tag).collect()
    }

    fn task(&self, node: usize) -> Option<&TaskRef> {
        self.findings.nodes[node].task.as_ref()
    }

    fn tasks(&self) -> Vec<WaitingTask> {
        let nodes = self.findings.nodes.iter();
        nodes
            .filter_map(|node| {
                let task = node.task.as_ref()?;
                let mut waits = Vec::new();
                self.waits(&node.waits, &mut waits);
                Some(WaitingTask {
                    tag: task.tag(),
                    parent_id: Some(task.parent()).filter(|id| *id != 0),
                    ready: task.is_under_way(),
                    waits,
                    elsewhere: usize::try_from(node.elsewhere()).unwrap_or(0),
                })
            })
            .collect()
    }

    /// What a node waits for, what it waits for through the places of its sets among it.
    fn waits(&self, numbers: &[usize], out: &mut Vec<WaitsFor>) {
        for number in numbers {
            let wait = &self.findings.waits[*number];
            match &wait.needs {
                Needs::Set(set) => {
                    for place in &self.findings.sets[*set] {
                        self.waits(&self.findings.nodes[*place].waits, out);
                    }
                }
                _ if wait.what.kind == WaitKind::Cancellation => {}
                _ => out.push(self.wait(wait)),
            }
        }
    }

    fn wait(&self, wait: &Wait) -> WaitsFor {
        let held_by = match &wait.needs {
            Needs::Tasks(ids) => {
                let nodes = ids.iter().filter_map(|id| self.findings.node_of(*id));
                self.tags(&nodes.collect::<Vec<_>>())
            }
            _ => Vec::new(),
        };
        let what = &wait.what;
        WaitsFor {
            kind: what.kind,
            called: what.called,
            name: what.name.as_deref().map(String::from),
            made_at: what.made_at,
            count: what.count,
            held_by,
            ends_in: what
                .deadline
                .map(|deadline| Duration::from_nanos(deadline.saturating_sub(self.now))),
        }
    }
}

impl LoopRef {
    /// Which task of this loop waits for what now, who holds it, and who waits for each other.
    ///
    /// Looks at every task and every place where one waits: for reports and tools. Nothing is
    /// recorded beforehand, and no task is polled for it.
    #[doc(alias("capture_call_graph", "format_call_graph", "print_call_graph"))]
    pub fn wait_graph(&self) -> WaitGraph {
        WaitGraph::new(self, &Findings::of(self, true))
    }
}

impl fmt::Display for WaitGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines::default();
        for (number, cycle) in self.cycles.iter().enumerate() {
            if number > 0 || cycle.len() > 1 {
                lines.line(f, format_args!("these wait for each other:"))?;
            }
            for tag in cycle {
                if let Some(task) = self.task(tag.id()) {
                    lines.task(f, task)?;
                }
            }
        }
        let in_cycle = |task: &&WaitingTask| {
            let mut members = self.cycles.iter().flatten();
            members.any(|tag| tag.id() == task.tag.id())
        };
        let others: Vec<&WaitingTask> = self.tasks.iter().filter(|task| !in_cycle(task)).collect();
        if !self.cycles.is_empty() && !others.is_empty() {
            lines.line(f, format_args!("besides:"))?;
        }
        for task in others.iter().take(TASKS_SHOWN) {
            lines.task(f, task)?;
        }
        if others.len() > TASKS_SHOWN {
            let more = others.len() - TASKS_SHOWN;
            lines.line(f, format_args!("  and {more} more tasks"))?;
        }
        for watched in self.descriptors.iter().take(TASKS_SHOWN) {
            lines.line(f, format_args!("  watched: {watched}"))?;
        }
        if lines.0 == 0 {
            lines.line(f, format_args!("  no task is left"))?;
        }
        Ok(())
    }
}

/// Lines with a break between them.
#[derive(Default)]
struct Lines(usize);

impl Lines {
    fn line(&mut self, f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
        if self.0 > 0 {
            f.write_str("\n")?;
        }
        self.0 += 1;
        f.write_fmt(text)
    }

    fn task(&mut self, f: &mut fmt::Formatter<'_>, task: &WaitingTask) -> fmt::Result {
        let (tag, location) = (&task.tag, task.tag.location());
        if task.ready {
            return self.line(f, format_args!("  `{tag}` from {location} is ready to run"));
        }
        if task.waits.is_empty() && task.elsewhere == 0 {
            return self.line(
                f,
                format_args!("  `{tag}` from {location} waits for nothing that could wake it"),
            );
        }
        for wait in task.waits.iter().take(WAITS_SHOWN) {
            self.line(
                f,
                format_args!("  `{tag}` from {location} waits for {wait}"),
            )?;
        }
        if task.waits.len() > WAITS_SHOWN {
            let more = task.waits.len() - WAITS_SHOWN;
            self.line(
                f,
                format_args!("  `{tag}` from {location} waits for {more} more"),
            )?;
        }
        if task.elsewhere > 0 {
            self.line(
                f,
                format_args!(
                    "  `{tag}` from {location} waits for something the loop can't see: another \
                     thread, a job, a connection, or a future of another crate"
                ),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            WaitKind::Lock | WaitKind::Event | WaitKind::Barrier | WaitKind::Future => "",
            WaitKind::Semaphore => "a permit of ",
            WaitKind::Condition => "a notification of ",
            WaitKind::QueueGet => "an item of ",
            WaitKind::QueuePut => "room in ",
            WaitKind::QueueJoin => "all items to be done of ",
            WaitKind::Task => "the end of ",
            WaitKind::TaskGroup => "the tasks of ",
            WaitKind::ScopedTask => "a child of its scope",
            WaitKind::Sleep => "its sleep to end",
            WaitKind::Descriptor => "",
            WaitKind::Cancellation | WaitKind::Several => "",
        })?;
        if !matches!(
            self.kind,
            WaitKind::Task | WaitKind::ScopedTask | WaitKind::Sleep | WaitKind::Descriptor
        ) {
            f.write_str(self.called)?;
        }
        match &self.name {
            Some(name) if self.kind == WaitKind::Descriptor => f.write_str(name)?,
            Some(name) => write!(f, " {name:?}")?,
            None => {}
        }
        if let Some(made_at) = self.made_at {
            write!(f, " made at {made_at}")?;
        }
        if let Some((count, of)) = self.count {
            write!(f, ", to which {count} of {of} came")?;
        }
        match self.kind {
            WaitKind::QueueGet => f.write_str(", which is empty")?,
            WaitKind::QueuePut => f.write_str(", which is full")?,
            WaitKind::Event => f.write_str(", which is not set")?,
            WaitKind::Lock if self.held_by.is_empty() => {
                f.write_str(", held by hand or from outside of any task")?;
            }
            WaitKind::Lock => f.write_str(", held by ")?,
            WaitKind::TaskGroup => f.write_str(", of which are left ")?,
            _ => {}
        }
        for (number, tag) in self.held_by.iter().take(WAITS_SHOWN).enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}`{tag}`")?;
        }
        if self.held_by.len() > WAITS_SHOWN {
            write!(f, " and {} more", self.held_by.len() - WAITS_SHOWN)?;
        }
        if let Some(left) = self.ends_in {
            write!(f, " in {left:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WatchedDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.reads, self.writes) {
            (true, true) => "to be readable or writable",
            (true, false) => "to be readable",
            (false, true) => "to be writable",
            (false, false) => "for nothing now",
        };
        write!(f, "fd {} {what}, for {}", self.number, self.owner)
    }
}

/// What a loop that goes to sleep can know: see `event_loop::deadlock`.
pub(crate) struct Look {
    /// Nobody can wake any task any more.
    pub(crate) dead: bool,
    /// The numbers of the tasks of each cycle, from the lowest on.
    pub(crate) cycles: Vec<Vec<u64>>,
    /// What it cost to look.
    pub(crate) size: usize,
}

impl Look {
    /// `quiet` says that nothing but wakers could bring any task to run.
    pub(crate) fn at(event_loop: &LoopRef, quiet: bool) -> Look {
        let findings = Findings::of(event_loop, false);
        let mut look = Look {
            dead: quiet && findings.nobody_elsewhere(),
            cycles: Vec::new(),
            size: findings.size(),
        };
        if look.dead {
            return look;
        }
        let stuck = findings.stuck();
        for cycle in findings.cycles(&stuck) {
            let tasks = cycle
                .iter()
                .filter_map(|node| findings.nodes[*node].task.as_ref());
            let mut ids: Vec<u64> = tasks.map(TaskRef::id).collect();
            ids.sort_unstable();
            if !ids.is_empty() {
                look.cycles.push(ids);
            }
        }
        look
    }
}
