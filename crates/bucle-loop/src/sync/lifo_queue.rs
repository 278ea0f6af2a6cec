//! [`LifoQueue`]: last in, first out.

use super::queue::{QueueOf, QueueStore};

/// A queue whose newest item leaves first. asyncio's `LifoQueue`; all it does is in [`QueueOf`].
///
/// ```
/// use bucle_loop::sync::LifoQueue;
///
/// let stack = LifoQueue::new(0);
/// for item in [1, 2, 3] {
///     stack.put_nowait(item).unwrap();
/// }
/// assert_eq!(stack.get_nowait(), Ok(3));
/// ```
pub type LifoQueue<T> = QueueOf<Lifo<T>>;

/// The store of a [`LifoQueue`].
#[derive(Debug)]
pub struct Lifo<T>(Vec<T>);

impl<T> Default for Lifo<T> {
    fn default() -> Lifo<T> {
        Lifo(Vec::new())
    }
}

impl<T> QueueStore for Lifo<T> {
    type Item = T;

    const KIND: &'static str = "LifoQueue";

    fn put(&mut self, item: T) {
        self.0.push(item);
    }

    fn get(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}
