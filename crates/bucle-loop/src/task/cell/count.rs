//! The biased count: how many wakers a cell has, without an atomic operation on the owner's thread.
//!
//! The number of wakers is `local_wakers + shared_wakers`, and neither number alone says anything:
//! a waker cloned here and dropped there leaves +1 and -1. As long as `refs` isn't 0 the cell is
//! alive anyway and nobody asks.
//!
//! When `refs` becomes 0, the owner looks at both. A sum of 0 means that no waker exists: what the
//! owner reads of `shared_wakers` may be old, but whatever happened before what it reads is also in
//! it (a later one of two changes that are ordered is never seen without the earlier one), so the
//! sum is the true number of wakers at some moment; and at a moment without wakers, and with the
//! owner here, nobody could have made another. Otherwise the owner adds its number to the atomic
//! one together with the bit `MERGED`. From then on `shared_wakers` is exact, and whoever brings it
//! down to 0 frees.

use std::ptr::NonNull;

use super::Header;
use super::home::{Home, HomeRef};
use super::stage;
use crate::primitives::{Ordering, fence};

/// One waker in `shared_wakers`.
pub(super) const ONE: i32 = 2;
/// Set in `shared_wakers` once the owner's number was added to it.
const MERGED: i32 = 1;
/// How far from 0 `local_wakers` gets before it is added to `shared_wakers`, which so is never below
/// `-ONE * FULL`, as the sum isn't below 0.
pub(super) const FULL: i32 = 1 << 28;
/// How many there may be in `shared_wakers`: a program that has more wakers of one task than `MOST - FULL`
/// has leaked most of them. Those that pass it at the same time have room above it.
const MOST: i32 = 1 << 29;

/// Counts one more waker.
///
/// # Safety
/// The caller holds a waker of the cell, or an owner's reference and is on the owner's thread.
#[inline]
pub(super) unsafe fn add_waker(ptr: NonNull<Header>) {
    // SAFETY: what the caller holds keeps the cell alive during the call, and with it this
    // reference.
    let header = unsafe { ptr.as_ref() };
    header.tracker.touch();
    if header.is_owner() && header.refs.get() != 0 {
        match header.local_wakers.get() {
            FULL.. => spill(header, 1),
            wakers => header.local_wakers.set(wakers + 1),
        }
    } else {
        add_shared(header);
    }
}

/// Counts one more waker, on a thread that isn't the owner's.
#[inline]
pub(super) fn add_shared(header: &Header) {
    // Relaxed: whoever clones has a waker, so that this can't be what brings the sum away from 0.
    add_to_shared(header, 1, Ordering::Relaxed);
}

/// Adds to `shared_wakers`; gives what it was before.
#[inline]
fn add_to_shared(header: &Header, wakers: i32, order: Ordering) -> i32 {
    let before = header.shared_wakers.fetch_add(ONE * wakers, order);
    if before > ONE * MOST - ONE * wakers {
        too_many();
    }
    before
}

/// As `Rc` and `Arc` do: a count that wraps would free what is used.
#[cold]
fn too_many() -> ! {
    std::process::abort()
}

/// Counts one waker less, and frees the cell if that was what kept it.
///
/// # Safety
/// The caller gives up a waker of the cell, and doesn't touch the cell again but for what else it
/// holds.
#[inline]
pub(super) unsafe fn release_waker(ptr: NonNull<Header>) {
    // SAFETY: the waker that is given up keeps the cell alive until it is counted out. From there
    // on `header` isn't used.
    let header = unsafe { ptr.as_ref() };
    header.tracker.touch();
    // SAFETY: as for this function.
    unsafe {
        match header.is_owner() {
            true => release_here(ptr),
            false => release_shared(ptr),
        }
    }
}

/// As [`release_waker`], on the owner's thread.
///
/// # Safety
/// As for [`release_waker`]; this is the owner's thread.
#[inline]
pub(super) unsafe fn release_here(ptr: NonNull<Header>) {
    // SAFETY: as in `release_waker`.
    let header = unsafe { ptr.as_ref() };
    if header.refs.get() != 0 {
        match header.local_wakers.get() {
            wakers if wakers <= -FULL => spill(header, -1),
            wakers => header.local_wakers.set(wakers - 1),
        }
    } else {
        // SAFETY: as for this function.
        unsafe { release_shared(ptr) };
    }
}

/// As [`release_waker`], on a thread that isn't the owner's or of a cell that is merged.
///
/// # Safety
/// As for [`release_waker`].
pub(super) unsafe fn release_shared(ptr: NonNull<Header>) {
    // SAFETY: as in `release_waker`. The place is named through the pointer, so that no reference
    // to the header outlives the moment in which another thread may free it.
    let before = unsafe {
        (*ptr.as_ptr())
            .shared_wakers
            .fetch_sub(ONE, Ordering::Release)
    };
    if before == ONE | MERGED {
        // Whatever the others did with the cell before they let it go happened before it is freed.
        fence(Ordering::Acquire);
        // SAFETY: merged, and no waker is left: nobody knows the cell any more. Its home was held for
        // it by the merge, once, and is let go here, once.
        unsafe {
            let home = ptr.as_ref().home;
            stage::free(ptr, None);
            Home::let_go(home);
        }
    }
}

/// Gives up the last owner's reference: frees the cell, or leaves that to the last waker.
///
/// # Safety
/// On the owner's thread, once, with `refs` 1; the future, the output and all else that must be
/// dropped on this thread are gone, and `CLOSED` is set, so that no waker makes a new reference.
/// `home` is the cell's.
#[inline]
pub(super) unsafe fn release_owner(ptr: NonNull<Header>, home: &HomeRef) {
    // SAFETY: `refs` isn't 0 yet, so the cell is alive; after the merge below it isn't used through
    // this reference.
    let header = unsafe { ptr.as_ref() };
    header.tracker.touch();
    // From here on the owner's thread too counts its wakers in the atomic number.
    header.refs.set(0);
    let local = ONE * header.local_wakers.get();
    // Acquire: pairs with the release of those who let the cell go.
    if header.shared_wakers.load(Ordering::Acquire) + local == 0 {
        // SAFETY: there is no waker: see the head of this file.
        unsafe { stage::free(ptr, Some(home)) };
        return;
    }
    // For the wakers, from before they may be the last to know the cell.
    home.hold();
    let before = header
        .shared_wakers
        .fetch_add(local + MERGED, Ordering::AcqRel);
    if before + local == 0 {
        // SAFETY: the last waker went between the two looks. Whoever dropped it didn't see MERGED
        // and left the cell to us, and with it what holds its home, which the caller has a reference
        // to besides.
        unsafe { stage::free(ptr, Some(home)) };
        home.let_go_again();
    }
}

/// The owner's number is full: a program that for years clones on one side and drops on the other
/// gets here. Moves it to the atomic one, which changes no sum.
#[cold]
fn spill(header: &super::Header, change: i32) {
    let local = header.local_wakers.replace(change);
    add_to_shared(header, local, Ordering::Relaxed);
}
