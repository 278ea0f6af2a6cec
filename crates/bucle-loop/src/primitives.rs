//! What the parts shared between threads are built of: the standard library's types in production,
//! loom's checked ones under `--cfg loom`.
//!
//! Only [`crate::inbox`], [`crate::task::cell`], the wakers of [`crate::wake_set`] and
//! [`crate::concurrent`] are shared between threads, so only they import from here. Nothing else in
//! this crate may name an atomic or a lock.

#[cfg(not(loom))]
pub(crate) use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

#[cfg(loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

use std::sync::PoisonError;
use std::time::Instant;

/// Locks without regard to poison: nothing that runs under our locks leaves what they guard half
/// changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the lock up and waits for a notification, which may be a false one; for at most until
/// `deadline`. False if that has come.
///
/// Loom knows no time: under it no deadline ever comes.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(deadline) = deadline else {
        let guard = condvar.wait(guard);
        return (guard.unwrap_or_else(PoisonError::into_inner), true);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return (guard, false);
    }
    let (guard, _) = condvar
        .wait_timeout(guard, left)
        .unwrap_or_else(PoisonError::into_inner);
    (guard, true)
}

/// A number that stands for the calling thread and is never given to another one; 0 if the thread
/// never asked for one with [`assign_thread_token`].
///
/// Works in the destructors of other thread-locals too: its own thread-local has none.
#[inline]
pub(crate) fn thread_token() -> u64 {
    token::current()
}

/// As [`thread_token`], but gives the thread a number if it has none.
pub(crate) fn assign_thread_token() -> u64 {
    // Not one of loom's: the value only has to be fresh, its order is nobody's concern.
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    match token::current() {
        0 => {
            let token = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            token::assign(token);
            token
        }
        token => token,
    }
}

#[cfg(not(loom))]
mod token {
    use std::cell::Cell;

    thread_local! {
        static TOKEN: Cell<u64> = const { Cell::new(0) };
    }

    #[inline]
    pub(super) fn current() -> u64 {
        TOKEN.get()
    }

    pub(super) fn assign(token: u64) {
        TOKEN.set(token);
    }
}

#[cfg(loom)]
mod token {
    use std::cell::Cell;

    loom::thread_local! {
        static TOKEN: Cell<u64> = Cell::new(0);
    }

    pub(super) fn current() -> u64 {
        TOKEN.try_with(Cell::get).unwrap_or(0)
    }

    pub(super) fn assign(token: u64) {
        TOKEN.with(|cell| cell.set(token));
    }
}

pub(crate) use tracker::Tracker;

/// Nothing in production. In tests a member of every task cell that makes its life visible.
#[cfg(not(any(loom, test)))]
mod tracker {
    pub(crate) struct Tracker;

    impl Tracker {
        #[inline]
        pub(crate) fn new() -> Tracker {
            Tracker
        }

        #[inline]
        pub(crate) fn touch(&self) {}
    }
}

/// Under loom: a cell that is not freed is a leak, and a use that is not ordered before the free is
/// a race.
#[cfg(loom)]
mod tracker {
    pub(crate) struct Tracker {
        alive: loom::cell::UnsafeCell<()>,
        _leak: loom::alloc::Track<()>,
    }

    impl Tracker {
        pub(crate) fn new() -> Tracker {
            Tracker {
                alive: loom::cell::UnsafeCell::new(()),
                _leak: loom::alloc::Track::new(()),
            }
        }

        pub(crate) fn touch(&self) {
            self.alive.with(|_| ());
        }
    }

    impl Drop for Tracker {
        fn drop(&mut self) {
            self.alive.with_mut(|_| ());
        }
    }
}

/// In plain tests: counts the cells that the test's thread made and that aren't freed yet.
#[cfg(all(test, not(loom)))]
mod tracker {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    thread_local! {
        static LIVE: Arc<AtomicUsize> = Arc::default();
    }

    pub(crate) struct Tracker {
        live: Arc<AtomicUsize>,
    }

    impl Tracker {
        pub(crate) fn new() -> Tracker {
            let live = LIVE.with(Arc::clone);
            live.fetch_add(1, Ordering::Relaxed);
            Tracker { live }
        }

        pub(crate) fn touch(&self) {}

        /// The count of this thread's live cells; keep it, it also tells of cells freed elsewhere.
        pub(crate) fn live() -> Arc<AtomicUsize> {
            LIVE.with(Arc::clone)
        }
    }

    impl Drop for Tracker {
        fn drop(&mut self) {
            self.live.fetch_sub(1, Ordering::Release);
        }
    }
}
