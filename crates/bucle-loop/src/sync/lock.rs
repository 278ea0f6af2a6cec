//! [`Lock`]: one task at a time.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::label::Label;
use super::waiters::{Place, Waiters};
use crate::task::{TaskHandle, TaskTag, current_ref};
use crate::wait_graph::WaitKind;

/// One task at a time. asyncio's `Lock`, which may also hold the value it protects.
///
/// `Lock<()>`, made by [`new`](Lock::new), is asyncio's lock; `Lock<T>`, made by [`of`](Lock::of),
/// can't be forgotten on the way to its value. Across an `await` a `RefCell` can't be kept borrowed
/// without the risk of a panic in another task: that is what this is for. What is changed between two
/// awaits needs no lock at all, as on any one-thread loop.
///
/// It is fair: tasks get it in the order they asked. A lock that is given up while somebody waits
/// goes to the first waiter at once, so it is never seen free in between (asyncio's is; nobody can
/// take it there either). A task that asks for a lock it holds waits for itself, as in asyncio.
///
/// ```
/// use std::rc::Rc;
/// use bucle_loop::sync::Lock;
///
/// bucle_loop::run(async {
///     let log = Rc::new(Lock::named_of("log", Vec::new()));
///     let second = bucle_loop::spawn({
///         let log = log.clone();
///         async move { log.acquire().await.push("second") }
///     });
///     let mut first = log.acquire().await;
///     bucle_loop::yield_now().await;
///     first.push("first");
///     drop(first);
///     second.await.unwrap();
///     assert_eq!(*log.acquire().await, ["first", "second"]);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Acquire and release apart
///
/// ```
/// use bucle_loop::sync::{Lock, LockGuard};
///
/// bucle_loop::run(async {
///     let lock = Lock::new();
///     LockGuard::forget(lock.acquire().await);
///     assert!(lock.locked());
///     lock.release().unwrap();
///     assert!(lock.release().is_err());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// [`acquire`](Lock::acquire) may be dropped at any time and leaves nothing behind: a waiter loses
/// its place; one to whom the lock was given but who didn't run since passes it on. A task that is
/// cancelled while it holds the guard drops the guard, and so gives up the lock: what it did to the
/// value by then stays done.
pub struct Lock<T = ()> {
    held: Cell<Held>,
    /// Who holds it, or was given it; none if that isn't a task.
    owner: Cell<Option<TaskHandle>>,
    waiters: Waiters,
    label: Label,
    value: RefCell<T>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// By nobody, and nobody waits.
    No,
    /// By a guard, or by a waiter that will find out when it is polled.
    ByGuard,
    /// The guard was forgotten.
    ByHand,
}

impl Lock {
    /// A lock that holds no value.
    #[track_caller]
    pub fn new() -> Lock {
        Lock::make(None, ())
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named(name: &str) -> Lock {
        Lock::make(Some(name), ())
    }
}

impl<T> Lock<T> {
    /// A lock around `value`.
    #[track_caller]
    pub fn of(value: T) -> Lock<T> {
        Lock::make(None, value)
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named_of(name: &str, value: T) -> Lock<T> {
        Lock::make(Some(name), value)
    }

    #[track_caller]
    fn make(name: Option<&str>, value: T) -> Lock<T> {
        Lock {
            held: Cell::new(Held::No),
            owner: Cell::new(None),
            waiters: Waiters::default(),
            label: Label::new("Lock", name),
            value: RefCell::new(value),
        }
    }

    /// Waits until the lock is free and all who asked before have had it, and takes it. The guard
    /// gives it up when dropped. See [Cancellation](Lock#cancellation).
    pub fn acquire(&self) -> LockAcquire<'_, T> {
        LockAcquire {
            lock: self,
            place: None,
        }
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(&self) -> Option<LockGuard<'_, T>> {
        (self.held.get() == Held::No).then(|| self.take())
    }

    /// Whether somebody has it. asyncio's `locked()`.
    pub fn locked(&self) -> bool {
        self.held.get() != Held::No
    }

    /// Gives up a lock whose guard was [forgotten](LockGuard::forget). As in asyncio any task may do
    /// so.
    ///
    /// # Errors
    /// [`NotAcquired`] if it is free, or held by a guard, which gives it up itself.
    pub fn release(&self) -> Result<(), NotAcquired> {
        match self.held.get() {
            Held::ByHand => {
                self.give_up();
                Ok(())
            }
            Held::No => Err(NotAcquired::FREE),
            Held::ByGuard => Err(NotAcquired::GUARDED),
        }
    }

    /// The task that holds the lock, or has been given it and will run next; `None` if nobody has
    /// it, or it was acquired outside of any task.
    pub fn owner(&self) -> Option<TaskTag> {
        let owner = self.owner.take();
        let tag = owner.as_ref().map(TaskHandle::tag);
        self.owner.set(owner);
        tag
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.label.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.label.location()
    }

    /// The value, without waiting: nobody else has the lock.
    pub fn value_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value without the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    fn take(&self) -> LockGuard<'_, T> {
        self.held.set(Held::ByGuard);
        self.owner.set(current_ref().map(TaskHandle::new));
        self.guard()
    }

    /// The guard of the one who has it now.
    fn guard(&self) -> LockGuard<'_, T> {
        LockGuard {
            value: self.value.borrow_mut(),
            hold: Hold { lock: self },
        }
    }

    /// Hands the lock to the first that waits, or sets it free.
    fn give_up(&self) {
        let before = self.owner.take();
        match self.waiters.grant_next() {
            None => self.held.set(Held::No),
            Some(mut next) => {
                self.held.set(Held::ByGuard);
                self.waiters.note_holder(next.task.as_ref());
                self.owner.set(next.task.take());
                next.wake();
            }
        }
        // Perhaps the last reference to a task: nothing of ours comes after it.
        drop(before);
    }

    fn poll_acquire(
        &self,
        place: &mut Option<Place>,
        cx: &mut Context<'_>,
    ) -> Poll<LockGuard<'_, T>> {
        if self.waiters.claim(place).is_some() {
            return Poll::Ready(self.guard());
        }
        if self.held.get() == Held::No {
            return Poll::Ready(self.take());
        }
        self.waiters.wait(place, cx, &self.label, WaitKind::Lock);
        // Those who come later find that it was told.
        if self.waiters.len() == 1 {
            self.tell_holder();
        }
        Poll::Pending
    }

    /// Tells those who wait who has it. One that is held by hand may be given up by anybody.
    fn tell_holder(&self) {
        let owner = self.owner.take();
        let by_guard = self.held.get() == Held::ByGuard;
        let holder = owner.as_ref().filter(|_| by_guard);
        self.waiters.note_holder(holder);
        self.owner.set(owner);
    }

    fn leave(&self, place: &mut Option<Place>) {
        if let Some(place) = place.take()
            && self.waiters.leave(place).is_some()
        {
            self.give_up();
        }
    }
}

impl<T: Default> Default for Lock<T> {
    #[track_caller]
    fn default() -> Lock<T> {
        Lock::of(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.label.debug(f);
        out.field("locked", &self.locked());
        if let Some(owner) = self.owner() {
            out.field("owner", &format_args!("{owner}"));
        }
        if let Ok(value) = self.value.try_borrow()
            && size_of::<T>() > 0
        {
            out.field("value", &*value);
        }
        self.label.finish(out, &[("waiters", &self.waiters)])
    }
}

/// The future of [`Lock::acquire`].
#[must_use = "it does nothing unless awaited"]
pub struct LockAcquire<'a, T = ()> {
    lock: &'a Lock<T>,
    place: Option<Place>,
}

impl<'a, T> Future for LockAcquire<'a, T> {
    type Output = LockGuard<'a, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'a, T>> {
        let this = &mut *self;
        this.lock.poll_acquire(&mut this.place, cx)
    }
}

impl<T> Drop for LockAcquire<'_, T> {
    fn drop(&mut self) {
        self.lock.leave(&mut self.place);
    }
}

impl<T> fmt::Debug for LockAcquire<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockAcquire")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

/// A lock that is held, and the way to its value; gives it up when dropped.
#[must_use = "a guard that is not kept gives the lock up at once"]
pub struct LockGuard<'a, T = ()> {
    // Before `hold`: the value is let go of before the lock is.
    value: RefMut<'a, T>,
    hold: Hold<'a, T>,
}

/// The part of a guard that gives up.
struct Hold<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Drop for Hold<'_, T> {
    fn drop(&mut self) {
        self.lock.give_up();
    }
}

impl<'a, T> LockGuard<'a, T> {
    /// Keeps the lock without the guard: [`Lock::release`] gives it up then.
    pub fn forget(guard: LockGuard<'a, T>) {
        guard.hold.lock.held.set(Held::ByHand);
        guard.hold.lock.tell_holder();
        std::mem::forget(guard.hold);
    }

    pub(super) fn is_of(&self, lock: &Lock<T>) -> bool {
        std::ptr::eq(self.hold.lock, lock)
    }
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockGuard").field(&**self).finish()
    }
}

/// A lock was to be given up, or a condition's waiters notified, by somebody who hasn't acquired the
/// lock (asyncio's `RuntimeError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAcquired {
    message: &'static str,
}

impl NotAcquired {
    pub(super) const FREE: NotAcquired = NotAcquired {
        message: "the lock is not acquired",
    };
    pub(super) const GUARDED: NotAcquired = NotAcquired {
        message: "the lock is held by a guard, which gives it up when dropped; release() is for a \
                  lock whose guard was forgotten",
    };
}

impl fmt::Display for NotAcquired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for NotAcquired {}
