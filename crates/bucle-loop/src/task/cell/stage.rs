//! The half of a cell that knows the future's type: the memory, and the few functions through which
//! the rest calls it.

use std::alloc::Layout;
use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::{ManuallyDrop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::home::{self, Home, class_of, layout_of};
use super::{CLOSED, Header, JOINED, VALUE};
use crate::primitives::Cell;
use crate::task::error::discard;

/// A whole cell.
#[repr(C)]
pub(super) struct TaskCell<F: Future> {
    /// First, so that a pointer to the cell is one to its header.
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// The future until `CLOSED`, the output while `VALUE`, else nothing. Which one, say the header's
/// flags; nothing here is dropped by itself.
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    value: ManuallyDrop<F::Output>,
}

pub(super) struct VTable {
    /// Polls the future, never unwinding. If it is ready or panics, drops it; then stores the value
    /// if somebody may come for it.
    ///
    /// # Safety
    /// On the owner's thread; the stage holds the future and nobody else is using it.
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Drops the future, never unwinding.
    ///
    /// # Safety
    /// As for `poll`; the caller has set `CLOSED`.
    pub(super) drop_future: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    /// That of the cell's memory.
    layout: Layout,
    /// Which list of free cells that belongs to.
    class: u32,
    /// Where in the cell the value lies.
    pub(super) value_offset: usize,
}

/// What a panic carries.
pub(super) type Payload = Box<dyn Any + Send>;

pub(super) enum Polled {
    Pending,
    /// `VALUE` is set if the value was kept.
    Ready,
    /// `CLOSED` is set and the future is gone, as in `Ready`.
    /// Boxed once more, so that what every poll returns is two words.
    Panicked(Box<Payload>),
}

impl VTable {
    pub(super) fn of<F: Future + 'static>() -> &'static VTable {
        const {
            &VTable {
                poll: poll::<F>,
                drop_future: drop_future::<F>,
                layout: layout_of::<TaskCell<F>>(),
                class: class_of(layout_of::<TaskCell<F>>()),
                value_offset: offset_of!(TaskCell<F>, stage),
            }
        }
    }
}

impl<F: Future> TaskCell<F> {
    /// Room for a cell.
    #[inline]
    pub(super) fn memory(home: &Home) -> CellMemory<F> {
        let layout = const { layout_of::<TaskCell<F>>() };
        let class = const { class_of(layout_of::<TaskCell<F>>()) };
        CellMemory(home.allocate(layout, class).cast())
    }
}

/// Room for a cell whose future is an `F`. Leaks if it is not filled.
pub(super) struct CellMemory<F: Future>(NonNull<TaskCell<F>>);

impl<F: Future> CellMemory<F> {
    /// A new cell whose stage holds `future`. `header.vtable` is `VTable::of::<F>()`.
    #[inline]
    pub(super) fn fill(self, header: Header, future: F) -> NonNull<Header> {
        let stage = UnsafeCell::new(Stage {
            future: ManuallyDrop::new(future),
        });
        // SAFETY: `memory` had it allocated, large enough and aligned, and nobody else knows it.
        unsafe { self.0.write(TaskCell { header, stage }) };
        self.0.cast()
    }
}

/// The stage of a cell whose future is an `F`.
///
/// # Safety
/// `ptr` came from `CellMemory::<F>::fill` and the cell is alive.
#[inline]
unsafe fn stage<F: Future>(ptr: NonNull<Header>) -> *mut Stage<F> {
    let cell = ptr.as_ptr().cast::<TaskCell<F>>();
    // SAFETY: in bounds of the cell; no reference to the cell is made.
    UnsafeCell::raw_get(unsafe { &raw const (*cell).stage })
}

/// The flags of a cell.
///
/// # Safety
/// On the owner's thread, while the cell is alive; the reference ends with the caller's call.
#[inline]
unsafe fn flags<'a>(ptr: NonNull<Header>) -> &'a Cell<u8> {
    // SAFETY: the caller of one of the functions below keeps the cell alive for the call, and is on
    // the owner's thread.
    unsafe { &(*ptr.as_ptr()).flags }
}

/// # Safety
/// As `VTable::poll` says; `F` is the cell's future.
unsafe fn poll<F: Future>(ptr: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
    // SAFETY: the vtable is that of `F`, so the cell is too.
    let stage = unsafe { stage::<F>(ptr) };
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller says that the stage holds the future and that nobody else uses it, so
        // this is the only reference to it. It is pinned: until it is dropped in place it isn't
        // moved, as the cell isn't, and `F` is never given out.
        let future = unsafe { Pin::new_unchecked(&mut *(*stage).future) };
        future.poll(cx)
    }));
    match polled {
        Ok(Poll::Pending) => Polled::Pending,
        // SAFETY: as the caller says, and the reference above is gone.
        Ok(Poll::Ready(value)) => unsafe { complete::<F>(ptr, value) },
        Err(payload) => {
            // SAFETY: the caller keeps the cell alive.
            let flags = unsafe { flags(ptr) };
            flags.set(flags.get() | CLOSED);
            // SAFETY: as the caller says; CLOSED is set.
            if let Err(another) = unsafe { drop_future::<F>(ptr) } {
                // The first panic is the one to tell of.
                discard(another);
            }
            Polled::Panicked(Box::new(payload))
        }
    }
}

/// # Safety
/// As for `VTable::poll`.
#[inline]
unsafe fn complete<F: Future>(ptr: NonNull<Header>, value: F::Output) -> Polled {
    // SAFETY: the caller keeps the cell alive.
    let flags = unsafe { flags(ptr) };
    flags.set(flags.get() | CLOSED);
    // SAFETY: as the caller says; CLOSED is set.
    let dropped = unsafe { drop_future::<F>(ptr) };
    let now = flags.get();
    if dropped.is_ok() && now & (JOINED | super::CANCEL) == JOINED {
        // SAFETY: the caller says that nobody else uses the stage; it is empty, as the future was
        // dropped.
        unsafe { (&raw mut (*stage::<F>(ptr)).value).write(ManuallyDrop::new(value)) };
        flags.set(now | VALUE);
        return Polled::Ready;
    }
    // Nobody will come for the value. Neither what it does when dropped nor what the future did may
    // unwind from here.
    let value = catch_unwind(AssertUnwindSafe(|| drop(value)));
    match (dropped, value) {
        (Ok(()), Ok(())) => Polled::Ready,
        (Ok(()), Err(payload)) | (Err(payload), Ok(())) => Polled::Panicked(Box::new(payload)),
        (Err(payload), Err(another)) => {
            discard(another);
            Polled::Panicked(Box::new(payload))
        }
    }
}

/// # Safety
/// As `VTable::drop_future` says; `F` is the cell's future.
#[inline]
unsafe fn drop_future<F: Future>(ptr: NonNull<Header>) -> Result<(), Payload> {
    if !std::mem::needs_drop::<F>() {
        return Ok(());
    }
    // SAFETY: the vtable is that of `F`, so the cell is too.
    let stage = unsafe { stage::<F>(ptr) };
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller says that the stage holds the future and nobody else uses it. It isn't
        // dropped again, even if this panics half-way, as CLOSED is set.
        unsafe { ManuallyDrop::drop(&mut (*stage).future) }
    }))
}

/// Frees a cell: for the next one if this is the thread of its `home`, else for good.
///
/// # Safety
/// Nobody knows the cell any more, and all that was done with it happened before. The stage holds
/// neither future nor value, and the header nothing whose destructor would have to run on another
/// thread than this one.
#[inline]
pub(super) unsafe fn free(ptr: NonNull<Header>, home: Option<&Home>) {
    // SAFETY: the cell is alive, and nobody else uses it; its memory came from `TaskCell::memory`,
    // with the layout that its vtable names.
    unsafe {
        let vtable = ptr.as_ref().vtable;
        // What has a destructor in a header is gone but for what counts cells in tests.
        if cfg!(any(loom, test)) {
            ptr.drop_in_place();
        }
        match home {
            Some(home) => home.free(ptr.cast(), vtable.layout, vtable.class),
            None => home::free(ptr.cast(), vtable.layout),
        }
    }
}
