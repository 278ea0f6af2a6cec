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
//! The granted ones always stand before the waiting ones. Every step is O(1); a place is a
//! node of [`Lines`], so nothing is allocated once these have grown.
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

use super::label::Label;
use crate::lines::{self, Lines, NONE};
use crate::task::cell::{clone_waker, task_of, wake_ours};
use crate::task::{TaskHandle, current_ref};
use crate::wait_graph::{Needs, Survey, WaitKind};
use crate::waits::{Member, Waited};

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
    nodes: Lines<Node>,
    ends: lines::Line,
    /// The first that waits.
    next_up: u32,
    /// Lent to those that wake many.
    wakers: Vec<Waker>,
}

#[derive(Default)]
struct Node {
    /// Taken when it is woken, and renewed when it is polled again.
    waker: Option<Waker>,
    /// The task it belongs to, if it was polled in one and the waker isn't that task's own.
    task: Option<TaskHandle>,
    grant: Option<u32>,
}

/// What was in a node that has left the list; dropped when that isn't borrowed.
struct Left {
    _waker: Option<Waker>,
    _task: Option<TaskHandle>,
    grant: Option<u32>,
}

impl Default for List {
    fn default() -> List {
        List {
            nodes: Lines::default(),
            ends: lines::Line::default(),
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
            wake(waker);
        }
    }
}

#[inline]
fn wake(waker: Waker) {
    if let Err(waker) = wake_ours(waker) {
        waker.wake();
    }
}

impl Node {
    /// The task that waits here. Its name is looked up when it is asked for.
    #[inline]
    fn task(&self) -> Option<TaskHandle> {
        let of_waker = || self.waker.as_ref().and_then(task_of).map(TaskHandle::new);
        self.task.clone().or_else(of_waker)
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
        let waker = clone_waker(cx.waker());
        let line = self.line.get_or_init(|| {
            Rc::new(Line {
                list: RefCell::default(),
                label: label.clone(),
                role: role.into(),
                holder: Cell::new(0),
                member: Member::default(),
            })
        });
        let task = line.member.begin_with(line, &waker).map(TaskHandle::new);
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
        if let Some(waker) = &self.list().borrow_mut().nodes[key].waker
            && waker.will_wake(cx.waker())
        {
            return;
        }
        // Another waker is another task, perhaps.
        let mut waker = Some(cx.waker().clone());
        let mut task = match task_of(cx.waker()) {
            Some(_) => None,
            None => current_ref().map(TaskHandle::new),
        };
        let mut list = self.list().borrow_mut();
        let node = &mut list.nodes[key];
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

    #[inline]
    fn claim_node(&self, key: u32) -> Option<usize> {
        let mut list = self.list().borrow_mut();
        list.nodes[key].grant?;
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
    fn count_out(&self, node: Left) -> Option<usize> {
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
            task: node.task(),
            waker: node.waker.take(),
        };
        self.granted.set(self.granted.get() + 1);
        Some(granted)
    }

    /// Grants to as many as `available` says, in order, or takes grants back of which somebody else
    /// was quicker. It is asked again after each step, as a grant may run other people's code.
    #[inline]
    pub(super) fn level(&self, available: impl Fn() -> usize) {
        let now = available();
        let granted = self.granted();
        if granted > now || granted < now && granted < self.len() {
            self.level_now(available);
        }
    }

    #[inline]
    fn level_now(&self, available: impl Fn() -> usize) {
        while self.granted() > available() {
            self.revoke_last();
        }
        while self.granted() < available() && self.grant_one() {}
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
            wake(waker);
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
        list.nodes[key].grant = None;
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
            while key != NONE {
                wakers.extend(list.nodes[key].waker.take());
                key = list.nodes.next(key);
            }
            wakers
        };
        self.wake_all(&mut wakers);
    }

    fn wake_all(&self, wakers: &mut Vec<Waker>) {
        for waker in wakers.drain(..) {
            wake(waker);
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
        let waiting = list.nodes.iter_from(list.next_up);
        waiting.map(Node::task).collect()
    }
}

impl Waited for Line {
    fn tell(&self, survey: &mut Survey) {
        let list = self.list.borrow();
        let len = list.nodes.iter(&list.ends).count();
        for node in list.nodes.iter(&list.ends) {
            let Some(waker) = &node.waker else {
                continue;
            };
            let mut what = self.label.what(self.role.kind);
            what.count = self.role.parties.map(|parties| (len, parties));
            let needs = match self.holder.get() {
                0 => Needs::Anyone,
                holder => Needs::Tasks(vec![holder]),
            };
            survey.waits(waker, what, needs);
        }
    }
}

impl List {
    #[inline]
    fn link(&mut self, waker: Waker, task: Option<TaskHandle>) -> u32 {
        let key = self.nodes.link(&mut self.ends);
        let node = &mut self.nodes[key];
        node.waker = Some(waker);
        node.task = task;
        if self.next_up == NONE {
            self.next_up = key;
        }
        key
    }

    #[inline]
    fn unlink(&mut self, key: u32) -> Left {
        let (node, next) = self.nodes.unlink(&mut self.ends, key);
        let left = Left {
            _waker: node.waker.take(),
            _task: node.task.take(),
            grant: node.grant.take(),
        };
        if self.next_up == key {
            self.next_up = next;
        }
        left
    }

    #[inline]
    fn grant(&mut self, rank: u32) -> Option<&mut Node> {
        let key = self.next_up;
        if key == NONE {
            return None;
        }
        self.next_up = self.nodes.next(key);
        let node = &mut self.nodes[key];
        node.grant = Some(rank);
        Some(node)
    }

    /// The one before `next_up`, if any is granted.
    fn last_granted(&self) -> u32 {
        match self.next_up {
            NONE => self.ends.last,
            key => self.nodes.previous(key),
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
