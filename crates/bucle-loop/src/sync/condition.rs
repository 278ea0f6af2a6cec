//! [`Condition`]: waiting, under a lock, for what another task will do.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::label::Label;
use super::lock::{Lock, LockAcquire, LockGuard, NotAcquired};
use super::waiters::{Place, Waiters};
use crate::wait_graph::WaitKind;

/// Lets tasks wait, under a lock, until another one says that something changed. asyncio's
/// `Condition`.
///
/// It has a [`Lock`] of its own, or shares one ([`with_lock`](Condition::with_lock)). What is waited
/// for is best the lock's value. [`wait`](Condition::wait) takes the guard, gives the lock up while it
/// waits, and returns the guard when it has the lock again.
///
/// ```
/// use std::rc::Rc;
/// use bucle_loop::sync::Condition;
///
/// bucle_loop::run(async {
///     let stock = Rc::new(Condition::of(0));
///     let buyer = bucle_loop::spawn({
///         let stock = stock.clone();
///         async move {
///             let guard = stock.acquire().await;
///             let mut guard = stock.wait_for(guard, |stock| *stock >= 3).await;
///             *guard -= 3;
///         }
///     });
///     for _ in 0..4 {
///         let mut guard = stock.acquire().await;
///         *guard += 1;
///         stock.notify(1)?;
///         drop(guard);
///         bucle_loop::yield_now().await;
///     }
///     buyer.await.unwrap();
///     assert_eq!(*stock.acquire().await, 1);
///     Ok::<(), bucle_loop::sync::NotAcquired>(())
/// })?.unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// [`wait`](Condition::wait) may be dropped at any time. A notification that it had got is passed on
/// to the next waiter, also when it was already on its way back to the lock; that one may find that
/// nothing changed for it, which is why a wait stands in a loop, or is a
/// [`wait_for`](Condition::wait_for).
///
/// Here Rust differs from asyncio. A cancelled `wait()` of asyncio gets the lock back before the
/// `CancelledError` goes on, since the `async with` around it will release it. A future that is
/// dropped can't wait for anything; so the guard goes into the wait and is gone with it, and after a
/// timeout around a wait the lock is *not* held. Whoever goes on acquires it again:
///
/// ```
/// # use std::time::Duration;
/// # use bucle_loop::{sync::Condition, timeout};
/// # bucle_loop::run(async {
/// # let condition = Condition::new();
/// let guard = condition.acquire().await;
/// let guard = match timeout(Duration::from_millis(1), condition.wait(guard)).await {
///     Ok(guard) => guard,
///     Err(_) => condition.acquire().await,
/// };
/// # drop(guard);
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Condition<T = ()> {
    lock: Rc<Lock<T>>,
    waiters: Waiters,
    label: Label,
}

impl Condition {
    /// A condition with a lock of its own that holds no value.
    #[track_caller]
    pub fn new() -> Condition {
        Condition::make(None, Rc::new(Lock::new()))
    }

    /// The same with a name for reports, which is also its lock's.
    #[track_caller]
    pub fn named(name: &str) -> Condition {
        Condition::make(Some(name), Rc::new(Lock::named(name)))
    }
}

impl<T> Condition<T> {
    /// A condition with a lock of its own around `value`.
    #[track_caller]
    pub fn of(value: T) -> Condition<T> {
        Condition::make(None, Rc::new(Lock::of(value)))
    }

    /// The same with a name for reports, which is also its lock's.
    #[track_caller]
    pub fn named_of(name: &str, value: T) -> Condition<T> {
        Condition::make(Some(name), Rc::new(Lock::named_of(name, value)))
    }

    /// A condition under a lock that others use too. asyncio's `Condition(lock)`. Its name is the
    /// lock's.
    #[track_caller]
    pub fn with_lock(lock: Rc<Lock<T>>) -> Condition<T> {
        let label = Label::new("Condition", lock.name());
        Condition {
            lock,
            waiters: Waiters::default(),
            label,
        }
    }

    #[track_caller]
    fn make(name: Option<&str>, lock: Rc<Lock<T>>) -> Condition<T> {
        Condition {
            lock,
            waiters: Waiters::default(),
            label: Label::new("Condition", name),
        }
    }

    /// Its lock.
    pub fn lock(&self) -> &Rc<Lock<T>> {
        &self.lock
    }

    /// Acquires its lock: [`Lock::acquire`].
    pub fn acquire(&self) -> LockAcquire<'_, T> {
        self.lock.acquire()
    }

    /// Gives up its lock after its guard was forgotten.
    ///
    /// # Errors
    /// As [`Lock::release`].
    pub fn release(&self) -> Result<(), NotAcquired> {
        self.lock.release()
    }

    /// Whether somebody has its lock.
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    /// Gives up the lock, waits for a [`notify`](Condition::notify), and acquires the lock again. See
    /// [Cancellation](Condition#cancellation).
    ///
    /// Waiters are notified in the order they came. It may return without cause: look whether what
    /// was waited for is there, or use [`wait_for`](Condition::wait_for).
    ///
    /// The lock is given up when the future is first polled.
    ///
    /// # Panics
    /// If `guard` is another lock's.
    #[track_caller]
    pub fn wait<'a>(&'a self, guard: LockGuard<'a, T>) -> ConditionWait<'a, T> {
        assert!(
            guard.is_of(&self.lock),
            "the guard given to a condition's wait is of another lock than the condition's"
        );
        ConditionWait {
            condition: self,
            phase: Phase::Holding(guard),
            notified: false,
        }
    }

    /// Waits until `predicate` is true for the lock's value: it is asked at once, and after each
    /// notification. See [Cancellation](Condition#cancellation).
    ///
    /// # Panics
    /// If `guard` is another lock's.
    pub async fn wait_for<'a>(
        &'a self,
        mut guard: LockGuard<'a, T>,
        mut predicate: impl FnMut(&mut T) -> bool,
    ) -> LockGuard<'a, T> {
        while !predicate(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Wakes the first `n` waiters, or all if they are fewer. They go on one by one, when they get
    /// the lock, which the caller still has.
    ///
    /// # Errors
    /// [`NotAcquired`] if nobody has the lock.
    pub fn notify(&self, n: usize) -> Result<(), NotAcquired> {
        if !self.locked() {
            return Err(NotAcquired::FREE);
        }
        self.waiters.grant(n);
        Ok(())
    }

    /// Wakes all waiters: see [`notify`](Condition::notify).
    ///
    /// # Errors
    /// [`NotAcquired`] if nobody has the lock.
    pub fn notify_all(&self) -> Result<(), NotAcquired> {
        self.notify(usize::MAX)
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.label.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.label.location()
    }
}

impl<T: Default> Default for Condition<T> {
    #[track_caller]
    fn default() -> Condition<T> {
        Condition::of(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.label.debug(f);
        out.field("lock", &self.lock);
        self.label.finish(out, &[("waiters", &self.waiters)])
    }
}

/// The future of [`Condition::wait`].
#[must_use = "it gives up the lock when first polled, and gives it back when awaited"]
pub struct ConditionWait<'a, T = ()> {
    condition: &'a Condition<T>,
    phase: Phase<'a, T>,
    /// It has a notification, which the next one gets if this is dropped.
    notified: bool,
}

enum Phase<'a, T> {
    Holding(LockGuard<'a, T>),
    Waiting(Option<Place>),
    Acquiring(LockAcquire<'a, T>),
    Done,
}

impl<'a, T> Future for ConditionWait<'a, T> {
    type Output = LockGuard<'a, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'a, T>> {
        let this = &mut *self;
        let Condition { waiters, label, .. } = this.condition;
        loop {
            match &mut this.phase {
                Phase::Holding(_) => {
                    let mut place = None;
                    waiters.wait(&mut place, cx, label, WaitKind::Condition);
                    // In the list before the lock is given up, which wakes others.
                    let before = std::mem::replace(&mut this.phase, Phase::Waiting(place));
                    if let Phase::Holding(guard) = before {
                        drop(guard);
                    }
                    return Poll::Pending;
                }
                Phase::Waiting(place) => {
                    if waiters.claim(place).is_none() {
                        waiters.wait(place, cx, label, WaitKind::Condition);
                        return Poll::Pending;
                    }
                    this.notified = true;
                    this.phase = Phase::Acquiring(this.condition.lock.acquire());
                }
                Phase::Acquiring(acquire) => {
                    let guard = std::task::ready!(Pin::new(acquire).poll(cx));
                    this.notified = false;
                    this.phase = Phase::Done;
                    return Poll::Ready(guard);
                }
                Phase::Done => panic!("a condition's wait was polled after it was done"),
            }
        }
    }
}

impl<T> Drop for ConditionWait<'_, T> {
    fn drop(&mut self) {
        let waiters = &self.condition.waiters;
        if let Phase::Waiting(place) = &mut self.phase
            && let Some(place) = place.take()
            && waiters.leave(place).is_some()
        {
            self.notified = true;
        }
        if self.notified {
            waiters.grant_one();
        }
    }
}

impl<T> fmt::Debug for ConditionWait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Holding(_) => "holding the lock",
            Phase::Waiting(_) => "waiting",
            Phase::Acquiring(_) => "acquiring the lock",
            Phase::Done => "done",
        };
        f.debug_struct("ConditionWait")
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}
