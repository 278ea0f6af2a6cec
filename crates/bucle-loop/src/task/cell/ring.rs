//! [`Ring`]: a queue of which a push and a pop are a few instructions each.
//!
//! What `VecDeque` in a `RefCell` does, without the flag that says whether it is borrowed: nothing
//! here runs anybody's code while the ring is half changed, and no reference into it is ever given
//! out. It grows, and never shrinks.

use std::cell::Cell;
use std::ptr::NonNull;

/// How many places the first allocation has. A power of two, as every later one.
const FIRST: usize = 16;

/// First in, first out. Not `Sync`, as its cells aren't.
pub(crate) struct Ring<T> {
    /// Places for `capacity` of them; dangling while that is 0.
    slots: Cell<NonNull<T>>,
    /// 0 or a power of two.
    capacity: Cell<usize>,
    /// How many were ever taken out, and put in; both wrap. The places from `head` to `tail`, modulo
    /// the capacity, hold a value; the others nothing.
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl<T> Default for Ring<T> {
    fn default() -> Ring<T> {
        Ring {
            slots: Cell::new(NonNull::dangling()),
            capacity: Cell::new(0),
            head: Cell::new(0),
            tail: Cell::new(0),
        }
    }
}

impl<T> Ring<T> {
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

    /// Puts what `make` gives at the end. It is called when there is room, so that nothing has to be
    /// kept meanwhile; it must not use the ring.
    #[inline]
    pub(crate) fn push_with(&self, make: impl FnOnce() -> T) {
        if self.len() == self.capacity.get() {
            self.grow();
        }
        let value = make();
        let tail = self.tail.get();
        // SAFETY: the place is inside of the allocation, as it is taken modulo its capacity, which
        // isn't 0 after `grow`; and it holds nothing, as fewer than `capacity` are in the ring.
        unsafe { self.place(tail).write(value) };
        self.tail.set(tail.wrapping_add(1));
    }

    /// Takes the first one out.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let head = self.head.get();
        self.head.set(head.wrapping_add(1));
        // SAFETY: the place held a value, as the ring wasn't empty, which means that there is an
        // allocation too; from now on it counts as holding nothing, so that nobody reads it again.
        Some(unsafe { self.place(head).read() })
    }

    /// Each has what the other had.
    #[inline]
    pub(crate) fn swap(&self, other: &Ring<T>) {
        self.slots.swap(&other.slots);
        self.capacity.swap(&other.capacity);
        self.head.swap(&other.head);
        self.tail.swap(&other.tail);
    }

    /// # Safety
    /// There is an allocation.
    #[inline]
    unsafe fn place(&self, number: usize) -> NonNull<T> {
        // SAFETY: a power of two less one is a mask, under which the place is in bounds.
        unsafe { self.slots.get().add(number & (self.capacity.get() - 1)) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&self) {
        let capacity = (self.capacity.get() * 2).max(FIRST);
        let mut slots = std::mem::ManuallyDrop::new(Vec::<T>::with_capacity(capacity));
        // A vector's pointer isn't null; exactly so much as was asked for is used of it.
        let Some(slots) = NonNull::new(slots.as_mut_ptr()) else {
            unreachable!("a vector without a pointer");
        };
        let (head, len) = (self.head.get(), self.len());
        for number in 0..len {
            // SAFETY: these places hold values, each of which is moved once into the new
            // allocation, which has room for twice as many and which nobody else knows. The old one
            // is given up below.
            unsafe {
                slots
                    .add(number)
                    .write(self.place(head.wrapping_add(number)).read())
            };
        }
        self.give_back();
        self.slots.set(slots);
        self.capacity.set(capacity);
        self.head.set(0);
        self.tail.set(len);
    }

    /// Frees the allocation, whose values were moved out. The caller puts another in its place, or
    /// drops the ring.
    fn give_back(&self) {
        let capacity = self.capacity.replace(0);
        if capacity != 0 {
            // SAFETY: it came from a vector of this capacity in `grow`; no value is in it that
            // anybody still counts on.
            drop(unsafe { Vec::from_raw_parts(self.slots.get().as_ptr(), 0, capacity) });
        }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        /// Frees the memory also if a destructor panics: what is left in it is leaked then.
        struct GiveBack<'a, T>(&'a Ring<T>);
        impl<T> Drop for GiveBack<'_, T> {
            fn drop(&mut self) {
                self.0.give_back();
            }
        }
        let ring = GiveBack(self);
        while let Some(value) = ring.0.pop() {
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
        let ring = Ring::default();
        // It also wraps where the numbers do.
        ring.head.set(usize::MAX - 5);
        ring.tail.set(usize::MAX - 5);
        let mut model = VecDeque::new();
        for number in 0..10_000 {
            if random.u32(..2000) + number / 10 > 1_500 {
                assert_eq!(ring.pop(), model.pop_front().map(Rc::new));
            } else {
                ring.push(Rc::new(number));
                model.push_back(number);
            }
            assert_eq!(
                (ring.len(), ring.is_empty()),
                (model.len(), model.is_empty())
            );
        }
        for number in 0..100 {
            ring.push(Rc::new(number));
            model.push_back(number);
        }
        while let Some(value) = model.pop_front() {
            assert_eq!(ring.pop(), Some(Rc::new(value)));
        }
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn two_swap_what_they_have() {
        let (one, other) = (Ring::default(), Ring::default());
        for number in 0..FIRST + 3 {
            one.push(number);
        }
        one.pop();
        one.swap(&other);
        assert!(one.is_empty());
        one.push(99);
        assert_eq!((one.pop(), one.pop()), (Some(99), None));
        assert!((1..FIRST + 3).all(|number| other.pop() == Some(number)));
        assert_eq!(other.pop(), None);
    }

    #[test]
    fn what_is_left_is_dropped_with_it() {
        let (value, ring) = (Rc::new(()), Ring::default());
        drop(Ring::<Rc<()>>::default());
        for _ in 0..FIRST + 3 {
            ring.push(value.clone());
        }
        drop(ring.pop());
        assert_eq!(Rc::strong_count(&value), FIRST + 3);
        drop(ring);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
