//! Shared memory in the parent: leased to a task for its arguments, and used again after.
//!
//! First use of a page costs more than copying it, so what was used once is kept, up to [`KEPT`]
//! bytes, and goes to the next task that it fits.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

use bucle_sys::shared::Segment;

use crate::shared::Lent;

/// How much memory is kept for the next tasks, in bytes.
pub(super) const KEPT: usize = 256 * 1024 * 1024;

/// So many pieces of memory may be leased to tasks that wait: each is a descriptor, and programs
/// have few of them (1,024 is a common limit). Arguments beyond that wait in ordinary memory.
pub(super) const WAITING: usize = 64;

/// So many more, at least, may be leased to tasks that workers have.
const HANDED_OUT: usize = 64;

/// What a pool has.
pub(super) struct Memory {
    free: RefCell<Vec<Numbered>>,
    /// How many pieces there are, leased or free.
    pieces: Cell<usize>,
    /// How many there may be.
    most: usize,
    next: Cell<u64>,
    /// Numbers that were given up, for workers to be told.
    forgotten: RefCell<Vec<u64>>,
}

/// Shared memory by its number. Each worker that was told of it knows it by that.
struct Numbered {
    number: u64,
    memory: Segment,
}

/// The right to a piece of shared memory, until it is dropped.
pub(super) struct Lease {
    numbered: Option<Numbered>,
    pool: Weak<Memory>,
}

impl Memory {
    /// For a pool with so many workers, each of which may have two long tasks.
    pub(super) fn new(workers: usize) -> Rc<Memory> {
        Rc::new(Memory {
            free: RefCell::default(),
            pieces: Cell::new(0),
            most: WAITING + HANDED_OUT.max(workers.saturating_mul(2)),
            next: Cell::new(1),
            forgotten: RefCell::default(),
        })
    }

    /// For a task that is to wait with it: `None` if it had better wait in ordinary memory.
    pub(super) fn lease_to_wait(self: &Rc<Memory>, len: usize) -> Option<Lease> {
        let leased = self.pieces.get() - self.free.borrow().len();
        match leased < WAITING {
            // Should the system have none now, it may have some when it is the task's turn.
            true => self.lease(len).ok(),
            false => None,
        }
    }

    /// At least `len` bytes.
    ///
    /// # Errors
    /// `WouldBlock` if there are as many as may be; the system's.
    pub(super) fn lease(self: &Rc<Memory>, len: usize) -> io::Result<Lease> {
        let mut free = self.free.borrow_mut();
        // The smallest that is not many times too large.
        let best = (0..free.len())
            .filter(|place| {
                free[*place].memory.len() >= len && free[*place].memory.len() / 4 <= len
            })
            .min_by_key(|place| free[*place].memory.len());
        let numbered = match best {
            Some(place) => free.swap_remove(place),
            None => {
                if self.pieces.get() >= self.most {
                    if free.is_empty() {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    let oldest = free.remove(0);
                    self.give_up(&oldest);
                }
                let memory = Segment::new("bucle-arguments", len)?;
                self.pieces.set(self.pieces.get() + 1);
                let number = self.next.get();
                self.next.set(number + 1);
                Numbered { number, memory }
            }
        };
        Ok(Lease {
            numbered: Some(numbered),
            pool: Rc::downgrade(self),
        })
    }

    fn take_back(&self, numbered: Numbered) {
        let mut free = self.free.borrow_mut();
        free.push(numbered);
        let mut kept: usize = free.iter().map(|numbered| numbered.memory.len()).sum();
        let mut given_up = Vec::new();
        while kept > KEPT {
            // The oldest goes first.
            let oldest = free.remove(0);
            kept -= oldest.memory.len();
            self.give_up(&oldest);
            given_up.push(oldest);
        }
        drop(free);
        drop(given_up);
    }

    fn give_up(&self, numbered: &Numbered) {
        self.pieces.set(self.pieces.get() - 1);
        self.forgotten.borrow_mut().push(numbered.number);
    }

    /// The numbers that were given up since this was asked last.
    pub(super) fn take_forgotten(&self) -> Vec<u64> {
        match self.forgotten.try_borrow_mut() {
            Ok(mut forgotten) if !forgotten.is_empty() => std::mem::take(&mut forgotten),
            _ => Vec::new(),
        }
    }
}

impl Lease {
    pub(super) fn number(&self) -> u64 {
        self.numbered.as_ref().map_or(0, |numbered| numbered.number)
    }

    pub(super) fn memory(&self) -> Option<&Segment> {
        self.numbered.as_ref().map(|numbered| &numbered.memory)
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.numbered {
            Some(numbered) => numbered.memory.bytes_mut(),
            None => &mut [],
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(numbered), Some(pool)) = (self.numbered.take(), self.pool.upgrade()) {
            pool.take_back(numbered);
        }
    }
}

/// Where an output lies: a worker's shared memory. When the last one who reads it lets go, the
/// worker may use it again.
pub(super) struct Home {
    pub(super) memory: Option<Segment>,
    pub(super) number: u64,
    pub(super) worker: Weak<super::worker::Worker>,
}

impl Lent for Home {
    fn bytes(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], Segment::bytes)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let (Some(memory), Some(worker)) = (self.memory.take(), self.worker.upgrade()) {
            worker.output_is_read(self.number, memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_leased_is_used_again() {
        let memory = Memory::new(1);
        let mut one = memory.lease(100_000).unwrap();
        let number = one.number();
        one.bytes_mut()[99_999] = 1;
        assert_ne!(memory.lease(1000).unwrap().number(), number);
        drop(one);
        assert_ne!(
            memory.lease(1000).unwrap().number(),
            number,
            "far too large"
        );
        assert_eq!(memory.lease(90_000).unwrap().number(), number);
    }

    #[test]
    fn not_all_is_kept() {
        let memory = Memory::new(1);
        let leases: Vec<Lease> = (0..3).map(|_| memory.lease(KEPT / 2).unwrap()).collect();
        let first = leases[0].number();
        drop(leases);
        assert_eq!(memory.take_forgotten(), [first]);
        assert!(memory.take_forgotten().is_empty());
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let memory = Memory::new(1);
        let mut leases: Vec<Lease> = (0..WAITING)
            .map(|_| memory.lease_to_wait(1000).unwrap())
            .collect();
        assert!(memory.lease_to_wait(1000).is_none());
        leases.extend((0..HANDED_OUT).map(|_| memory.lease(1000).unwrap()));
        let error = memory.lease(1000).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(leases.pop());
        // One that does not fit makes place.
        leases.push(memory.lease(100_000).unwrap());
        assert_eq!(memory.take_forgotten().len(), 1);
        assert!(memory.lease(1000).is_err());
        leases.clear();
        assert!(memory.lease_to_wait(1000).is_some());
        assert_eq!(Memory::new(1000).most, WAITING + 2000);
    }
}
