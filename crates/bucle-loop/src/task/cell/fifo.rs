//! [`Fifo`]: a queue of which a push and a pop are a few instructions each, and which takes no more
//! memory than what is in it, once a burst is over.
//!
//! It lies in blocks, each linked to the next. The push that fills the last one adds another, the pop
//! that empties the first one leaves it: to be used again, as long as no more than [`KEPT`] are kept
//! for that, else to the allocator. So no entry is ever moved when the queue grows.
//!
//! Nothing here runs anybody's code while the queue is half changed, and no reference into it is ever
//! given out: it needs no flag that says whether it is borrowed.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// How many entries a block has room for. A power of two.
const IN_BLOCK: usize = 128;

/// How many blocks without entries are kept: 32 KiB of entries of two words.
const KEPT: usize = 16;

struct Block<T> {
    places: [MaybeUninit<T>; IN_BLOCK],
    /// The block after this one, where there is one; of one that is kept, the next of these.
    next: Option<NonNull<Block<T>>>,
}

/// A new block, from a box.
fn new_block<T>() -> NonNull<Block<T>> {
    NonNull::from(Box::leak(Box::new(Block {
        places: [const { MaybeUninit::uninit() }; IN_BLOCK],
        next: None,
    })))
}

/// First in, first out. Not `Sync`, as its cells aren't.
pub(crate) struct Fifo<T> {
    /// How many were ever taken out, and put in; both wrap. Numbers from `head` to `tail` are in the
    /// queue; number `n` is at place `n % IN_BLOCK` of its block, the other places hold nothing.
    head: Cell<usize>,
    tail: Cell<usize>,
    /// The block of number `head`, and that of number `tail`; from the first to the last each is linked
    /// to the next.
    first: Cell<NonNull<Block<T>>>,
    last: Cell<NonNull<Block<T>>>,
    /// A list of those without entries.
    kept: Cell<Option<NonNull<Block<T>>>>,
    number_kept: Cell<usize>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Fifo<T> {
        let block = new_block();
        Fifo {
            head: Cell::new(0),
            tail: Cell::new(0),
            first: Cell::new(block),
            last: Cell::new(block),
            kept: Cell::new(None),
            number_kept: Cell::new(0),
        }
    }
}

impl<T> Fifo<T> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.get() == self.head.get()
    }

    /// Puts `value` at the end.
    #[inline]
    pub(crate) fn push(&self, value: T) {
        self.push_with(|| value);
    }

    /// Puts what `make` gives at the end. There is always room, so that it goes there from where it is
    /// made.
    #[inline]
    pub(crate) fn push_with(&self, make: impl FnOnce() -> T) {
        let value = make();
        let tail = self.tail.get();
        // SAFETY: the last block is that of `tail`, and the place holds nothing, as number `tail` isn't
        // in the queue.
        unsafe { Fifo::place(self.last.get(), tail).write(value) };
        let next = tail.wrapping_add(1);
        if next.is_multiple_of(IN_BLOCK) {
            return self.begin_block(next);
        }
        self.tail.set(next);
    }

    /// Takes the first one out.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let head = self.head.get();
        let next = head.wrapping_add(1);
        if next.is_multiple_of(IN_BLOCK) {
            return self.pop_last_of_block();
        }
        self.head.set(next);
        // SAFETY: the block is that of number `head`, which is in the queue, as that isn't empty: its
        // place holds a value. From now on it counts as holding nothing, so that nobody reads it again.
        Some(unsafe { Fifo::place(self.first.get(), head).read() })
    }

    /// [`pop`](Fifo::pop) where something is there, and it is in the last place of its block. A function
    /// that does it all, so that nothing has to be kept beside a call.
    #[cold]
    #[inline(never)]
    fn pop_last_of_block(&self) -> Option<T> {
        let head = self.head.get();
        // SAFETY: as in `pop`.
        let value = unsafe { Fifo::place(self.first.get(), head).read() };
        self.head.set(head.wrapping_add(1));
        self.leave_block();
        Some(value)
    }

    /// Each has what the other had; the blocks that are kept are as good for either.
    #[inline]
    pub(crate) fn swap(&self, other: &Fifo<T>) {
        self.head.swap(&other.head);
        self.tail.swap(&other.tail);
        self.first.swap(&other.first);
        self.last.swap(&other.last);
    }

    /// The place of a number in its block.
    ///
    /// # Safety
    /// The block is there.
    #[inline]
    unsafe fn place(block: NonNull<Block<T>>, number: usize) -> *mut T {
        // SAFETY: inside of the block, which is there; no reference to all of it is made.
        unsafe {
            let places = &raw mut (*block.as_ptr()).places;
            places.cast::<T>().add(number % IN_BLOCK)
        }
    }

    /// What was put in has filled the last block: adds another, for the number `tail`, and counts it.
    #[cold]
    #[inline(never)]
    fn begin_block(&self, tail: usize) {
        let block = match self.kept.get() {
            Some(block) => {
                // SAFETY: it is kept: nobody else uses it, and its link was written.
                self.kept.set(unsafe { (*block.as_ptr()).next });
                self.number_kept.set(self.number_kept.get() - 1);
                block
            }
            None => new_block(),
        };
        // SAFETY: the last block is there, and nobody has a reference to it.
        unsafe { (*self.last.get().as_ptr()).next = Some(block) };
        self.last.set(block);
        self.tail.set(tail);
    }

    /// The last number of the first block was taken out: keeps the block.
    fn leave_block(&self) {
        let block = self.first.get();
        // SAFETY: it is there, and nobody has a reference to it. It isn't the last one: that is the
        // block of a number after its last one.
        let Some(next) = (unsafe { (*block.as_ptr()).next }) else {
            unreachable!("a full block is linked to the next");
        };
        self.first.set(next);
        if self.number_kept.get() == KEPT {
            self.free_kept(KEPT / 2);
        }
        // SAFETY: as above.
        unsafe { (*block.as_ptr()).next = self.kept.get() };
        self.kept.set(Some(block));
        self.number_kept.set(self.number_kept.get() + 1);
    }

    /// Gives so many of those that are kept to the allocator, or all there are.
    fn free_kept(&self, number: usize) {
        for _ in 0..number {
            let Some(block) = self.kept.get() else {
                break;
            };
            // SAFETY: it is kept: nobody else uses it, its link was written, it came from `new_block`,
            // and it leaves the list here.
            let block = unsafe { Box::from_raw(block.as_ptr()) };
            self.kept.set(block.next);
            self.number_kept.set(self.number_kept.get() - 1);
        }
    }
}

impl<T> Drop for Fifo<T> {
    fn drop(&mut self) {
        /// Frees the memory also if a destructor panics: what is left in it is leaked then.
        struct GiveBack<'a, T>(&'a Fifo<T>);
        impl<T> Drop for GiveBack<'_, T> {
            fn drop(&mut self) {
                while self.0.first.get() != self.0.last.get() {
                    self.0.leave_block();
                }
                self.0.free_kept(usize::MAX);
                // SAFETY: it came from `new_block`, and nobody uses the queue any more.
                drop(unsafe { Box::from_raw(self.0.last.get().as_ptr()) });
            }
        }
        let queue = GiveBack(self);
        while let Some(value) = queue.0.pop() {
            drop(value);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::rc::Rc;

    #[test]
    fn it_does_what_a_deque_does() {
        let mut random = fastrand::Rng::with_seed(7);
        let queue = Fifo::default();
        // It also wraps where the numbers do.
        queue.head.set(usize::MAX - IN_BLOCK * 3 + 1);
        queue.tail.set(usize::MAX - IN_BLOCK * 3 + 1);
        let mut model = VecDeque::new();
        // Rather filled in the beginning, rather emptied in the end.
        let steps = if cfg!(miri) { 2_000 } else { 20_000 };
        for number in 0..steps {
            if random.u32(..2000) + number * 1000 / steps > 1_500 {
                assert_eq!(queue.pop(), model.pop_front().map(Rc::new));
            } else {
                queue.push(Rc::new(number));
                model.push_back(number);
            }
            assert_eq!(
                (queue.len(), queue.is_empty()),
                (model.len(), model.is_empty())
            );
        }
        for number in 0..1000 {
            queue.push(Rc::new(number));
            model.push_back(number);
        }
        while let Some(value) = model.pop_front() {
            assert_eq!(queue.pop(), Some(Rc::new(value)));
        }
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn two_swap_what_they_have() {
        let (one, other) = (Fifo::default(), Fifo::default());
        for number in 0..IN_BLOCK + 3 {
            one.push(number);
        }
        one.pop();
        one.swap(&other);
        assert!(one.is_empty());
        one.push(99);
        assert_eq!((one.pop(), one.pop()), (Some(99), None));
        assert!((1..IN_BLOCK + 3).all(|number| other.pop() == Some(number)));
        assert_eq!(other.pop(), None);
    }

    #[test]
    fn what_is_left_is_dropped_with_it() {
        let value = Rc::new(());
        drop(Fifo::<Rc<()>>::default());
        for left in [0, 1, IN_BLOCK - 1, IN_BLOCK, IN_BLOCK + 3, 3 * IN_BLOCK] {
            let queue = Fifo::default();
            for _ in 0..left + IN_BLOCK {
                queue.push(value.clone());
            }
            for _ in 0..IN_BLOCK {
                drop(queue.pop());
            }
            assert_eq!(Rc::strong_count(&value), left + 1);
            drop(queue);
            assert_eq!(Rc::strong_count(&value), 1);
        }
    }

    #[test]
    fn no_more_blocks_are_kept_than_said_and_one_serves_for_ever() {
        let queue = Fifo::default();
        for number in 0..IN_BLOCK * KEPT * 3 {
            queue.push(number);
        }
        while queue.pop().is_some() {
            assert!(queue.number_kept.get() <= KEPT);
        }
        let kept = queue.number_kept.get();
        assert!(kept >= KEPT / 2);
        for number in 0..IN_BLOCK * 3 {
            queue.push(number);
            assert_eq!(queue.pop(), Some(number));
            assert!(queue.number_kept.get() + 1 >= kept);
        }
        let mut counted = 0;
        let mut next = queue.kept.get();
        while let Some(block) = next {
            counted += 1;
            // SAFETY: it is kept.
            next = unsafe { block.as_ref() }.next;
        }
        assert_eq!(counted, queue.number_kept.get());
    }
}
