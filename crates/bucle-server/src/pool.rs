//! [`Pool`]: things that are used again instead of being freed.

use std::cell::{Cell, RefCell};

/// More of a kind than these are not kept.
const KEPT: usize = 64;

/// Things without a use at the moment. Most of the time one is taken and the same is given back, so
/// the last one has a place of its own.
pub(crate) struct Pool<T> {
    last: Cell<Option<T>>,
    others: RefCell<Vec<T>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool {
            last: Cell::new(None),
            others: RefCell::default(),
        }
    }
}

impl<T> Pool<T> {
    /// One of them, if there is any.
    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        match self.last.take() {
            Some(last) => Some(last),
            None => self.take_other(),
        }
    }

    #[inline(never)]
    fn take_other(&self) -> Option<T> {
        self.others.borrow_mut().pop()
    }

    /// Keeps one, if there are not too many. Dropping it must not use the pool.
    #[inline]
    pub(crate) fn give(&self, thing: T) {
        if let Some(before) = self.last.replace(Some(thing)) {
            self.give_other(before);
        }
    }

    #[inline(never)]
    fn give_other(&self, thing: T) {
        let mut others = self.others.borrow_mut();
        if others.len() < KEPT - 1 {
            others.push(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_taken_and_no_more_than_some_are_kept() {
        let pool = Pool::default();
        assert_eq!(pool.take(), None);
        for number in 0..2 * KEPT {
            pool.give(number);
        }
        let mut taken: Vec<usize> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(taken.len(), KEPT);
        assert_eq!(taken[0], 2 * KEPT - 1, "the last one is the warmest");
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), KEPT, "none is there twice");
    }
}
