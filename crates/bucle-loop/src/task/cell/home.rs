//! [`Home`]: what the tasks of one loop have in common, and the memory of those that are gone.
//!
//! A cell has one pointer to it instead of the loop's number, the inbox, the owner's token and the
//! queue. So it is there as long as a cell is, also one that only wakers on other threads keep, after
//! its loop and its thread are gone. It is counted as cells are, on either side: the loop's
//! [`HomeRef`] and the cells that have an owner's reference in a plain number, and all these together,
//! as one, with each cell that was left to its wakers, in an atomic one. What only the owner's thread
//! may touch is dropped there, with the last of the plain number.
//!
//! A third of what a short task costs is `malloc` and `free`. So a cell that its owner frees is kept
//! for the next task of about that size, in a list for each size, as long as all that is kept is
//! under [`KEPT`] bytes. Only the owner's thread puts memory here and takes it: a cell that another
//! thread frees goes to the allocator. The loop's `close` gives all of it back.
//!
//! A use of freed memory is harder for a tool to see where memory is kept: `--cfg
//! bucle_no_recycling` leaves every cell to the allocator, and so does loom's.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use super::locations::Locations;
use crate::inbox::Inbox;
use crate::primitives::{AtomicI64, Ordering, Tracker, assign_thread_token, fence};
use crate::ready::ReadyQueue;

/// How many bytes of free cells a loop keeps at most: 2,000 of the smallest.
const KEPT: usize = 256 * 1024;

/// Cells of up to this size are kept.
const LARGEST: usize = STEP * CLASSES;

/// The sizes are multiples of 16 less the 8 bytes that the usual `malloc` puts before each block, so
/// that rounding up to one takes nothing that `malloc` would not have taken.
const STEP: usize = 16;
const SPENT: usize = 8;
const CLASSES: usize = 40;
/// The class of what is not kept.
const NONE: u32 = u32::MAX;

/// What a loop's cells point to.
///
/// Held by [`HomeRef`]s, and by cells that are left to their wakers.
pub(crate) struct Home {
    shared: SharedHome,
    /// How many `HomeRef`s there are. Only for the owner's thread, as `local`.
    refs: Cell<usize>,
    /// There until `refs` is 0.
    local: ManuallyDrop<LocalHome>,
}

/// For all threads. Alone on its cache lines: they are only read, but for a count that hardly ever
/// changes, while the rest is written all the time.
#[repr(align(128))]
struct SharedHome {
    /// The owner's [`thread_token`](crate::primitives::thread_token).
    owner: u64,
    loop_id: u64,
    inbox: &'static Inbox,
    /// The cells that are left to their wakers, and one more while there are `refs`.
    holders: AtomicI64,
    tracker: HomeTracker,
}

/// Loom tells of a home that is not freed, or used then. Elsewhere cells alone are counted.
#[cfg(loom)]
type HomeTracker = Tracker;
#[cfg(not(loom))]
type HomeTracker = std::marker::PhantomData<Tracker>;

#[cfg(loom)]
fn track() -> HomeTracker {
    Tracker::new()
}
#[cfg(not(loom))]
fn track() -> HomeTracker {
    std::marker::PhantomData
}

/// For the owner's thread.
#[derive(Default)]
struct LocalHome {
    ready: ReadyQueue,
    free: FreeCells,
    locations: Locations,
}

impl Home {
    /// The token of the thread whose cells these are.
    #[inline]
    pub(super) fn owner(&self) -> u64 {
        self.shared.owner
    }

    /// The number of its loop.
    #[inline]
    pub(super) fn loop_id(&self) -> u64 {
        self.shared.loop_id
    }

    /// Its loop's inbox, as long as that knows the loop's number.
    #[inline]
    pub(super) fn inbox(&self) -> &'static Inbox {
        self.shared.inbox
    }

    /// Counts a cell that is left to its wakers.
    #[inline]
    pub(super) fn hold(&self) {
        // Relaxed: the caller has a `HomeRef`, so that this can't be what brings it away from 0.
        self.shared.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a [`hold`](Home::hold) back, where a `HomeRef` keeps the home.
    pub(super) fn let_go_again(&self) {
        self.shared.holders.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one of them out, and frees the home if that was what kept it.
    ///
    /// # Safety
    /// It was counted by [`hold`](Home::hold), once for this once, or is what the `HomeRef`s are
    /// counted as; the caller doesn't touch the home again.
    pub(super) unsafe fn let_go(home: NonNull<Home>) {
        // SAFETY: what is counted out keeps the home alive until it is. The place is named through
        // the pointer, so that no reference outlives the moment in which another thread may free it.
        let before = unsafe {
            #[cfg(loom)]
            (*home.as_ptr()).shared.tracker.touch();
            (*home.as_ptr())
                .shared
                .holders
                .fetch_sub(1, Ordering::Release)
        };
        if before == 1 {
            // Whatever the others did with it happened before it is freed.
            fence(Ordering::Acquire);
            // SAFETY: it came from a box in `HomeRef::new`, and nobody holds it any more. What of it
            // has to be dropped on the owner's thread was: the `HomeRef`s are gone.
            drop(unsafe { Box::from_raw(home.as_ptr()) });
        }
    }

    /// Where its tasks were spawned.
    #[inline]
    pub(super) fn locations(&self) -> &Locations {
        &self.local.locations
    }

    /// Gives the memory back that is kept for further tasks, and keeps none from now on.
    pub(crate) fn close(&self) {
        self.local.free.kept.set(usize::MAX);
        self.local.free.clear();
    }

    /// Whether [`close`](Home::close) was called.
    pub(super) fn is_closed(&self) -> bool {
        self.local.free.kept.get() == usize::MAX
    }

    /// Memory for a cell of this layout, which is one of [`layout_of`] and of this class.
    #[inline]
    pub(super) fn allocate(&self, layout: Layout, class: u32) -> NonNull<u8> {
        match self.local.free.take(layout, class) {
            Some(memory) => memory,
            None => allocate(layout),
        }
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// It came from `allocate` with this layout, of this home or another, and nobody uses it;
    /// `class` is that of the layout.
    #[inline]
    pub(super) unsafe fn free(&self, memory: NonNull<u8>, layout: Layout, class: u32) {
        // SAFETY: as the caller says.
        unsafe {
            if !self.local.free.put(memory, layout, class) {
                free(memory, layout);
            }
        }
    }
}

/// A reference to a [`Home`] for the thread that made it. A clone costs an addition.
///
/// Dereferences to the home, and that to the ready queue.
pub(crate) struct HomeRef {
    ptr: NonNull<Home>,
}

impl HomeRef {
    /// The home of the loop `loop_id`, whose owner is the calling thread; a wake on another one
    /// travels through `inbox`.
    pub(crate) fn new(loop_id: u64, inbox: &'static Inbox) -> HomeRef {
        let home = Box::new(Home {
            shared: SharedHome {
                owner: assign_thread_token(),
                loop_id,
                inbox,
                holders: AtomicI64::new(1),
                tracker: track(),
            },
            refs: Cell::new(1),
            local: ManuallyDrop::default(),
        });
        HomeRef {
            ptr: NonNull::from(Box::leak(home)),
        }
    }

    /// What a cell holds it by, which counts as a `HomeRef`.
    #[inline]
    pub(super) fn into_raw(self) -> NonNull<Home> {
        ManuallyDrop::new(self).ptr
    }

    /// Takes it back.
    ///
    /// # Safety
    /// It came from [`into_raw`](HomeRef::into_raw) on this thread, and is given up here.
    #[inline]
    pub(super) unsafe fn from_raw(ptr: NonNull<Home>) -> HomeRef {
        HomeRef { ptr }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.refs.get()
    }
}

impl Clone for HomeRef {
    #[inline]
    fn clone(&self) -> HomeRef {
        // Each is a cell's or a loop's: 2^64 don't fit into memory.
        self.refs.set(self.refs.get() + 1);
        HomeRef { ptr: self.ptr }
    }
}

impl Drop for HomeRef {
    #[inline]
    fn drop(&mut self) {
        match self.refs.get() {
            1 => self.drop_last(),
            refs => self.refs.set(refs - 1),
        }
    }
}

impl HomeRef {
    #[cold]
    #[inline(never)]
    fn drop_last(&mut self) {
        let local = {
            // SAFETY: `local` is there until `refs` is 0, which it becomes here. It is moved out as
            // its destructor may be anybody's code, which finds no `HomeRef` any more.
            unsafe {
                (*self.ptr.as_ptr()).refs.set(0);
                (&raw const (*self.ptr.as_ptr()).local)
                    .cast::<LocalHome>()
                    .read()
            }
        };
        /// Counts the `HomeRef`s out, also if a destructor panics.
        struct LetGo(NonNull<Home>);
        impl Drop for LetGo {
            fn drop(&mut self) {
                // SAFETY: the `HomeRef`s were counted as one, and the last of them goes here.
                unsafe { Home::let_go(self.0) };
            }
        }
        let _let_go = LetGo(self.ptr);
        drop(local);
    }
}

impl Deref for HomeRef {
    type Target = Home;

    #[inline]
    fn deref(&self) -> &Home {
        // SAFETY: `self` is counted, and no `&mut Home` is ever made. What isn't for all threads is
        // reached through `HomeRef` only, which doesn't leave the owner's thread, or from cells, by
        // those who are on it.
        unsafe { self.ptr.as_ref() }
    }
}

impl Deref for Home {
    type Target = ReadyQueue;

    #[inline]
    fn deref(&self) -> &ReadyQueue {
        &self.local.ready
    }
}

/// The layout of the memory for a cell of type `T`.
pub(super) const fn layout_of<T>() -> Layout {
    let layout = Layout::new::<T>();
    if layout.size() + SPENT > LARGEST || layout.align() > STEP {
        return layout;
    }
    let size = (layout.size() + SPENT).next_multiple_of(STEP) - SPENT;
    match Layout::from_size_align(size, STEP) {
        Ok(layout) => layout,
        Err(_) => layout,
    }
}

/// Which list memory of this layout belongs to. Asked when the program is compiled.
pub(super) const fn class_of(layout: Layout) -> u32 {
    if cfg!(any(loom, bucle_no_recycling)) || layout.align() != STEP {
        return NONE;
    }
    let class = (layout.size() + SPENT) / STEP - 1;
    if class < CLASSES { class as u32 } else { NONE }
}

#[cold]
#[inline(never)]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: the layout is that of a cell, whose header alone isn't of size 0.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives memory to the allocator, from any thread.
///
/// # Safety
/// It came from `allocate` with this layout, and nobody uses it.
#[inline(never)]
pub(super) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    // SAFETY: as the caller says; `allocate` had it from `alloc`.
    unsafe { dealloc(memory.as_ptr(), layout) };
}

/// What lies at the beginning of memory that is kept: the next of its list.
struct FreeCell {
    next: Option<NonNull<FreeCell>>,
}

/// Memory that is kept, in one list a size. Not `Sync`, as its cells aren't.
struct FreeCells {
    lists: [Cell<Option<NonNull<FreeCell>>>; CLASSES],
    /// Bytes in all of them; the greatest number once nothing is to be kept any more.
    kept: Cell<usize>,
}

impl Default for FreeCells {
    fn default() -> FreeCells {
        FreeCells {
            lists: [const { Cell::new(None) }; CLASSES],
            kept: Cell::new(0),
        }
    }
}

impl FreeCells {
    #[inline]
    fn take(&self, layout: Layout, class: u32) -> Option<NonNull<u8>> {
        let list = self.lists.get(class as usize)?;
        let first = list.get()?;
        // SAFETY: what is in a list was put there by `put`, which wrote the `FreeCell` and says
        // that nobody else uses the memory; it leaves the list here.
        list.set(unsafe { first.as_ref() }.next);
        self.kept.set(self.kept.get() - layout.size());
        Some(first.cast())
    }

    /// Keeps memory, if there is room; false leaves it to the caller.
    ///
    /// # Safety
    /// It was allocated with this layout, whose class this is, and nobody uses it.
    #[inline]
    unsafe fn put(&self, memory: NonNull<u8>, layout: Layout, class: u32) -> bool {
        let Some(list) = self.lists.get(class as usize) else {
            return false;
        };
        let kept = self.kept.get();
        // What has a class is smaller than KEPT. Of a closed home the number is the greatest there is.
        if kept > KEPT - layout.size() {
            return false;
        }
        let first: NonNull<FreeCell> = memory.cast();
        let next = list.replace(Some(first));
        // SAFETY: it is ours now, and large enough and aligned for the `FreeCell`: it was a cell,
        // which has a header.
        unsafe { first.write(FreeCell { next }) };
        self.kept.set(kept + layout.size());
        true
    }

    fn clear(&self) {
        for (class, list) in self.lists.iter().enumerate() {
            let size = STEP * (class + 1) - SPENT;
            let mut first = list.take();
            while let Some(cell) = first {
                // SAFETY: as in `take`; every list has memory of one layout, this one.
                unsafe {
                    first = cell.as_ref().next;
                    free(cell.cast(), Layout::from_size_align_unchecked(size, STEP));
                }
            }
        }
    }
}

impl Drop for FreeCells {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(all(test, not(any(loom, bucle_no_recycling))))]
mod tests {
    use super::*;

    struct Sized<const N: usize>([u64; N]);

    #[test]
    fn layouts_are_rounded_to_the_classes() {
        assert_eq!(layout_of::<Sized<14>>().size(), 120);
        assert_eq!(layout_of::<Sized<15>>().size(), 120);
        assert_eq!(layout_of::<Sized<16>>().size(), 136);
        assert_eq!(class_of(layout_of::<Sized<15>>()), 7);
        // The largest that is kept, and one more word.
        assert_eq!(class_of(layout_of::<Sized<79>>()), CLASSES as u32 - 1);
        assert_eq!(layout_of::<Sized<80>>(), Layout::new::<Sized<80>>());
        assert_eq!(class_of(layout_of::<Sized<80>>()), NONE);
        #[repr(align(64))]
        struct Aligned(#[expect(dead_code, reason = "only its size matters")] u8);
        assert_eq!(class_of(layout_of::<Aligned>()), NONE);
    }

    #[test]
    fn what_was_freed_is_used_again_and_no_more_is_kept_than_said() {
        let inbox = Inbox::acquire(1 << 40, Box::new(|| ()));
        let home = HomeRef::new(1 << 40, inbox);
        let layout = layout_of::<Sized<15>>();
        let class = class_of(layout);
        let larger = layout_of::<Sized<30>>();
        let first = home.allocate(layout, class);
        // SAFETY: it came from `allocate` with this layout.
        unsafe { home.free(first, layout, class) };
        assert_eq!(home.local.free.kept.get(), layout.size());
        let other = home.allocate(larger, class_of(larger));
        assert_ne!(other, first, "of another size");
        assert_eq!(home.allocate(layout, class), first);
        assert_eq!(home.local.free.kept.get(), 0);

        // SAFETY: as above.
        unsafe { home.free(first, layout, class) };
        let many: Vec<_> = (0..KEPT / layout.size() + 9)
            .map(|_| home.allocate(layout, class))
            .collect();
        for memory in many {
            // SAFETY: as above.
            unsafe { home.free(memory, layout, class) };
        }
        assert_eq!(
            home.local.free.kept.get(),
            KEPT / layout.size() * layout.size()
        );

        let is_empty = || {
            home.local
                .free
                .lists
                .iter()
                .all(|list| list.get().is_none())
        };
        home.close();
        assert!(is_empty());
        // SAFETY: as above.
        unsafe { home.free(other, larger, class_of(larger)) };
        assert!(is_empty());
        drop(inbox.close(1 << 40));
    }
}
