//! [`SharedMemory`]: numbers that a parent and its children have in common, and the lock on them.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use bucle_sys::plain::{self, Plain};
use bucle_sys::shared::Segment;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ChannelError;
use super::permits::{Permit, Permits};
use super::travel::{Arrived, Passed, check_leaving, not_decoded};
use super::wait::{Mode, blocking};

/// A slice of numbers that a parent and its children have in common, and a lock on it.
/// `multiprocessing.shared_memory`, and `multiprocessing.Array` with its lock.
///
/// The memory has no name (memfd): nothing of it is left when the last process that has it ends,
/// however it ends. A child is given a [`clone`](Clone::clone) as an argument of
/// [`Process::spawn`](super::Process::spawn). The numbers are written and read in place while the
/// [lock](SharedMemory::lock) is held; without it, they can be [copied](SharedMemory::snapshot).
///
/// # A holder that dies
///
/// The process that made the memory hands the lock on, and knows at once when a holder is gone. The
/// next in line gets the lock all the same, and is told: [`LockError::HolderDied`], once. What the
/// dead one has written stays as it was.
///
/// ```no_run
/// use bucle_macros::process;
/// use bucle_pool::{LockError, Process, SharedMemory};
///
/// #[process(crate = bucle_pool)]
/// fn fill(memory: SharedMemory<f64>) {
///     let mut numbers = memory.lock_blocking().unwrap();
///     numbers.fill(0.5);
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = SharedMemory::<f64>::new(1 << 20)?;
/// Process::spawn(fill, memory.clone()).await?.join().await?;
/// let numbers = match memory.lock().await {
///     Ok(numbers) => numbers,
///     Err(LockError::HolderDied(numbers)) => numbers, // half filled, perhaps
///     Err(LockError::Channel(error)) => return Err(error.into()),
/// };
/// assert_eq!(numbers[7], 0.5);
/// # Ok(())
/// # }
/// ```
pub struct SharedMemory<T> {
    memory: Rc<Memory>,
    lock: Permits,
    len: usize,
    items: PhantomData<T>,
}

struct Memory {
    /// Reached by who has the lock.
    segment: RefCell<Segment>,
    /// The same as a file, from which the system copies.
    file: File,
}

impl Memory {
    fn of(segment: Segment) -> io::Result<Rc<Memory>> {
        let file = File::from(segment.as_fd().try_clone_to_owned()?);
        let segment = RefCell::new(segment);
        Ok(Rc::new(Memory { segment, file }))
    }
}

impl<T: Plain> SharedMemory<T> {
    /// `len` items whose bytes are all zero, in a process with a running loop. Memory is taken
    /// when it is first written to.
    ///
    /// # Errors
    /// `InvalidInput` for a type without a size, or a length that no memory has; `Unsupported` if
    /// no loop runs; `ENOMEM`, `EMFILE` and the like.
    pub fn new(len: usize) -> io::Result<SharedMemory<T>> {
        let bytes = len.checked_mul(size_of::<T>());
        let bytes = bytes.filter(|_| size_of::<T>() != 0).ok_or_else(|| {
            let what = std::any::type_name::<T>();
            let text = format!("{len} items of `{what}` can't be shared memory");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        Ok(SharedMemory {
            lock: Permits::new(1)?,
            memory: Memory::of(Segment::new("bucle-shared", bytes)?)?,
            len,
            items: PhantomData,
        })
    }

    /// Waits for the lock, first come, first served. Dropped before it is done, it is not taken.
    ///
    /// # Errors
    /// [`LockError::HolderDied`] has the lock, like
    /// [`PoisonError`](std::sync::PoisonError); the other one does not.
    pub async fn lock(&self) -> Result<SharedGuard<'_, T>, LockError<'_, T>> {
        let permit = self.lock.acquire(Mode::Await).await?;
        self.guard(permit)
    }

    /// [`lock`](SharedMemory::lock) that blocks the thread, in a child.
    ///
    /// # Errors
    /// As [`lock`](SharedMemory::lock), and `WouldBlock` in the process that made the memory.
    pub fn lock_blocking(&self) -> Result<SharedGuard<'_, T>, LockError<'_, T>> {
        let acquire = async { Ok(self.lock.acquire(Mode::Block).await) };
        let permit = blocking(acquire).map_err(ChannelError::from)??;
        self.guard(permit)
    }

    fn guard<'a>(&'a self, permit: Permit<'a>) -> Result<SharedGuard<'a, T>, LockError<'a, T>> {
        let Ok(segment) = self.memory.segment.try_borrow_mut() else {
            let text = "a guard of this lock was forgotten, and would be had twice";
            return Err(LockError::Channel(io::Error::other(text).into()));
        };
        let inherited = permit.inherited;
        let guard = SharedGuard {
            segment,
            len: self.len,
            items: PhantomData,
            _permit: permit,
        };
        match inherited {
            false => Ok(guard),
            true => Err(LockError::HolderDied(guard)),
        }
    }

    /// A copy of all items, without the lock: each byte is as it was at some moment, and all of
    /// them at one moment only if nobody has written meanwhile.
    ///
    /// # Errors
    /// The system's.
    pub fn snapshot(&self) -> io::Result<Vec<T>> {
        let mut items = vec![T::ZERO; self.len];
        self.copy_to(0, &mut items)?;
        Ok(items)
    }

    /// A [`snapshot`](SharedMemory::snapshot) of the items from `start` on, as many as `items` has.
    ///
    /// # Errors
    /// `InvalidInput` if there are not that many; the system's.
    pub fn copy_to(&self, start: usize, items: &mut [T]) -> io::Result<()> {
        let end = start.checked_add(items.len());
        if end.is_none_or(|end| end > self.len) {
            let text = format!(
                "{} items from {start} on were asked for, of {}",
                items.len(),
                self.len
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let place = (start * size_of::<T>()) as u64;
        self.memory
            .file
            .read_exact_at(plain::bytes_of_mut(items), place)
    }
}

impl<T> SharedMemory<T> {
    /// How many items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The same memory and the same lock, for another child or another task.
impl<T> Clone for SharedMemory<T> {
    fn clone(&self) -> SharedMemory<T> {
        SharedMemory {
            memory: self.memory.clone(),
            lock: self.lock.clone(),
            len: self.len,
            items: PhantomData,
        }
    }
}

impl<T> Serialize for SharedMemory<T> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        check_leaving("shared memory")?;
        (Passed(self.memory.file.as_fd()), &self.lock, self.len).serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for SharedMemory<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedMemory<T>, D::Error> {
        let (fd, lock, len) = <(Arrived, Permits, usize)>::deserialize(deserializer)?;
        let segment = Segment::from_fd(fd.into_fd()).map_err(not_decoded)?;
        let bytes = len.checked_mul(size_of::<T>());
        if bytes.is_none_or(|bytes| bytes > segment.len()) {
            return Err(not_decoded("the shared memory is shorter than it says"));
        }
        Ok(SharedMemory {
            memory: Memory::of(segment).map_err(not_decoded)?,
            lock,
            len,
            items: PhantomData,
        })
    }
}

impl<T> fmt::Debug for SharedMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The items of a [`SharedMemory`] whose lock is held, which it is until this is dropped.
///
/// Hold it across an `await` only if others may wait for that long.
#[must_use = "the lock is given back when this is dropped"]
pub struct SharedGuard<'a, T> {
    // In this order: the memory is let go before the lock.
    segment: RefMut<'a, Segment>,
    _permit: Permit<'a>,
    len: usize,
    items: PhantomData<&'a mut [T]>,
}

impl<T: Plain> Deref for SharedGuard<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let bytes = self.segment.bytes();
        let bytes = bytes.get(..self.len * size_of::<T>());
        // A mapping begins at a page, and the length was compared when it was made.
        bytes.and_then(plain::from_bytes).unwrap_or_default()
    }
}

impl<T: Plain> DerefMut for SharedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let bytes = self.segment.bytes_mut();
        let bytes = bytes.get_mut(..self.len * size_of::<T>());
        bytes.and_then(plain::from_bytes_mut).unwrap_or_default()
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for SharedGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// What [`SharedMemory::lock`] has to tell.
pub enum LockError<'a, T> {
    /// The lock's last holder has died with it, and the items may be half changed. The lock is
    /// held, here; who has it next is not told any more.
    HolderDied(SharedGuard<'a, T>),
    /// The lock could not be had.
    Channel(ChannelError),
}

impl<'a, T> LockError<'a, T> {
    /// The guard all the same, if its last holder has died with it.
    ///
    /// # Errors
    /// The other reason.
    pub fn into_guard(self) -> Result<SharedGuard<'a, T>, ChannelError> {
        match self {
            LockError::HolderDied(guard) => Ok(guard),
            LockError::Channel(error) => Err(error),
        }
    }
}

impl<T> From<ChannelError> for LockError<'_, T> {
    fn from(error: ChannelError) -> Self {
        LockError::Channel(error)
    }
}

impl<T> fmt::Display for LockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::HolderDied(_) => f.write_str(
                "the process that held the lock has died with it, perhaps in the middle of a change",
            ),
            LockError::Channel(error) => error.fmt(f),
        }
    }
}

impl<T> fmt::Debug for LockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::HolderDied(_) => f.write_str("HolderDied(..)"),
            LockError::Channel(error) => f.debug_tuple("Channel").field(error).finish(),
        }
    }
}

impl<T> std::error::Error for LockError<'_, T> {}
