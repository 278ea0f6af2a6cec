//! [`wait`] and [`as_completed`]: many futures at once, by a thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::future::deadline;
use super::state::Listener;
use super::{Future, FutureHandle};
use crate::primitives::{Condvar, Mutex, lock, wait_until};
use crate::wait::ReturnWhen;

/// What [`wait`] and [`as_completed`] take: a [`Future`], a [`FutureHandle`], or a reference to one.
pub trait Watched {
    /// The handle to watch it by.
    fn watched(&self) -> FutureHandle;
}

impl<T, E> Watched for Future<T, E> {
    fn watched(&self) -> FutureHandle {
        self.handle()
    }
}

impl Watched for FutureHandle {
    fn watched(&self) -> FutureHandle {
        self.clone()
    }
}

impl<W: Watched> Watched for &W {
    fn watched(&self) -> FutureHandle {
        (**self).watched()
    }
}

/// What [`wait`] gives, each list in the order the futures were given.
#[derive(Debug)]
pub struct DoneAndNotDone<F> {
    /// Those that are done.
    pub done: Vec<F>,
    /// The others.
    pub not_done: Vec<F>,
}

/// Blocks the thread until the futures are done as `return_when` says, or for `timeout`.
///
/// Takes the futures and gives them all back, sorted; give references to keep them where they are.
/// A future that was cancelled is done. Nothing is cancelled when the time is up. No futures at all
/// are done at once.
///
/// ```
/// use bucle_loop::concurrent::{Promise, ReturnWhen, wait};
///
/// let (first, a) = Promise::<u32>::new();
/// let (_second, b) = Promise::<u32>::new();
/// first.set_result(1).unwrap();
/// let sorted = wait([a, b], None, ReturnWhen::FirstCompleted);
/// assert_eq!((sorted.done.len(), sorted.not_done.len()), (1, 1));
/// ```
pub fn wait<F: Watched>(
    futures: impl IntoIterator<Item = F>,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
) -> DoneAndNotDone<F> {
    let deadline = timeout.and_then(deadline);
    let futures: Vec<F> = futures.into_iter().collect();
    let watch = Watch::new(futures.iter());
    watch.waiter.wait_for(deadline, |told| {
        told.count == futures.len()
            || match return_when {
                ReturnWhen::FirstCompleted => told.count > 0,
                ReturnWhen::FirstException => told.failed,
                ReturnWhen::AllCompleted => false,
            }
    });
    let (done, not_done) = futures
        .into_iter()
        .zip(&watch.handles)
        .partition::<Vec<_>, _>(|(_, handle)| handle.done());
    let futures = |side: Vec<(F, _)>| side.into_iter().map(|(future, _)| future).collect();
    DoneAndNotDone {
        done: futures(done),
        not_done: futures(not_done),
    }
}

/// The futures one after the other as they are done; those that are done already come first, in
/// the order given.
///
/// Taking the next one blocks the thread; [`next_timeout`](AsCompleted::next_timeout) does so for a
/// limited time. Dropping the iterator drops the futures it still has, which cancels nothing.
///
/// ```
/// use bucle_loop::concurrent::{ThreadPoolExecutor, as_completed};
///
/// let pool = ThreadPoolExecutor::new();
/// let futures: Vec<_> = (1..=3).map(|n| pool.submit(move || n * n)).collect();
/// let mut squares: Vec<i32> = as_completed(futures).map(|f| f.result().unwrap()).collect();
/// squares.sort();
/// assert_eq!(squares, [1, 4, 9]);
/// ```
pub fn as_completed<F: Watched>(futures: impl IntoIterator<Item = F>) -> AsCompleted<F> {
    let futures: Vec<Option<F>> = futures.into_iter().map(Some).collect();
    AsCompleted {
        watch: Watch::new(futures.iter().flatten()),
        left: futures.len(),
        futures,
    }
}

/// The iterator of [`as_completed`].
pub struct AsCompleted<F> {
    watch: Watch,
    /// Each until it is given out.
    futures: Vec<Option<F>>,
    left: usize,
}

/// Some futures were not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// How many were not.
    pub unfinished: usize,
    /// Of how many.
    pub total: usize,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (of {}) futures unfinished",
            self.unfinished, self.total
        )
    }
}

impl std::error::Error for Unfinished {}

impl<F> AsCompleted<F> {
    /// The next one, if it is done within `timeout`; `None` when all were given out.
    ///
    /// # Errors
    /// [`Unfinished`] when the time was up; this may be called again.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<F>, Unfinished> {
        self.next_before(deadline(timeout))
    }

    fn next_before(&mut self, deadline: Option<Instant>) -> Result<Option<F>, Unfinished> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut place = None;
        self.watch.waiter.wait_for(deadline, |told| {
            place = told.places.pop_front();
            place.is_some()
        });
        match place.and_then(|place| self.futures[place].take()) {
            Some(future) => {
                self.left -= 1;
                Ok(Some(future))
            }
            None => Err(Unfinished {
                unfinished: self.left,
                total: self.futures.len(),
            }),
        }
    }

    /// The futures that were not given out, in the order given.
    pub fn into_rest(self) -> Vec<F> {
        self.futures.into_iter().flatten().collect()
    }
}

impl<F> Iterator for AsCompleted<F> {
    type Item = F;

    fn next(&mut self) -> Option<F> {
        self.next_before(None).ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<F> ExactSizeIterator for AsCompleted<F> {}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .field("total", &self.futures.len())
            .finish()
    }
}

/// Several futures watched by one waiter, for as long as it lives.
struct Watch {
    waiter: Arc<Waiter>,
    handles: Vec<FutureHandle>,
}

impl Watch {
    fn new<'a, F: Watched + 'a>(futures: impl Iterator<Item = &'a F>) -> Watch {
        let waiter = Arc::new(Waiter::new());
        let handles: Vec<FutureHandle> = futures.map(Watched::watched).collect();
        for (place, handle) in handles.iter().enumerate() {
            let listener = Listener::Waiter(waiter.clone(), place);
            if let Err((listener, phase)) = handle.cell.listen(listener) {
                listener.tell(handle, phase);
            }
        }
        Watch { waiter, handles }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A future that lives long must not collect those who once waited for it.
        for handle in &self.handles {
            handle.cell.unlisten(&self.waiter);
        }
    }
}

/// A thread that waits for several futures; they tell it, in the order in which they are done.
pub(crate) struct Waiter {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    places: VecDeque<usize>,
    /// All that ever told.
    count: usize,
    failed: bool,
}

impl Waiter {
    pub(super) fn new() -> Waiter {
        Waiter {
            told: Mutex::new(Told::default()),
            changed: Condvar::new(),
        }
    }

    pub(super) fn tell(&self, place: usize, failed: bool) {
        let mut told = lock(&self.told);
        told.places.push_back(place);
        told.count += 1;
        told.failed |= failed;
        drop(told);
        self.changed.notify_one();
    }

    fn wait_for(&self, deadline: Option<Instant>, mut enough: impl FnMut(&mut Told) -> bool) {
        let mut told = lock(&self.told);
        while !enough(&mut told) {
            let (guard, in_time) = wait_until(&self.changed, told, deadline);
            told = guard;
            if !in_time {
                break;
            }
        }
    }
}
