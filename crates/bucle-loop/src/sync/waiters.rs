//! Who waits: the one list behind every primitive of this module.
//!
//! A list of places, first come first. Each belongs to one future, which enters the list when it is
//! first polled in vain and leaves it when it is done or dropped. A waiter is *granted* what it waits
//! for where it stands: it is woken, and finds the grant when it is polled. What a grant means, and
//! what becomes of it when its waiter leaves without having been polled, is the primitive's business.
//! The list decides nothing, and knows no value, lock or clock.
//!
//! ```text
//!     first                                  last
//!       │                                      │
//!     [granted] ─ [granted] ─ [waiting] ─ [waiting]
//!                                 │
//!                             next_up
//! ```
//!
//! The granted ones always stand before the waiting ones. Every step is O(1); a place is a node in a
//! slab, so nothing is allocated once the slab has grown.
//!
//! Wakers, and the last references to tasks, are other people's code when they are called or
//! dropped: that is done only when the list is whole and not borrowed. So a primitive must be whole,
//! too, before it grants.
//!
//! This is the choke point of all waiting in `sync`: [`Waiters::wait`] knows the task that begins to
//! wait, and [`Waiters::leave`] is where every wait ends. The list is made when somebody first waits,
//! and is known to the loop from then on, so that a wait-for graph can be drawn of it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;

use super::label::Label;
use crate::task::{TaskHandle, current_ref};
use crate::wait_graph::{Needs, Survey, WaitKind};
use crate::waits::{Member, Waited};

/// No node.
const NONE: u32 = u32::MAX;

/// A place in a list. Belongs to one future; not `Copy`, so that it is given back once.
#[derive(Debug)]
pub(super) struct Place(u32);

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Waiters {
    line: OnceCell<Rc<Line>>,
    /// All that are in the list. Kept outside of it, as most questions are answered by these two.
    len: Cell<u32>,
    granted: Cell<u32>,
}

/// The list, and what is to be known of it by who draws the graph.
struct Line {
    list: RefCell<List>,
    label: Label,
    role: Role,
    /// The number of the task that has what the others wait for; 0 if that isn't known.
    holder: Cell<u64>,
    member: Member,
}

/// What those in a list wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) kind: WaitKind,
    /// How many it takes, where they wait for each other.
    pub(super) parties: Option<usize>,
}

impl From<WaitKind> for Role {
    fn from(kind: WaitKind) -> Role {
        Role {
            kind,
            parties: None,
        }
    }
}

struct List {
    nodes: Slab<Node>,
    first: u32,
    last: u32,
    /// The first that waits.
    next_up: u32,
    /// Lent to those that wake many.
    wakers: Vec<Waker>,
}

struct Node {
    /// Taken when it is woken, and renewed when it is polled again.
    waker: Option<Waker>,
    /// The task it belongs to, if it was polled in one. Its name is looked up when it is asked for.
    task: Option<TaskHandle>,
    previous: u32,
    next: u32,
    grant: Option<u32>,
}

impl Default for List {
    fn default() -> List {
        List {
            nodes: Slab::new(),
            first: NONE,
            last: NONE,
            next_up: NONE,
            wakers: Vec::new(),
        }
    }
}

/// A grant of which the waiter was not told yet.
#[must_use = "a waiter that isn't woken never comes"]
pub(super) struct Granted {
    /// The task that is granted it.
    pub(super) task: Option<TaskHandle>,
    waker: Option<Waker>,
}

impl Granted {
    /// Tells the waiter. Runs other people's code: be done with everything else.
    pub(super) fn wake(self) {
        if let Some(waker) = self.waker {
            waker.wake();
        }
    }
}

impl Waiters {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// How many are in the list, the granted ones among them.
    pub(super) fn len(&self) -> usize {
        self.len.get() as usize
    }

    /// How many were granted and didn't come to see it yet.
    pub(super) fn granted(&self) -> usize {
        self.granted.get() as usize
    }

    /// Enters the list at its end, or, if `place` is one already, stays and is woken by the waker of
    /// `cx` from now on. `label` and `role` say what for: the same for all.
    ///
    /// # Panics
    /// At 2^32 - 1 waiters.
    pub(super) fn wait(
        &self,
        place: &mut Option<Place>,
        cx: &mut Context<'_>,
        label: &Label,
        role: impl Into<Role>,
    ) {
        if let Some(Place(key)) = place {
            return self.renew(*key, cx);
        }
        let waker = cx.waker().clone();
        let line = self.line.get_or_init(|| {
            Rc::new(Line {
                list: RefCell::default(),
                label: label.clone(),
                role: role.into(),
                holder: Cell::new(0),
                member: Member::default(),
            })
        });
        let task = line.member.begin_in_task(line).map(TaskHandle::new);
        let key = line.list.borrow_mut().link(waker, task);
        self.len.set(self.len.get() + 1);
        *place = Some(Place(key));
    }

    /// The list of a [`Place`]: who has one has waited.
    fn list(&self) -> &RefCell<List> {
        match self.line.get() {
            Some(line) => &line.list,
            None => unreachable!("a place in a list nobody ever waited in"),
        }
    }

    /// Notes which task has what the others wait for; none if that isn't known.
    pub(super) fn note_holder(&self, holder: Option<&TaskHandle>) {
        if let Some(line) = self.line.get() {
            line.holder
                .set(holder.map_or(0, |task| task.task_ref().id()));
        }
    }

    fn renew(&self, key: u32, cx: &mut Context<'_>) {
        if let Some(waker) = &self.list().borrow_mut().node(key).waker
            && waker.will_wake(cx.waker())
        {
            return;
        }
        // Another waker is another task, perhaps.
        let mut waker = Some(cx.waker().clone());
        let mut task = current_ref().map(TaskHandle::new);
        let mut list = self.list().borrow_mut();
        let node = list.node(key);
        std::mem::swap(&mut node.waker, &mut waker);
        std::mem::swap(&mut node.task, &mut task);
        drop(list);
    }

    /// Leaves the list if it was granted something: which one of those that were granted together it
    /// is. Otherwise nothing changes.
    #[inline]
    pub(super) fn claim(&self, place: &mut Option<Place>) -> Option<usize> {
        let key = place.as_ref()?.0;
        let rank = self.claim_node(key)?;
        *place = None;
        Some(rank)
    }

    fn claim_node(&self, key: u32) -> Option<usize> {
        let mut list = self.list().borrow_mut();
        list.node(key).grant?;
        let node = list.unlink(key);
        drop(list);
        self.count_out(node)
    }

    /// Gives the place up. What it was granted, if it was, is the caller's now.
    pub(super) fn leave(&self, place: Place) -> Option<usize> {
        let node = self.list().borrow_mut().unlink(place.0);
        self.count_out(node)
    }

    /// The node is dropped here, when the list is whole again.
    #[inline]
    fn count_out(&self, node: Node) -> Option<usize> {
        self.len.set(self.len.get() - 1);
        let rank = node.grant?;
        self.granted.set(self.granted.get() - 1);
        Some(rank as usize)
    }

    /// Grants to the first that waits and gives out its task; the caller tells it by
    /// [`Granted::wake`].
    pub(super) fn grant_next(&self) -> Option<Granted> {
        let mut list = self.line.get()?.list.borrow_mut();
        let node = list.grant(0)?;
        let granted = Granted {
            task: node.task.take(),
            waker: node.waker.take(),
        };
        self.granted.set(self.granted.get() + 1);
        Some(granted)
    }

    /// Grants to the first that waits, and wakes it. False if nobody waits.
    pub(super) fn grant_one(&self) -> bool {
        let Some(line) = self.line.get() else {
            return false;
        };
        let waker = {
            let mut list = line.list.borrow_mut();
            match list.grant(0) {
                Some(node) => node.waker.take(),
                None => return false,
            }
        };
        self.granted.set(self.granted.get() + 1);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Grants to the first `count` that wait, or to all if they are fewer, and wakes them in order.
    pub(super) fn grant(&self, count: usize) {
        let count = count.min(self.waiting());
        if count == 0 {
            return;
        }
        let mut wakers = {
            let mut list = self.list().borrow_mut();
            let mut wakers = std::mem::take(&mut list.wakers);
            // There are fewer than 2^32: see `wait`.
            for rank in 0..count as u32 {
                if let Some(node) = list.grant(rank) {
                    wakers.extend(node.waker.take());
                    self.granted.set(self.granted.get() + 1);
                }
            }
            wakers
        };
        self.wake_all(&mut wakers);
    }

    /// Takes back the last grant; its waiter waits again, at its place. False if there is none.
    ///
    /// The waiter was woken for nothing, and waits on when it is polled.
    pub(super) fn revoke_last(&self) -> bool {
        if self.granted.get() == 0 {
            return false;
        }
        let mut list = self.list().borrow_mut();
        let key = list.last_granted();
        list.node(key).grant = None;
        list.next_up = key;
        self.granted.set(self.granted.get() - 1);
        true
    }

    /// Wakes all that wait and grants them nothing: they are to look at the primitive again.
    pub(super) fn wake_waiting(&self) {
        if self.waiting() == 0 {
            return;
        }
        let mut wakers = {
            let mut list = self.list().borrow_mut();
            let mut wakers = std::mem::take(&mut list.wakers);
            let mut key = list.next_up;
            while let Some(node) = list.nodes.get_mut(key as usize) {
                wakers.extend(node.waker.take());
                key = node.next;
            }
            wakers
        };
        self.wake_all(&mut wakers);
    }

    fn wake_all(&self, wakers: &mut Vec<Waker>) {
        for waker in wakers.drain(..) {
            waker.wake();
        }
        std::mem::swap(&mut self.list().borrow_mut().wakers, wakers);
    }

    /// How many wait and were granted nothing.
    pub(super) fn waiting(&self) -> usize {
        (self.len.get() - self.granted.get()) as usize
    }

    /// The tasks that wait and were granted nothing, in order; none for what isn't polled in a task.
    pub(super) fn tasks(&self) -> Vec<Option<TaskHandle>> {
        let Some(line) = self.line.get() else {
            return Vec::new();
        };
        let list = line.list.borrow();
        let mut tasks = Vec::with_capacity(self.waiting());
        let mut key = list.next_up;
        while let Some(node) = list.nodes.get(key as usize) {
            tasks.push(node.task.clone());
            key = node.next;
        }
        tasks
    }
}

impl Waited for Line {
    fn tell(&self, survey: &mut Survey) {
        let list = self.list.borrow();
        for (_, node) in &list.nodes {
            let Some(waker) = &node.waker else {
                continue;
            };
            let mut what = self.label.what(self.role.kind);
            what.count = self.role.parties.map(|parties| (list.nodes.len(), parties));
            let needs = match self.holder.get() {
                0 => Needs::Anyone,
                holder => Needs::Tasks(vec![holder]),
            };
            survey.waits(waker, what, needs);
        }
    }
}

impl List {
    fn node(&mut self, key: u32) -> &mut Node {
        &mut self.nodes[key as usize]
    }

    fn link(&mut self, waker: Waker, task: Option<TaskHandle>) -> u32 {
        let entry = self.nodes.vacant_entry();
        let key = match u32::try_from(entry.key()) {
            Ok(key) if key != NONE => key,
            _ => panic!("2^32 - 1 waiters for one lock, event or queue"),
        };
        entry.insert(Node {
            waker: Some(waker),
            task,
            previous: self.last,
            next: NONE,
            grant: None,
        });
        match self.last {
            NONE => self.first = key,
            last => self.node(last).next = key,
        }
        self.last = key;
        if self.next_up == NONE {
            self.next_up = key;
        }
        key
    }

    fn unlink(&mut self, key: u32) -> Node {
        let node = self.nodes.remove(key as usize);
        match node.previous {
            NONE => self.first = node.next,
            previous => self.node(previous).next = node.next,
        }
        match node.next {
            NONE => self.last = node.previous,
            next => self.node(next).previous = node.previous,
        }
        if self.next_up == key {
            self.next_up = node.next;
        }
        node
    }

    fn grant(&mut self, rank: u32) -> Option<&mut Node> {
        let node = self.nodes.get_mut(self.next_up as usize)?;
        node.grant = Some(rank);
        self.next_up = node.next;
        Some(node)
    }

    /// The one before `next_up`, if any is granted.
    fn last_granted(&mut self) -> u32 {
        match self.next_up {
            NONE => self.last,
            key => self.node(key).previous,
        }
    }
}

impl fmt::Debug for Waiters {
    /// The names of those that wait, and how many were granted and are on their way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_list();
        for task in self.tasks() {
            match task {
                Some(task) => out.entry(&format_args!("{}", task.tag())),
                None => out.entry(&format_args!("(no task)")),
            };
        }
        if self.granted() > 0 {
            out.entry(&format_args!("{} woken", self.granted()));
        }
        out.finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
