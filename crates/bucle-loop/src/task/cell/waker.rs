//! Wakers: the references to a cell that may be on any thread.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::count::{add_shared, add_waker, release_here, release_shared, release_waker};
use super::{CLOSED, Header, SCHEDULED, TaskRef};
use crate::inbox::Message;
use crate::primitives::Ordering;

/// One table for all types of futures: `Waker::will_wake` compares its address.
static WAKER: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// A waker that isn't counted, for the time of a poll.
///
/// # Safety
/// The cell stays alive while the waker is used, and the waker is forgotten, not dropped.
#[inline]
pub(super) unsafe fn borrowed(ptr: NonNull<Header>) -> Waker {
    // SAFETY: the four functions below do what `RawWaker` asks of them, on any thread.
    unsafe { Waker::from_raw(RawWaker::new(ptr.as_ptr().cast_const().cast(), &WAKER)) }
}

/// The cell of a waker of ours, which is forgotten; another one is given back.
#[inline]
pub(super) fn into_cell(waker: Waker) -> Result<*mut Header, Waker> {
    if !is_ours(&waker) {
        return Err(waker);
    }
    Ok(ManuallyDrop::new(waker).data().cast_mut().cast())
}

/// The waker that [`into_cell`] forgot, or [`clone_to_cell`] counted.
///
/// # Safety
/// It came from there, and no other waker is made of it.
#[inline]
pub(super) unsafe fn from_cell(cell: *mut Header) -> Waker {
    // SAFETY: it is the data of a waker of ours that is still counted.
    unsafe { Waker::from_raw(RawWaker::new(cell.cast_const().cast(), &WAKER)) }
}

/// Whether a waker is one of ours, so that its data points to a cell.
#[inline]
fn is_ours(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &raw const WAKER)
}

/// [`Waker::clone`], without the call through the table where the waker is a task's.
#[inline]
pub(crate) fn clone_waker(waker: &Waker) -> Waker {
    match clone_to_cell(waker) {
        // SAFETY: it was just cloned, and nothing else is made of it.
        Some(cell) => unsafe { from_cell(cell) },
        None => waker.clone(),
    }
}

/// Clones a waker of ours, and gives the cell that [`from_cell`] makes the clone of.
#[inline]
pub(super) fn clone_to_cell(waker: &Waker) -> Option<*mut Header> {
    if !is_ours(waker) {
        return None;
    }
    // SAFETY: `waker` is ours and keeps the cell alive; what is counted is the waker that may be made
    // of what is returned.
    unsafe {
        let ptr = header_of(waker.data());
        add_waker(ptr);
        Some(ptr.as_ptr())
    }
}

/// The task that a waker is of: `None` if it is of another make, of another thread's task, or of one
/// that is over.
#[inline]
pub(crate) fn task_of(waker: &Waker) -> Option<TaskRef> {
    let ptr = open_cell_of(waker)?;
    // SAFETY: the waker keeps the cell alive; this is its owner's thread, and an owner's reference
    // exists, as CLOSED isn't set.
    Some(unsafe { ptr.as_ref().add_ref(ptr) })
}

/// Notes that the task of a waker of ours began to wait, if it is one of the loop `loop_id`; else
/// nothing, and false.
#[inline]
pub(crate) fn note_wait_of(waker: &Waker, loop_id: u64) -> bool {
    let Some(ptr) = open_cell_of(waker) else {
        return false;
    };
    // SAFETY: as in `task_of`.
    let header = unsafe { ptr.as_ref() };
    let known = header.home().loop_id() == loop_id;
    if known {
        header.ready().note_wait();
    }
    known
}

/// The cell of a waker that is ours, if this is its owner's thread and it isn't closed: then there
/// is an owner's reference too.
#[inline]
fn open_cell_of(waker: &Waker) -> Option<NonNull<Header>> {
    if !is_ours(waker) {
        return None;
    }
    // SAFETY: it is ours, and keeps the cell alive. What isn't for all threads is looked at only
    // where this is the owner's.
    unsafe {
        let ptr = header_of(waker.data());
        let header = ptr.as_ref();
        (header.is_owner() && header.flags.get() & CLOSED == 0).then_some(ptr)
    }
}

/// [`Waker::wake`], without the call through the table where the waker is a task's. Gives
/// it back if it is not; if it is, nobody else's code was run, and nothing has panicked.
#[inline]
pub(crate) fn wake_ours(waker: Waker) -> Result<(), Waker> {
    if !is_ours(&waker) {
        return Err(waker);
    }
    let waker = ManuallyDrop::new(waker);
    // SAFETY: it is ours, and given up here.
    unsafe { wake(waker.data()) };
    Ok(())
}

/// # Safety
/// `data` is that of a waker of ours.
#[inline]
unsafe fn header_of(data: *const ()) -> NonNull<Header> {
    // SAFETY: `borrowed` and `clone` put the cell's pointer there, which isn't null.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// # Safety
/// `data` is that of a waker of ours, which the caller keeps.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller has a waker, whose data this is and which keeps the cell alive.
    unsafe { add_waker(header_of(data)) };
    RawWaker::new(data, &WAKER)
}

/// # Safety
/// `data` is that of a waker of ours, which the caller gives up.
unsafe fn release(data: *const ()) {
    // SAFETY: the caller gives up a waker, whose data this is.
    unsafe { release_waker(header_of(data)) };
}

/// # Safety
/// `data` is that of a waker of ours, which the caller keeps.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller has a waker, whose data this is and which keeps the cell alive.
    unsafe {
        let ptr = header_of(data);
        let header = ptr.as_ref();
        header.tracker.touch();
        if header.is_owner() {
            wake_here(ptr);
        } else {
            wake_by_ref_elsewhere(ptr);
        }
    }
}

/// # Safety
/// As for [`wake_by_ref`].
#[inline(never)]
unsafe fn wake_by_ref_elsewhere(ptr: NonNull<Header>) {
    // SAFETY: the caller has a waker, which keeps the cell alive.
    unsafe {
        let header = ptr.as_ref();
        if !header.remote_notified.swap(true, Ordering::AcqRel) {
            add_shared(header);
            send(ptr);
        }
    }
}

/// # Safety
/// `data` is that of a waker of ours, which the caller gives up.
#[inline]
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller gives up a waker, whose data this is. Until that is counted out, or has
    // become the message's, it keeps the cell alive; after it nothing is touched.
    unsafe {
        let ptr = header_of(data);
        let header = ptr.as_ref();
        header.tracker.touch();
        if header.is_owner() {
            wake_here(ptr);
            release_here(ptr);
        } else {
            wake_elsewhere(ptr);
        }
    }
}

/// # Safety
/// As for [`wake`].
#[inline(never)]
unsafe fn wake_elsewhere(ptr: NonNull<Header>) {
    // SAFETY: the caller gives up a waker. Until that has become the message's, or is counted out,
    // it keeps the cell alive; after it nothing is touched.
    unsafe {
        if !ptr.as_ref().remote_notified.swap(true, Ordering::AcqRel) {
            send(ptr);
        } else {
            release_shared(ptr);
        }
    }
}

/// Puts the task into the ready queue.
///
/// # Safety
/// On the owner's thread; the caller has something that keeps the cell alive.
#[inline]
unsafe fn wake_here(ptr: NonNull<Header>) {
    // SAFETY: as the caller says.
    let header = unsafe { ptr.as_ref() };
    let flags = header.flags.get();
    if flags & (SCHEDULED | CLOSED) == 0 {
        header.flags.set(flags | SCHEDULED);
        // An owner's reference exists, as CLOSED isn't set: it is set when the last one goes,
        // before that is counted out.
        header.ready().push_task(|| header.add_ref(ptr));
    }
}

/// Sends the task to its loop. `remote_notified` is set, so that no second message is on its way.
///
/// # Safety
/// The caller gives up a waker.
unsafe fn send(ptr: NonNull<Header>) {
    // SAFETY: the waker keeps the cell alive; what is had of it here outlives the waker.
    let home = unsafe { ptr.as_ref() }.shared_home();
    let (inbox, loop_id) = (home.inbox(), home.loop_id());
    // A closed loop polls nothing any more: a message that is refused is dropped, and with it the
    // count. The flag stays, so that later wakes don't try again.
    drop(inbox.push(loop_id, Message::Task(RemoteTask { ptr })));
}

/// A wake on its way to the owner's thread. Counts as a waker.
pub(crate) struct RemoteTask {
    ptr: NonNull<Header>,
}

// SAFETY: it is a waker, and what is done with it on a thread that isn't the owner's is done to the
// header's fields that all threads may use.
unsafe impl Send for RemoteTask {}

impl RemoteTask {
    /// Schedules the task.
    ///
    /// # Panics
    /// On another thread than the owner's.
    pub(crate) fn wake_from_inbox(self) {
        // SAFETY: `self` counts as a waker and keeps the cell alive.
        let header = unsafe { self.ptr.as_ref() };
        assert!(
            header.is_owner(),
            "a loop's messages are read on its own thread"
        );
        // Cleared before the poll, so that a wake during it sends another message. By a swap, not a
        // store: a thread that found the flag set sent nothing, and what it did before must have
        // happened before the poll.
        header.remote_notified.swap(false, Ordering::AcqRel);
        // SAFETY: the owner's thread; alive, as above.
        unsafe { wake_here(self.ptr) };
    }
}

impl Drop for RemoteTask {
    fn drop(&mut self) {
        // SAFETY: `self` counts as a waker and goes.
        unsafe { release_waker(self.ptr) };
    }
}
