//! [`Map`]: one function over many items, the results in order.

use std::collections::VecDeque;
use std::fmt;
use std::iter::Fuse;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::error::FutureError;
use super::thread_pool::Pool;
use super::{Future, Unfinished};

/// The iterator of [`ThreadPoolExecutor::map`](super::ThreadPoolExecutor::map): the results, in the
/// order of the items.
///
/// A job that failed (it panicked, or never began) is an `Err` in its place, and the rest goes on;
/// `collect::<Result<Vec<_>, _>>()` ends at the first one. Dropping the iterator cancels the jobs
/// that have not begun; those that run are left to themselves.
#[must_use = "dropping it cancels the jobs that have not begun"]
pub struct Map<I, F, T> {
    pool: Arc<Pool>,
    function: Arc<F>,
    items: Fuse<I>,
    futures: VecDeque<Future<T>>,
    /// How many futures there may be at once.
    ahead: usize,
    location: &'static Location<'static>,
}

impl<I, F, T> Map<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
    pub(super) fn new(
        pool: &Arc<Pool>,
        function: F,
        items: impl IntoIterator<IntoIter = I, Item = I::Item>,
        ahead: usize,
        location: &'static Location<'static>,
    ) -> Map<I, F, T> {
        let mut map = Map {
            pool: pool.clone(),
            function: Arc::new(function),
            items: items.into_iter().fuse(),
            futures: VecDeque::new(),
            ahead,
            location,
        };
        map.fill();
        map
    }

    fn fill(&mut self) {
        while self.futures.len() < self.ahead {
            let Some(item) = self.items.next() else {
                break;
            };
            let function = self.function.clone();
            let work = move || function(item);
            self.futures
                .push_back(self.pool.submit(work, self.location));
        }
    }

    /// The next result, if it comes within `timeout`; `None` when all were given out.
    ///
    /// # Errors
    /// [`Unfinished`] when the time was up; this may be called again.
    pub fn next_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Result<T, FutureError>>, Unfinished> {
        let Some(future) = self.futures.front() else {
            return Ok(None);
        };
        if future.wait(timeout) {
            return Ok(self.next());
        }
        let done = self.futures.iter().filter(|future| future.done()).count();
        Err(Unfinished {
            unfinished: self.futures.len() - done,
            total: self.futures.len(),
        })
    }
}

impl<I, F, T> Iterator for Map<I, F, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
    type Item = Result<T, FutureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let future = self.futures.pop_front()?;
        // The next item takes the place that was given up, before the wait.
        self.fill();
        Some(future.result())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let known = self.futures.len();
        let (least, most) = self.items.size_hint();
        let most = most.and_then(|most| most.checked_add(known));
        (known.saturating_add(least), most)
    }
}

impl<I, F, T> Drop for Map<I, F, T> {
    fn drop(&mut self) {
        for future in &self.futures {
            future.cancel("the map it belongs to was dropped");
        }
    }
}

impl<I, F, T> fmt::Debug for Map<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("submitted", &self.futures.len())
            .finish_non_exhaustive()
    }
}
