//! [`Semaphore`]: so many at a time.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::label::Label;
use super::waiters::{Place, Waiters};
use crate::wait_graph::WaitKind;

/// So many tasks at a time. asyncio's `Semaphore`.
///
/// It holds a number of permits. [`acquire`](Semaphore::acquire) takes one or waits for one; the
/// [`SemaphorePermit`] gives it back when dropped. [`release`](Semaphore::release) adds one, whether
/// or not one was taken; [`BoundedSemaphore`](super::BoundedSemaphore) refuses that.
///
/// It is fair: permits go to tasks in the order they asked. A permit that comes free while somebody
/// waits is the first waiter's at once, and whoever asks while others wait, or have been given a
/// permit and are yet to run, waits behind them, as in asyncio.
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
/// use bucle_loop::sync::Semaphore;
///
/// bucle_loop::run(async {
///     let two = Rc::new(Semaphore::new(2));
///     bucle_loop::gather((0..6).map(|_| {
///         let two = two.clone();
///         async move {
///             let _permit = two.acquire().await;
///             bucle_loop::sleep(Duration::from_millis(1)).await; // two of them at a time
///         }
///     }))
///     .await
///     .unwrap();
///     assert_eq!(two.value(), 2);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Acquire and release apart
///
/// [`SemaphorePermit::forget`] keeps the permit without the guard, and
/// [`release`](Semaphore::release) gives it back. [`acquire_owned`](Semaphore::acquire_owned) gives a
/// permit that can move into a task: take it before the task is spawned, and no more tasks are
/// spawned than there are permits.
///
/// ```
/// use std::rc::Rc;
/// use bucle_loop::sync::Semaphore;
///
/// bucle_loop::run(async {
///     let workers = Rc::new(Semaphore::new(2));
///     for job in 0..10 {
///         let permit = workers.clone().acquire_owned().await;
///         bucle_loop::spawn(async move {
///             bucle_loop::yield_now().await;
///             drop((job, permit));
///         })
///         .detach();
///     }
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// [`acquire`](Semaphore::acquire) may be dropped at any time and leaves nothing behind: a waiter
/// loses its place; one that was given a permit but didn't run since passes it on.
pub struct Semaphore {
    value: Cell<usize>,
    /// Permits that give themselves back: in guards, and granted to waiters.
    guarded: Cell<usize>,
    waiters: Waiters,
    label: Label,
}

impl Semaphore {
    /// A semaphore with `value` permits. asyncio's default is 1.
    #[track_caller]
    pub fn new(value: usize) -> Semaphore {
        Semaphore::make("Semaphore", None, value)
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named(name: &str, value: usize) -> Semaphore {
        Semaphore::make("Semaphore", Some(name), value)
    }

    #[track_caller]
    pub(super) fn make(kind: &'static str, name: Option<&str>, value: usize) -> Semaphore {
        Semaphore {
            value: Cell::new(value),
            guarded: Cell::new(0),
            waiters: Waiters::default(),
            label: Label::new(kind, name),
        }
    }

    /// Takes a permit, waiting until there is one and all who asked before have theirs. See
    /// [Cancellation](Semaphore#cancellation).
    pub fn acquire(&self) -> SemaphoreAcquire<'_> {
        SemaphoreAcquire {
            semaphore: self,
            place: None,
        }
    }

    /// [`acquire`](Semaphore::acquire) of a permit that borrows nothing and can move to another task.
    pub fn acquire_owned(self: Rc<Self>) -> SemaphoreAcquireOwned {
        SemaphoreAcquireOwned {
            semaphore: self,
            place: None,
        }
    }

    /// Takes a permit if that needs no waiting.
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        if self.locked() {
            return None;
        }
        self.take();
        Some(SemaphorePermit { semaphore: self })
    }

    /// Adds a permit: one that was [forgotten](SemaphorePermit::forget), or a new one. The first
    /// waiter gets it.
    pub fn release(&self) {
        self.value.set(self.value.get().saturating_add(1));
        self.settle();
    }

    /// Whether [`acquire`](Semaphore::acquire) would wait now.
    pub fn locked(&self) -> bool {
        self.value.get() == 0 || !self.waiters.is_empty()
    }

    /// The permits that are free.
    pub fn value(&self) -> usize {
        self.value.get()
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.label.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.label.location()
    }

    /// The permits that are free, or will give themselves back.
    pub(super) fn accounted_for(&self) -> usize {
        self.value.get() + self.guarded.get()
    }

    fn take(&self) {
        self.value.set(self.value.get() - 1);
        self.guarded.set(self.guarded.get() + 1);
    }

    /// A guard, or the grant of a waiter, gives its permit back.
    fn give_back(&self) {
        self.guarded.set(self.guarded.get() - 1);
        self.release();
    }

    /// Gives what is free to those who wait.
    fn settle(&self) {
        while self.value.get() > 0 && self.waiters.waiting() > 0 {
            self.take();
            self.waiters.grant_one();
        }
    }

    fn poll_acquire(&self, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiters.claim(place).is_some() {
            return Poll::Ready(());
        }
        if place.is_none() && !self.locked() {
            self.take();
            return Poll::Ready(());
        }
        self.waiters
            .wait(place, cx, &self.label, WaitKind::Semaphore);
        // There may be a permit for this one behind those that were woken and didn't run.
        self.settle();
        Poll::Pending
    }

    fn leave(&self, place: &mut Option<Place>) {
        if let Some(place) = place.take()
            && self.waiters.leave(place).is_some()
        {
            self.give_back();
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.label.debug(f);
        out.field("locked", &self.locked());
        out.field("value", &self.value());
        self.label.finish(out, &[("waiters", &self.waiters)])
    }
}

/// The future of [`Semaphore::acquire`].
#[must_use = "it does nothing unless awaited"]
pub struct SemaphoreAcquire<'a> {
    semaphore: &'a Semaphore,
    place: Option<Place>,
}

impl<'a> Future for SemaphoreAcquire<'a> {
    type Output = SemaphorePermit<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<SemaphorePermit<'a>> {
        let this = &mut *self;
        let semaphore = this.semaphore;
        semaphore
            .poll_acquire(&mut this.place, cx)
            .map(|()| SemaphorePermit { semaphore })
    }
}

impl Drop for SemaphoreAcquire<'_> {
    fn drop(&mut self) {
        self.semaphore.leave(&mut self.place);
    }
}

impl fmt::Debug for SemaphoreAcquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphoreAcquire")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of [`Semaphore::acquire_owned`].
#[must_use = "it does nothing unless awaited"]
pub struct SemaphoreAcquireOwned {
    semaphore: Rc<Semaphore>,
    place: Option<Place>,
}

impl Future for SemaphoreAcquireOwned {
    type Output = OwnedSemaphorePermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OwnedSemaphorePermit> {
        let this = &mut *self;
        let semaphore = &this.semaphore;
        semaphore
            .poll_acquire(&mut this.place, cx)
            .map(|()| OwnedSemaphorePermit {
                semaphore: Some(semaphore.clone()),
            })
    }
}

impl Drop for SemaphoreAcquireOwned {
    fn drop(&mut self) {
        self.semaphore.leave(&mut self.place);
    }
}

impl fmt::Debug for SemaphoreAcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphoreAcquireOwned")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

/// A permit, given back when dropped.
#[must_use = "a permit that is not kept is given back at once"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
}

impl SemaphorePermit<'_> {
    /// Keeps the permit without the guard: `release` gives it back then, or nobody does.
    pub fn forget(self) {
        let guarded = &self.semaphore.guarded;
        guarded.set(guarded.get() - 1);
        std::mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.give_back();
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SemaphorePermit")
    }
}

/// A permit that keeps its semaphore alive, given back when dropped. From
/// [`Semaphore::acquire_owned`].
#[must_use = "a permit that is not kept is given back at once"]
pub struct OwnedSemaphorePermit {
    /// None once it was forgotten.
    semaphore: Option<Rc<Semaphore>>,
}

impl OwnedSemaphorePermit {
    /// As [`SemaphorePermit::forget`].
    pub fn forget(mut self) {
        if let Some(semaphore) = self.semaphore.take() {
            let guarded = &semaphore.guarded;
            guarded.set(guarded.get() - 1);
        }
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        if let Some(semaphore) = &self.semaphore {
            semaphore.give_back();
        }
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedSemaphorePermit")
    }
}
