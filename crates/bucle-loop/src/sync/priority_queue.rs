//! [`PriorityQueue`]: the lowest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

use super::queue::{QueueOf, QueueStore};

/// A queue whose lowest item leaves first. asyncio's `PriorityQueue`; all it does is in [`QueueOf`].
///
/// Items are often tuples `(priority, what)`. Of equal ones the first to come leaves first, which
/// asyncio doesn't promise. Wrap items in [`Reverse`](std::cmp::Reverse) for the highest first.
///
/// ```
/// use bucle_loop::sync::PriorityQueue;
///
/// let queue = PriorityQueue::new(0);
/// for item in [(2, "tea"), (1, "fire"), (3, "post")] {
///     queue.put_nowait(item).unwrap();
/// }
/// assert_eq!(queue.get_nowait(), Ok((1, "fire")));
/// ```
pub type PriorityQueue<T> = QueueOf<ByPriority<T>>;

/// The store of a [`PriorityQueue`].
pub struct ByPriority<T> {
    heap: BinaryHeap<Ranked<T>>,
    /// How many were put.
    count: u64,
}

struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ord for Ranked<T> {
    /// The other way round, as the heap gives out its highest.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .item
            .cmp(&self.item)
            .then(other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Ranked<T> {}

impl<T: Ord> Default for ByPriority<T> {
    fn default() -> ByPriority<T> {
        ByPriority {
            heap: BinaryHeap::new(),
            count: 0,
        }
    }
}

impl<T: Ord> QueueStore for ByPriority<T> {
    type Item = T;

    const KIND: &'static str = "PriorityQueue";

    fn put(&mut self, item: T) {
        let number = self.count;
        self.count += 1;
        self.heap.push(Ranked { item, number });
    }

    fn get(&mut self) -> Option<T> {
        self.heap.pop().map(|ranked| ranked.item)
    }

    fn size(&self) -> usize {
        self.heap.len()
    }
}

impl<T> fmt::Debug for ByPriority<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByPriority")
            .field("size", &self.heap.len())
            .finish_non_exhaustive()
    }
}
