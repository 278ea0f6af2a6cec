//! The task cell: one heap allocation a task, which holds its future, then its output, and all that
//! wakes it.
//!
//! This module is the crate's only home of `unsafe`. It never blocks, and it runs nobody's code but
//! the future, its destructor, its output's, and the wakers and callbacks it was given.
//!
//! # Who holds a cell
//!
//! | reference               | lives on              | counted in                                           |
//! |-------------------------|-----------------------|------------------------------------------------------|
//! | [`TaskRef`] [`JoinRef`] | the owner's thread    | `refs`, a plain number                               |
//! | `Waker`, [`RemoteTask`] | any thread            | `local_wakers` on the owner's thread, `shared_wakers` (atomic) elsewhere |
//!
//! The *owner* is the thread that made the task. While an owner's reference exists nobody has to
//! know the number of wakers, so a clone here that is dropped there may leave one of the two
//! numbers negative: only their sum has a meaning. When the last owner's reference goes, everything
//! that belongs to the task is dropped, on the owner's thread; then the two numbers are *merged*
//! into the atomic one, and whoever drops the last waker, on whichever thread, frees the memory.
//! See [`count`].
//!
//! # Who touches what
//!
//! | field                                        | written by               | read by            |
//! |----------------------------------------------|--------------------------|--------------------|
//! | `vtable` `home`, and its `shared`            | nobody after `new`       | all                |
//! | `shared_wakers` `remote_notified`             | all, atomically          | all                |
//! | everything else, and the stage               | the owner's thread       | the owner's thread |
//!
//! # States
//!
//! ```text
//!            schedule, wake
//!        ┌──────────────────┐
//!        ▼                  │
//!    SCHEDULED ──run──▶ RUNNING ──Pending──▶ idle ◀── new
//!                           │ value, panic,   │ abandon, last owner's
//!                           │ CANCEL          │ reference dropped
//!                           └───▶ CLOSED ◀────┘      the future is being dropped or gone: wakes do nothing
//!                                   ▼
//!                                 DONE               the result is there, or was taken
//! ```
#![allow(unsafe_code)]

mod call;
mod count;
mod current;
mod fifo;
mod home;
mod join;
mod locations;
mod number;
mod places;
mod prefetch;
mod rare;
mod seen;
mod stage;
mod waker;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod model_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::cell::Cell as PlainCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

pub(crate) use call::RemoteCall;
pub(crate) use current::CurrentTask;
pub(crate) use fifo::Fifo;
use home::Home;
pub(crate) use home::HomeRef;
pub(crate) use join::JoinRef;
pub(crate) use places::Places;
pub(crate) use prefetch::prefetch_woken;
pub(crate) use waker::{RemoteTask, clone_waker, note_wait_of, task_of, wake_ours};

use crate::context;
use crate::primitives::{AtomicBool, AtomicI32, Cell, Tracker, thread_token};
use crate::ready::ReadyQueue;
use crate::task::catching::CatchTree;
use crate::task::error::discard;
use crate::task::{Cancelled, Panic, TaskError, TaskTag, unwinding};
use number::Number;
use rare::{Extra, Rare};
use stage::{Payload, Polled, TaskCell, VTable};

/// In the ready queue. Cleared by `run`, before the poll: a wake during it schedules again.
const SCHEDULED: u8 = 1 << 0;
/// Inside the future's `poll`.
const RUNNING: u8 = 1 << 1;
/// The future will not be polled again; it is being dropped, or it is gone. Never taken back.
const CLOSED: u8 = 1 << 2;
/// The result is there, or was taken. Only with `CLOSED`. Never taken back.
const DONE: u8 = 1 << 3;
/// The stage holds the output. Only with `CLOSED` and `JOINED`.
const VALUE: u8 = 1 << 4;
/// A `JoinRef` exists. Set by `new`, cleared for good when that is dropped.
const JOINED: u8 = 1 << 5;
/// `Extra::cancel` holds a request that the next run obeys. Never with `DONE`.
const CANCEL: u8 = 1 << 6;
/// A cancellation ended the task. Only with `DONE`. Never taken back.
const CANCELLED: u8 = 1 << 7;

/// In place of `Header::parent`: the number is in `Extra::parent`, as it isn't so little before.
const FAR: u32 = u32::MAX;

/// What a cell has whatever its future; the first field of [`TaskCell`].
struct Header {
    vtable: &'static VTable,
    /// From [`HomeRef::into_raw`]; given back with the last owner's reference. If wakers are left then,
    /// it is held for them until the last of these goes.
    home: NonNull<Home>,
    rare: Rare,
    /// Wakers cloned minus wakers dropped, on other threads than the owner's, in steps of
    /// `count::ONE`; lowest bit: merged.
    shared_wakers: AtomicI32,
    /// Wakers cloned minus wakers dropped, on the owner's thread; without meaning once merged.
    local_wakers: Cell<i32>,
    /// References of the owner's thread. 0 means merged, for good.
    refs: Cell<u32>,
    key: PlainCell<u32>,
    /// Where it was spawned, by the number of its home.
    location: u32,
    /// How far the number of the task that spawned it is before its own; 0 if none did.
    parent: PlainCell<u32>,
    number: Number,
    flags: Cell<u8>,
    /// A `RemoteTask` is on its way through the inbox, or was refused for ever because the loop is
    /// closed.
    remote_notified: AtomicBool,
    tracker: Tracker,
}

#[cfg(all(not(loom), not(test), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Header>() <= 56);

/// What is called once when a task has ended.
pub(crate) type DoneCallback = Box<dyn FnOnce()>;

/// What came of [`TaskRef::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Polled, and it waits for something.
    Pending,
    /// It ended in this run: the loop sees to its callbacks.
    Done,
    /// Not polled: it had ended before, or it is being polled further up the stack.
    Skipped,
}

/// A task, for the thread that made it. One word; a clone costs an addition.
///
/// When the last of these and the [`JoinRef`] are gone, a future that is still there is dropped.
pub(crate) struct TaskRef {
    ptr: NonNull<Header>,
}

impl TaskRef {
    /// Makes a task of the loop whose home this is. Doesn't schedule it.
    pub(crate) fn new<F>(future: F, tag: TaskTag, home: HomeRef) -> (TaskRef, JoinRef<F::Output>)
    where
        F: Future + 'static,
    {
        let (id, name, location) = tag.into_parts();
        let memory = TaskCell::<F>::memory(&home);
        let header = Header {
            vtable: VTable::of::<F>(),
            rare: Rare::new(name),
            shared_wakers: AtomicI32::new(0),
            local_wakers: Cell::new(0),
            // The two that are returned.
            refs: Cell::new(2),
            key: PlainCell::new(0),
            location: home.locations().number_of(location),
            parent: PlainCell::new(0),
            number: Number::new(id),
            flags: Cell::new(JOINED),
            remote_notified: AtomicBool::new(false),
            home: home.into_raw(),
            tracker: Tracker::new(),
        };
        let ptr = memory.fill(header, future);
        (TaskRef { ptr }, JoinRef::new(TaskRef { ptr }))
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the cell lives at least as long as `refs`, in which `self` is counted, isn't 0;
        // it was made from a whole `Header` and no `&mut Header` is ever made. What isn't for all
        // threads is reached through `TaskRef` and `JoinRef` only, which don't leave the owner's
        // thread, or by wakers after they compared the owner's token.
        unsafe { self.ptr.as_ref() }
    }

    /// Puts the task into its loop's ready queue, unless it is there or has ended.
    #[inline]
    pub(crate) fn schedule(&self) {
        let header = self.header();
        let flags = header.flags.get();
        if flags & (SCHEDULED | CLOSED) == 0 {
            header.flags.set(flags | SCHEDULED);
            header.ready().push_task(|| self.clone());
        }
    }

    /// [`schedule`](TaskRef::schedule) with this reference.
    #[inline]
    pub(crate) fn into_ready(self) {
        let flags = self.header().flags.get();
        if flags & (SCHEDULED | CLOSED) == 0 {
            self.header().flags.set(flags | SCHEDULED);
            // The home, and the queue in it, are there as long as the task, which will be in it.
            let task = ManuallyDrop::new(self);
            let ready = task.header().ready();
            ready.push_task(|| TaskRef { ptr: task.ptr });
        }
    }

    /// Whether its loop was closed.
    pub(crate) fn is_loop_closed(&self) -> bool {
        self.header().home().is_closed()
    }

    /// The ready queue of its loop.
    pub(crate) fn ready_queue(&self) -> &ReadyQueue {
        self.header().ready()
    }

    /// Polls the future once, or ends the task if that was asked for. Never unwinds.
    #[inline(always)]
    pub(crate) fn run(&self) -> Ran {
        let header = self.header();
        let flags = header.flags.get();
        if flags & (RUNNING | CLOSED | CANCEL) != 0 {
            return self.run_otherwise();
        }
        header.flags.set(flags & !SCHEDULED | RUNNING);
        // SAFETY: the stage holds the future: CLOSED isn't set. Nobody else polls or drops it:
        // RUNNING wasn't set, and now is. We are on the owner's thread, as `self` is, and `self`
        // keeps the cell alive.
        let polled = unsafe {
            let waker = ManuallyDrop::new(waker::borrowed(self.ptr));
            (header.vtable.poll)(self.ptr, &mut Context::from_waker(&waker))
        };
        let flags = header.flags.get();
        match polled {
            Polled::Pending => {
                header.flags.set(flags & !RUNNING);
                return Ran::Pending;
            }
            Polled::Ready if flags & CANCEL == 0 => self.finish(),
            Polled::Ready => self.finish_asked(),
            Polled::Panicked(payload) => self.finish_panicked(*payload),
        }
        Ran::Done
    }

    /// As in asyncio: who asked for the end of a task is not told "yes" and then given a value.
    #[cold]
    fn finish_asked(&self) {
        let cancelled = self.header().with_extra(|extra| extra.cancel.take());
        match cancelled {
            Some(cancelled) => self.finish_with(TaskError::Cancelled(cancelled)),
            None => self.finish(),
        }
    }

    #[cold]
    fn finish_panicked(&self, payload: Payload) {
        self.finish_with(TaskError::Panicked(Panic::new(payload, self.tag())));
    }

    #[cold]
    fn run_otherwise(&self) -> Ran {
        let header = self.header();
        let flags = header.flags.get() & !SCHEDULED;
        header.flags.set(flags);
        if flags & CLOSED != 0 {
            return Ran::Skipped;
        }
        if flags & RUNNING != 0 {
            // A loop inside the loop came here. The outer one will find the task in the queue.
            self.schedule();
            return Ran::Skipped;
        }
        let (cancelled, catching) =
            header.with_extra(|extra| (extra.cancel.take(), extra.catching.clone()));
        let mut cancelled = cancelled.unwrap_or_else(|| Cancelled::new(""));
        if let Some(catching) = catching {
            header.flags.set(flags & !CANCEL);
            match catching.deliver(cancelled) {
                Ok(()) => {
                    // Perhaps nobody was woken by it: who has one already needs no more. But this run
                    // was perhaps queued by another wake, which must not be lost.
                    self.schedule();
                    return Ran::Skipped;
                }
                Err(back) => cancelled = back,
            }
        }
        self.drop_future(cancelled);
        Ran::Done
    }

    /// Ends the task now: drops its future, and the joiner gets `cancelled`, or the reason of a
    /// cancel that came first.
    ///
    /// Does nothing if the task has ended; called from inside the task it is a
    /// [`cancel`](TaskRef::cancel).
    pub(crate) fn abandon(&self, cancelled: Cancelled) {
        let header = self.header();
        let flags = header.flags.get();
        if flags & CLOSED != 0 {
            return;
        }
        if flags & RUNNING != 0 {
            self.cancel(cancelled);
            return;
        }
        let earlier = header
            .rare
            .peek_extra(|extra| extra.cancel.take())
            .flatten();
        self.drop_future(earlier.unwrap_or(cancelled));
    }

    /// The end of a task that is neither closed nor running.
    fn drop_future(&self, cancelled: Cancelled) {
        let header = self.header();
        header.flags.set(header.flags.get() | CLOSED);
        let (dropped, cancelled) = unwinding::by_cancelling(cancelled, || {
            // SAFETY: the stage held the future, as CLOSED wasn't set until now; nobody polls it,
            // as RUNNING isn't set; from now on nobody will, nor drop it again. The owner's thread,
            // alive: as in `run`.
            unsafe { (header.vtable.drop_future)(self.ptr) }
        });
        self.finish_with(match dropped {
            Ok(()) => TaskError::Cancelled(cancelled),
            Err(payload) => TaskError::Panicked(Panic::new(payload, self.tag())),
        });
    }

    /// As [`finish`](TaskRef::finish), without a value.
    fn finish_with(&self, error: TaskError) {
        let header = self.header();
        if let TaskError::Cancelled(_) = &error {
            header.flags.set(header.flags.get() | CANCELLED);
        }
        header.with_extra(|extra| extra.error = Some(error));
        self.finish();
    }

    /// The future is gone and the value, if there is one, is stored: say so.
    #[inline]
    fn finish(&self) {
        let header = self.header();
        let flags = header.flags.get();
        debug_assert_ne!(flags & CLOSED, 0, "only a closed task is done");
        header.flags.set(flags & !(RUNNING | CANCEL) | DONE);
        if let Some(joiner) = header.rare.take_joiner(header.home())
            && let Err(joiner) = wake_ours(joiner)
            // A waker of somebody else's making may panic; `run` doesn't.
            && let Err(payload) = catch_unwind(AssertUnwindSafe(|| joiner.wake()))
        {
            discard(payload);
        }
    }

    /// Asks the task to end when the loop next comes to it. False if it has ended. The first
    /// request's reason is kept.
    pub(crate) fn cancel(&self, cancelled: Cancelled) -> bool {
        let header = self.header();
        let flags = header.flags.get();
        if flags & CLOSED != 0 {
            return false;
        }
        if flags & CANCEL == 0 {
            header.with_extra(|extra| extra.cancel = Some(cancelled));
            header.flags.set(flags | CANCEL);
            self.schedule();
        }
        true
    }

    /// Takes a request of [`cancel`](TaskRef::cancel) back that no run has obeyed yet.
    pub(crate) fn uncancel(&self) -> Option<Cancelled> {
        let header = self.header();
        let flags = header.flags.get();
        if flags & (CANCEL | CLOSED) != CANCEL {
            return None;
        }
        header.flags.set(flags & !CANCEL);
        let taken = header.with_extra(|extra| extra.cancel.take());
        if let Some(catching) = self.catching() {
            catching.settled();
        }
        taken
    }

    /// Whether a request to end waits to be obeyed, or somebody inside the task holds one back.
    pub(crate) fn is_cancelling(&self) -> bool {
        let flags = self.header().flags.get();
        flags & CANCEL != 0
            || (flags & CLOSED == 0 && self.catching().is_some_and(|tree| tree.has_caught()))
    }

    /// Whether a cancellation ended the task.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.header().flags.get() & CANCELLED != 0
    }

    /// Whether it has any of what few tasks have: a name, callbacks, an error, a context, ...
    #[inline]
    pub(crate) fn has_rare(&self) -> bool {
        self.header().rare.has_extra()
    }

    /// The cancellation that ended the task, if its result was not taken.
    pub(crate) fn cancellation(&self) -> Option<Cancelled> {
        let error = self.header().rare.peek_extra(|extra| extra.error.clone());
        error.flatten()?.cancelled().cloned()
    }

    /// Whether the task has a value that was not taken yet.
    #[inline]
    pub(crate) fn has_value(&self) -> bool {
        self.header().flags.get() & (DONE | VALUE) == DONE | VALUE
    }

    /// Whether the task has ended, in whatever way.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.header().flags.get() & DONE != 0
    }

    /// Whether nobody can take the task's result any more.
    #[inline]
    pub(crate) fn is_detached(&self) -> bool {
        self.header().flags.get() & JOINED == 0
    }

    /// Keeps `callback` for [`take_done_callbacks`](TaskRef::take_done_callbacks), under the number
    /// that is returned; or gives it back if the task has ended.
    pub(crate) fn add_done_callback(&self, callback: DoneCallback) -> Result<u64, DoneCallback> {
        if self.is_done() {
            return Err(callback);
        }
        Ok(self.header().with_extra(|extra| {
            let number = extra.numbered;
            extra.numbered += 1;
            extra.callbacks.push((number, callback));
            number
        }))
    }

    /// Takes one callback back.
    pub(crate) fn remove_done_callback(&self, number: u64) -> Option<DoneCallback> {
        let removed = self.header().rare.peek_extra(|extra| {
            let place = extra.callbacks.iter().position(|(n, _)| *n == number)?;
            Some(extra.callbacks.remove(place).1)
        });
        removed.flatten()
    }

    /// The callbacks, in the order they were added. Whoever ends a task takes them and sees that
    /// they run.
    pub(crate) fn take_done_callbacks(&self) -> Vec<DoneCallback> {
        let taken = self
            .header()
            .rare
            .peek_extra(|extra| std::mem::take(&mut extra.callbacks))
            .unwrap_or_default();
        taken.into_iter().map(|(_, callback)| callback).collect()
    }

    /// The values of its context variables, if it has any.
    pub(crate) fn context(&self) -> Option<context::Context> {
        self.header()
            .rare
            .peek_extra(|extra| extra.context.clone())
            .flatten()
    }

    /// Gives the task its context; gives back the one it had.
    pub(crate) fn set_context(&self, context: context::Context) -> Option<context::Context> {
        self.header()
            .with_extra(|extra| extra.context.replace(context))
    }

    /// Who may catch its cancellation, if anybody ever could.
    pub(crate) fn catching(&self) -> Option<Rc<CatchTree>> {
        self.header()
            .rare
            .peek_extra(|extra| extra.catching.clone())
            .flatten()
    }

    /// The same, made if it wasn't there.
    pub(crate) fn catching_or_new(&self) -> Rc<CatchTree> {
        self.header()
            .with_extra(|extra| extra.catching.get_or_insert_default().clone())
    }

    /// The panic that ended the task, if its result was not taken and this was not asked before.
    #[inline]
    pub(crate) fn unseen_panic(&self) -> Option<Panic> {
        self.header()
            .rare
            .peek_extra(|extra| match &extra.error {
                Some(TaskError::Panicked(panic)) if !extra.seen => {
                    extra.seen = true;
                    Some(panic.clone())
                }
                _ => None,
            })
            .flatten()
    }

    /// Who it is.
    pub(crate) fn tag(&self) -> TaskTag {
        TaskTag::new(self.id(), self.name(), self.location())
    }

    /// Whether both are of the same task.
    pub(crate) fn is(&self, other: &TaskRef) -> bool {
        self.ptr == other.ptr
    }

    /// The task's number.
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.header().number.get()
    }

    /// The task's name, if it was given one.
    #[inline]
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.header()
            .rare
            .peek_extra(|extra| extra.name.clone())
            .flatten()
    }

    /// Names the task, also anew.
    pub(crate) fn set_name(&self, name: Arc<str>) {
        self.header().with_extra(|extra| extra.name = Some(name));
    }

    /// The number of the task that spawned it, 0 if none did.
    #[inline]
    pub(crate) fn parent(&self) -> u64 {
        let header = self.header();
        match header.parent.get() {
            0 => 0,
            FAR => header.rare.peek_extra(|extra| extra.parent).unwrap_or(0),
            before => self.id() - u64::from(before),
        }
    }

    /// Notes which task spawned it.
    #[inline]
    pub(crate) fn set_parent(&self, id: u64) {
        if id != 0 {
            let before = self.id().wrapping_sub(id);
            if before.wrapping_sub(1) < u64::from(FAR) - 1 {
                self.header().parent.set(before as u32);
            } else {
                self.set_far_parent(id);
            }
        }
    }

    #[cold]
    fn set_far_parent(&self, id: u64) {
        let header = self.header();
        header.with_extra(|extra| extra.parent = id);
        header.parent.set(FAR);
    }

    /// Where the task was spawned.
    #[inline]
    pub(crate) fn location(&self) -> &'static Location<'static> {
        let header = self.header();
        header.home().locations().place(header.location)
    }

    /// The task's place in its loop's table: what `set_key` said last.
    #[inline]
    pub(crate) fn key(&self) -> u32 {
        self.header().key.get()
    }

    /// Notes the task's place in its loop's table.
    #[inline]
    pub(crate) fn set_key(&self, key: u32) {
        self.header().key.set(key);
    }
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> TaskRef {
        self.header().add_ref(self.ptr)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        let header = self.header();
        match header.refs.get() {
            1 => self.drop_last(),
            refs => header.refs.set(refs - 1),
        }
    }
}

impl TaskRef {
    /// Drops all that belongs to the task, then leaves the memory to the wakers. `refs` is 1
    /// meanwhile, so whatever the destructors do with references and wakers of this task counts as
    /// ever and doesn't come back here.
    #[inline(never)]
    fn drop_last(&mut self) {
        let header = self.header();
        let flags = header.flags.get();
        if flags & CLOSED == 0 {
            header.flags.set(flags | CLOSED);
            // SAFETY: as in `TaskRef::drop_future`. RUNNING isn't set: whoever runs the task holds
            // a reference.
            if let Err(payload) = unsafe { (header.vtable.drop_future)(self.ptr) } {
                // Nobody is left to be told; the panic hook was.
                discard(payload);
            }
        }
        if !header.rare.is_empty() {
            self.drop_rare();
        }
        // SAFETY: `home` came from `HomeRef::into_raw` and is given back this once, at the end of this
        // function: this is the last reference, and as CLOSED is set no waker makes a new one or
        // uses the queue.
        let home = unsafe { HomeRef::from_raw(header.home) };
        // Destructors may have cloned the reference they were given by somebody who has one. Nobody
        // had but we.
        debug_assert_eq!(
            header.refs.get(),
            1,
            "a reference was made from the last one"
        );
        // SAFETY: the last owner's reference, on the owner's thread; all that a destructor has to
        // be run for on this thread is gone.
        unsafe { count::release_owner(self.ptr, &home) };
    }
}

impl TaskRef {
    /// What a waker, a callback or the value of a context variable does when it is dropped is other
    /// people's code, and this runs wherever a reference goes.
    #[inline(never)]
    fn drop_rare(&self) {
        let header = self.header();
        if let Some(joiner) = header.rare.take_joiner(header.home()) {
            drop_quietly(joiner);
        }
        if let Some(extra) = header.rare.take_extra() {
            drop_quietly(extra);
        }
    }
}

/// Drops what nobody is left to be told of, if it panics; the panic hook was.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard(payload);
    }
}

impl Header {
    /// Whether this is the owner's thread.
    #[inline]
    fn is_owner(&self) -> bool {
        self.shared_home().owner() == thread_token()
    }

    /// Counts one more owner's reference. `ptr` is this header's; the caller is on the owner's
    /// thread and knows that there is an owner's reference already.
    #[inline]
    fn add_ref(&self, ptr: NonNull<Header>) -> TaskRef {
        match self.refs.get().checked_add(1) {
            Some(refs) => self.refs.set(refs),
            // As `Rc` does: 2^32 references can only be leaked ones, and a count that wraps would
            // free what is used.
            None => std::process::abort(),
        }
        TaskRef { ptr }
    }

    #[inline]
    fn ready(&self) -> &ReadyQueue {
        self.home()
    }

    /// [`Rare::with_extra`].
    fn with_extra<R>(&self, look: impl FnOnce(&mut Extra) -> R) -> R {
        self.rare.with_extra(self.home(), look)
    }

    /// For those on the owner's thread who hold an owner's reference, or a waker that found CLOSED
    /// not set, so that an owner's reference exists: what is for that thread is there still.
    #[inline]
    fn home(&self) -> &Home {
        self.shared_home()
    }

    /// For anybody who keeps the cell alive: of what is in it only what is for all threads.
    #[inline]
    fn shared_home(&self) -> &Home {
        // SAFETY: it is alive as long as the cell is: an owner's reference of the cell counts as a
        // `HomeRef`, and before the last of these is dropped it is held for the wakers.
        unsafe { self.home.as_ref() }
    }
}
