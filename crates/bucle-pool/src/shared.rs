//! [`Shared`]: numbers in shared memory, for outputs that are not to be copied.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bucle_sys::plain::{self, Plain};
use bucle_sys::shared::Segment;

use crate::payload::{ALIGN, AlignedBytes};

/// How much memory is kept for the next ones, in bytes.
const KEPT: usize = 256 * 1024 * 1024;

/// And how many pieces of it: the parent has a descriptor for each.
const KEPT_PIECES: usize = 64;

/// A slice of numbers in memory that processes share. A function that returns one gives it to the
/// parent without a copy: the worker writes it, the parent reads it where it lies.
///
/// The memory is leased: the worker has it while the function runs, the parent from then on until
/// it drops the `Shared`, when the worker may use it again for the next one. As long as it is kept it
/// takes a descriptor in both processes: of thousands that are to be kept, keep `to_vec()`.
///
/// ```no_run
/// # use bucle_macros::process;
/// use bucle_pool::Shared;
///
/// #[process(crate = bucle_pool)]
/// fn twice(numbers: &[f64]) -> Shared<f64> {
///     let mut out = Shared::new(numbers.len()).expect("memory");
///     for (out, number) in out.iter_mut().zip(numbers) {
///         *out = number * 2.0;
///     }
///     out
/// }
/// ```
pub struct Shared<T: Plain> {
    place: Place,
    /// In items.
    len: usize,
    numbers: PhantomData<T>,
}

enum Place {
    /// Made here.
    Own(Arc<Piece>),
    /// Another process's, lent.
    Lent(Rc<dyn Lent>),
    /// Too short for shared memory; from `ALIGN` on, as in the others.
    Short(AlignedBytes),
}

/// Memory of another process, until it is dropped.
pub(crate) trait Lent {
    fn bytes(&self) -> &[u8];
}

/// Shared memory of this process; goes back to the others when nobody has it.
#[derive(Debug)]
pub(crate) struct Piece {
    memory: Option<Segment>,
    /// By which the parent knows it; 0 before it has seen it.
    number: AtomicU64,
    /// It may hold anything.
    used: bool,
}

/// What nobody has.
static FREE: Mutex<Vec<Piece>> = Mutex::new(Vec::new());

/// See [`take_forgotten`].
static FORGOTTEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());

impl Piece {
    /// At least `len` bytes, of whatever content.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take(len: usize) -> io::Result<Piece> {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is not many times too large.
        let best = (0..free.len())
            .filter(|place| free[*place].len() >= len && free[*place].len() / 4 <= len)
            .min_by_key(|place| free[*place].len());
        if let Some(place) = best {
            return Ok(free.swap_remove(place));
        }
        drop(free);
        Ok(Piece {
            memory: Some(Segment::new("bucle-output", len)?),
            number: AtomicU64::new(0),
            used: false,
        })
    }

    fn len(&self) -> usize {
        self.memory.as_ref().map_or(0, Segment::len)
    }

    pub(crate) fn memory(&self) -> Option<&Segment> {
        self.memory.as_ref()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], Segment::bytes)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_mut().map_or(&mut [], Segment::bytes_mut)
    }

    /// Its number, and whether the parent has seen it.
    pub(crate) fn number(&self, next: &mut u64) -> (u64, bool) {
        match self.number.load(Ordering::Relaxed) {
            0 => {
                let number = *next;
                *next += 1;
                self.number.store(number, Ordering::Relaxed);
                (number, false)
            }
            known => (known, true),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else {
            return;
        };
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(Piece {
            memory: Some(memory),
            number: AtomicU64::new(*self.number.get_mut()),
            used: true,
        });
        let mut kept: usize = free.iter().map(Piece::len).sum();
        let mut given_up = Vec::new();
        while (kept > KEPT || free.len() > KEPT_PIECES) && !free.is_empty() {
            // The oldest goes first; without its memory, its own drop does nothing.
            let mut oldest = free.remove(0);
            kept -= oldest.len();
            given_up.push((*oldest.number.get_mut(), oldest.memory.take()));
        }
        drop(free);
        let mut forgotten = FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner);
        forgotten.extend(
            given_up
                .iter()
                .map(|(number, _)| number)
                .filter(|number| **number != 0),
        );
    }
}

/// The numbers of those that were given up since this was asked last: for the parent, which has
/// them mapped still.
pub(crate) fn take_forgotten() -> Vec<u64> {
    std::mem::take(&mut FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner))
}

impl<T: Plain> Shared<T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// `ENOMEM` and the like; `InvalidInput` for a length that no memory has.
    pub fn new(len: usize) -> io::Result<Shared<T>> {
        let mut shared = Shared::unzeroed(len)?;
        if let Place::Own(piece) = &mut shared.place
            && let Some(piece) = Arc::get_mut(piece)
            && piece.used
        {
            let bytes = len * size_of::<T>();
            piece.bytes_mut()[ALIGN..ALIGN + bytes].fill(0);
        }
        Ok(shared)
    }

    /// `len` numbers that are zeros, or what an earlier output of this process was: for who writes
    /// them all anyway.
    ///
    /// # Errors
    /// As [`new`](Shared::new).
    pub fn unzeroed(len: usize) -> io::Result<Shared<T>> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "no memory is that long");
        let bytes = len.checked_mul(size_of::<T>()).ok_or_else(too_long)?;
        let whole = bytes
            .checked_next_multiple_of(ALIGN)
            .and_then(|bytes| bytes.checked_add(ALIGN));
        let piece = Piece::take(whole.ok_or_else(too_long)?)?;
        Ok(Shared {
            place: Place::Own(Arc::new(piece)),
            len,
            numbers: PhantomData,
        })
    }

    /// A copy of `numbers`.
    ///
    /// # Errors
    /// As [`new`](Shared::new).
    pub fn from_slice(numbers: &[T]) -> io::Result<Shared<T>> {
        let mut shared = Shared::unzeroed(numbers.len())?;
        shared.copy_from_slice(numbers);
        Ok(shared)
    }

    /// Of memory that was lent.
    pub(crate) fn of_lent(lent: Rc<dyn Lent>, len: usize) -> Shared<T> {
        Shared {
            place: Place::Lent(lent),
            len,
            numbers: PhantomData,
        }
    }

    /// Of bytes that came by a ring.
    pub(crate) fn of_short(numbers: &[T]) -> Shared<T> {
        let bytes = plain::bytes_of(numbers);
        let mut short = AlignedBytes::default();
        let to = short.begin(ALIGN + bytes.len());
        plain::bytes_of_mut(to)[ALIGN..ALIGN + bytes.len()].copy_from_slice(bytes);
        Shared {
            place: Place::Short(short),
            len: numbers.len(),
            numbers: PhantomData,
        }
    }

    /// The memory, if it was made here, with the payload's head in it.
    pub(crate) fn piece(&self) -> Option<&Arc<Piece>> {
        match &self.place {
            Place::Own(piece) => {
                let head = self.byte_len() as u64;
                let words = piece.memory()?.words();
                words.first()?.store(head.to_le(), Ordering::Relaxed);
                Some(piece)
            }
            Place::Lent(_) | Place::Short(_) => None,
        }
    }

    fn byte_len(&self) -> usize {
        self.len * size_of::<T>()
    }
}

impl<T: Plain> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let whole = match &self.place {
            Place::Own(piece) => piece.bytes(),
            Place::Lent(lent) => lent.bytes(),
            Place::Short(short) => short.bytes(),
        };
        let bytes = whole.get(ALIGN..ALIGN + self.byte_len());
        bytes.and_then(plain::from_bytes).unwrap_or_default()
    }
}

impl<T: Plain> DerefMut for Shared<T> {
    /// The numbers, to be written. Of an output, which is the worker's memory, a copy is made
    /// first.
    fn deref_mut(&mut self) -> &mut [T] {
        let end = ALIGN + self.byte_len();
        let alone = match &mut self.place {
            Place::Own(piece) => Arc::get_mut(piece).is_some(),
            Place::Lent(_) => false,
            Place::Short(_) => true,
        };
        if !alone {
            *self = Shared::of_short(self);
        }
        let whole = match &mut self.place {
            Place::Own(piece) => Arc::get_mut(piece).map_or(&mut [][..], Piece::bytes_mut),
            Place::Short(short) => short.bytes_mut(),
            Place::Lent(_) => &mut [],
        };
        let bytes = whole.get_mut(ALIGN..end);
        bytes.and_then(plain::from_bytes_mut).unwrap_or_default()
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_are_written_and_used_again() {
        let mut shared = Shared::<u32>::new(10_000).unwrap();
        assert_eq!(shared.len(), 10_000);
        assert!(shared.iter().all(|number| *number == 0));
        shared[9999] = 7;
        assert_eq!(shared[9999], 7);
        let piece = shared.piece().unwrap().clone();
        assert_eq!(piece.number(&mut 5), (5, false));
        assert_eq!(piece.number(&mut 6), (5, true));
        drop((shared, piece));
        let again = Shared::<u32>::new(10_000).unwrap();
        assert!(again.iter().all(|number| *number == 0));
        assert!(Shared::<u64>::new(usize::MAX / 2).is_err());
    }

    #[test]
    fn short_ones_are_like_the_others() {
        let mut short = Shared::of_short(&[1.5_f64, 2.5]);
        short[0] = 3.0;
        assert_eq!(*short, [3.0, 2.5]);
        assert!(short.piece().is_none());
        let empty = Shared::<u8>::from_slice(&[]).unwrap();
        assert!(empty.is_empty());
    }
}
