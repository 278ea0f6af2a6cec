//! Who waits where at this moment, gathered from all places, and what follows from it.
//!
//! A *node* is something that wakers wake: a task, or one of the places of a
//! [`WakeSet`](crate::wake_set::WakeSet), which wakes the task that owns the set. Of each node it is
//! known how many wakers it has, and the survey finds those that are in places the loop knows. A
//! node with more wakers than were found can be woken from elsewhere: by another thread, a foreign
//! future, a callback.

use std::collections::HashMap;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use crate::LoopRef;
use crate::task::cell::TaskRef;
use crate::waits::WakerKey;

use super::WaitKind;

/// Filled by each place with those that wait in it.
#[derive(Default)]
pub(crate) struct Survey {
    waits: Vec<Wait>,
    places: Vec<(WakerKey, i64, usize)>,
    sets: usize,
}

/// One waker in one place.
pub(super) struct Wait {
    who: WakerKey,
    pub(super) what: What,
    pub(super) needs: Needs,
}

/// What is waited for, in words that cost nothing until they are read.
pub(crate) struct What {
    pub(crate) kind: WaitKind,
    /// `Lock`, `PriorityQueue`: as the user knows it.
    pub(crate) called: &'static str,
    pub(crate) name: Option<Rc<str>>,
    pub(crate) made_at: Option<&'static Location<'static>>,
    pub(crate) count: Option<(usize, usize)>,
    /// On the loop's clock.
    pub(crate) deadline: Option<u64>,
}

impl What {
    pub(crate) fn new(kind: WaitKind, called: &'static str) -> What {
        What {
            kind,
            called,
            name: None,
            made_at: None,
            count: None,
            deadline: None,
        }
    }

    pub(crate) fn at(mut self, location: &'static Location<'static>) -> What {
        self.made_at = Some(location);
        self
    }
}

/// Who can end a wait.
pub(crate) enum Needs {
    /// Whoever has the thing, or a timer: as far as is known, anybody.
    Anyone,
    /// The end of one of these tasks, or what the holder of a lock does.
    Tasks(Vec<u64>),
    /// A place of a set.
    Set(usize),
    /// Nobody but the task itself, which would have to run for that.
    Itself,
}

impl Survey {
    /// `waker` is woken by what `needs` says.
    pub(crate) fn waits(&mut self, waker: &Waker, what: What, needs: Needs) {
        self.add(WakerKey::of(waker), what, needs);
    }

    fn add(&mut self, who: WakerKey, what: What, needs: Needs) {
        self.waits.push(Wait { who, what, needs });
    }

    /// A set of places, each with the number of its wakers that are not the set's own; each wakes
    /// `owner`.
    pub(crate) fn set(
        &mut self,
        owner: Option<&Waker>,
        places: impl Iterator<Item = (WakerKey, i64)>,
    ) {
        let number = self.sets;
        self.sets += 1;
        self.places
            .extend(places.map(|(key, wakers)| (key, wakers, number)));
        if let Some(owner) = owner {
            let what = What::new(WaitKind::Several, "");
            self.waits(owner, what, Needs::Set(number));
        }
    }
}

/// A node, and what of it is known.
pub(super) struct Node {
    /// None for a place of a set.
    pub(super) task: Option<TaskRef>,
    wakers: i64,
    /// The numbers of its waits.
    pub(super) waits: Vec<usize>,
}

impl Node {
    /// How many of its wakers are where the loop can't see.
    pub(super) fn elsewhere(&self) -> i64 {
        self.wakers - self.waits.len() as i64
    }
}

/// The survey, put together. Tasks come first, by their numbers.
pub(super) struct Findings {
    pub(super) nodes: Vec<Node>,
    pub(super) waits: Vec<Wait>,
    /// The nodes of each set.
    pub(super) sets: Vec<Vec<usize>>,
    by_id: HashMap<u64, usize>,
    by_key: HashMap<WakerKey, usize>,
}

impl Findings {
    /// Asks all places. For a report timers and descriptors are asked too, which otherwise count as
    /// wakers that are elsewhere.
    pub(super) fn of(event_loop: &LoopRef, report: bool) -> Findings {
        let core = &*event_loop.core;
        let mut survey = Survey::default();
        let mut tasks = core.tasks.all();
        tasks.sort_unstable_by_key(TaskRef::id);
        for place in core.wait_places.all() {
            place.tell(&mut survey);
        }
        core.future_waits.tell(&mut survey);
        for task in &tasks {
            if let Some(joiner) = task.joiner_key() {
                let what = What::new(WaitKind::Task, "Task");
                survey.add(joiner, what, Needs::Tasks(vec![task.id()]));
            }
            if task.has_rare()
                && let Some(catching) = task.catching()
            {
                catching.tell(&mut survey);
            }
        }
        if report {
            core.timers.tell(&mut survey);
            event_loop.tell_of_descriptors(&mut survey);
        }
        Findings::put_together(tasks, survey)
    }

    fn put_together(tasks: Vec<TaskRef>, survey: Survey) -> Findings {
        let mut found = Findings {
            nodes: Vec::with_capacity(tasks.len() + survey.places.len()),
            waits: survey.waits,
            sets: vec![Vec::new(); survey.sets],
            by_id: HashMap::with_capacity(tasks.len()),
            by_key: HashMap::with_capacity(tasks.len() + survey.places.len()),
        };
        for task in tasks {
            found.by_id.insert(task.id(), found.nodes.len());
            found.by_key.insert(task.waker_key(), found.nodes.len());
            found.nodes.push(Node {
                wakers: task.wakers(),
                task: Some(task),
                waits: Vec::new(),
            });
        }
        for (key, wakers, set) in survey.places {
            found.by_key.insert(key, found.nodes.len());
            found.sets[set].push(found.nodes.len());
            found.nodes.push(Node {
                task: None,
                wakers,
                waits: Vec::new(),
            });
        }
        for (number, wait) in found.waits.iter().enumerate() {
            if let Some(node) = found.by_key.get(&wait.who) {
                found.nodes[*node].waits.push(number);
            }
        }
        found
    }

    /// What looking at all of it costs, in nodes and waits.
    pub(super) fn size(&self) -> usize {
        self.nodes.len() + self.waits.len()
    }

    pub(super) fn node_of(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Whether nobody but the places that were asked can wake anything, and nothing is under way.
    pub(super) fn nobody_elsewhere(&self) -> bool {
        self.nodes.iter().all(|node| {
            let under_way = node.task.as_ref().is_some_and(TaskRef::is_under_way);
            !under_way && node.elsewhere() <= 0
        })
    }

    /// The nodes through which a wait can end; `None` if it can end otherwise too.
    fn needed(&self, wait: &Wait) -> Option<Vec<usize>> {
        match &wait.needs {
            Needs::Anyone => None,
            // One that is not in the table has ended, or never was one.
            Needs::Tasks(ids) if ids.is_empty() => None,
            Needs::Tasks(ids) => ids.iter().map(|id| self.node_of(*id)).collect(),
            Needs::Set(set) => Some(self.sets[*set].clone()),
            Needs::Itself => Some(Vec::new()),
        }
    }

    /// The nodes that a node's waits depend on.
    pub(super) fn edges(&self, node: usize) -> Vec<usize> {
        let waits = self.nodes[node].waits.iter();
        waits
            .filter_map(|wait| self.needed(&self.waits[*wait]))
            .flatten()
            .collect()
    }

    /// For each node whether it can go on only when another such node does: nobody else can wake it.
    ///
    /// What can be woken from elsewhere, or waits for something that anybody may bring about, isn't
    /// stuck; nor is what depends on that. A task that waits for nothing at all isn't either: it is
    /// there to be cancelled.
    pub(super) fn stuck(&self) -> Vec<bool> {
        let mut alive = Vec::new();
        let mut feeds: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate() {
            let under_way = node.task.as_ref().is_some_and(TaskRef::is_under_way);
            let mut free = under_way || node.elsewhere() > 0;
            let mut depends = node.task.is_none();
            for wait in &node.waits {
                match self.needed(&self.waits[*wait]) {
                    None => free = true,
                    Some(needed) => {
                        depends |= !needed.is_empty();
                        for needed in needed {
                            feeds[needed].push(number);
                        }
                    }
                }
            }
            if free || !depends {
                alive.push(number);
            }
        }
        let mut stuck = vec![true; self.nodes.len()];
        while let Some(node) = alive.pop() {
            if std::mem::replace(&mut stuck[node], false) {
                alive.append(&mut feeds[node]);
            }
        }
        stuck
    }

    /// Cycles among the stuck nodes: from each, along its first edge, until one comes twice. Every
    /// group of nodes that wait for each other has at least one found in it.
    pub(super) fn cycles(&self, stuck: &[bool]) -> Vec<Vec<usize>> {
        let mut walk_of = vec![0; self.nodes.len()];
        let mut cycles = Vec::new();
        for start in (0..self.nodes.len()).filter(|node| stuck[*node]) {
            let mut path = Vec::new();
            let mut at = Some(start);
            while let Some(node) = at.filter(|node| walk_of[*node] == 0) {
                walk_of[node] = start + 1;
                path.push(node);
                at = self.edges(node).into_iter().find(|next| stuck[*next]);
            }
            if let Some(again) = at.filter(|node| walk_of[*node] == start + 1)
                && let Some(from) = path.iter().position(|node| *node == again)
            {
                cycles.push(path.split_off(from));
            }
        }
        cycles
    }
}
