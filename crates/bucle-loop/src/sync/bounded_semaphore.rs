//! [`BoundedSemaphore`]: a semaphore that notices a `release` too many.

use std::fmt;
use std::panic::Location;

use super::semaphore::{Semaphore, SemaphoreAcquire, SemaphorePermit};

/// A [`Semaphore`] that never has more permits than it began with. asyncio's `BoundedSemaphore`.
///
/// The difference shows only to those who call [`release`](BoundedSemaphore::release) by hand: a
/// permit gives itself back once. So a release is refused when every permit is free, or in a guard
/// that will give it back; asyncio counts the free ones only, and blames the guard.
///
/// ```
/// use bucle_loop::sync::BoundedSemaphore;
///
/// bucle_loop::run(async {
///     let semaphore = BoundedSemaphore::new(1);
///     semaphore.acquire().await.forget();
///     semaphore.release().unwrap();
///     assert!(semaphore.release().is_err());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct BoundedSemaphore {
    semaphore: Semaphore,
    bound: usize,
}

impl BoundedSemaphore {
    /// A semaphore with `value` permits, and never more. asyncio's default is 1.
    #[track_caller]
    pub fn new(value: usize) -> BoundedSemaphore {
        BoundedSemaphore::make(None, value)
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named(name: &str, value: usize) -> BoundedSemaphore {
        BoundedSemaphore::make(Some(name), value)
    }

    #[track_caller]
    fn make(name: Option<&str>, value: usize) -> BoundedSemaphore {
        BoundedSemaphore {
            semaphore: Semaphore::make("BoundedSemaphore", name, value),
            bound: value,
        }
    }

    /// Takes a permit: [`Semaphore::acquire`]. See [Cancellation](Semaphore#cancellation).
    pub fn acquire(&self) -> SemaphoreAcquire<'_> {
        self.semaphore.acquire()
    }

    /// Takes a permit if that needs no waiting.
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.semaphore.try_acquire()
    }

    /// Gives back a permit that was [forgotten](SemaphorePermit::forget).
    ///
    /// # Errors
    /// [`ReleasedTooOften`] if none is: nothing has changed then.
    pub fn release(&self) -> Result<(), ReleasedTooOften> {
        if self.semaphore.accounted_for() >= self.bound {
            return Err(ReleasedTooOften { bound: self.bound });
        }
        self.semaphore.release();
        Ok(())
    }

    /// Whether [`acquire`](BoundedSemaphore::acquire) would wait now.
    pub fn locked(&self) -> bool {
        self.semaphore.locked()
    }

    /// The permits that are free.
    pub fn value(&self) -> usize {
        self.semaphore.value()
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.semaphore.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.semaphore.location()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semaphore.fmt(f)
    }
}

/// A [`BoundedSemaphore`] was released more often than acquired (asyncio's `ValueError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedTooOften {
    bound: usize,
}

impl fmt::Display for ReleasedTooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the bounded semaphore was released too often: none of its {} permits was forgotten; a \
             permit that is kept gives itself back",
            self.bound
        )
    }
}

impl std::error::Error for ReleasedTooOften {}
