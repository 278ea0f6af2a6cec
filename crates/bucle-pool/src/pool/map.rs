//! [`Map`]: one function over many items.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::{Fuse, Peekable};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::chunk::{Chunk, Items, Results};
use super::job::{Job, Stage};
use super::options::TaskOptions;
use super::{Pool, ProcessPoolExecutor};
use crate::error::{ProcessError, Rejected};
use crate::function::{ProcessFunction, index_of};
use crate::payload::Writer;

/// A chunk whose size was not said is to take about so long.
const CHUNK_TIME: Duration = Duration::from_micros(500);

/// The most items of such a chunk.
const MOST_ITEMS: usize = 1024;

/// A chunk takes no more items once it has so many bytes.
const MOST_BYTES: usize = 1 << 20;

/// How many chunks a map has under way for each worker.
const CHUNKS_AHEAD: usize = 3;

/// How many results may lie ready and wait for those before them.
const MOST_EARLY: usize = 64 * 1024;

/// The results of one function over many items: of [`map`](ProcessPoolExecutor::map), in the order
/// of the items.
///
/// It takes items, and has them run, while it is polled and some way ahead of that, so that its
/// source may be long or have no end. An item that fails is an `Err` in its place, and the rest
/// goes on. Dropping it cancels what has not ended.
#[must_use = "it does nothing unless it is polled"]
pub struct Map<F: ProcessFunction, I: Iterator> {
    line: Line<F, I>,
    /// The number of the item whose result is given next.
    next: usize,
    early: BTreeMap<usize, Result<F::Output, ProcessError>>,
}

/// The results of one function over many items as they come: of
/// [`as_completed`](ProcessPoolExecutor::as_completed), each with the number of its item.
///
/// Otherwise as [`Map`].
#[must_use = "it does nothing unless it is polled"]
pub struct AsCompleted<F: ProcessFunction, I: Iterator> {
    line: Line<F, I>,
}

/// A result with the number of its item.
type Came<T> = (usize, Result<T, ProcessError>);

/// Items on their way through the pool.
struct Line<F: ProcessFunction, I: Iterator> {
    pool: Weak<Pool>,
    items: Peekable<Fuse<I>>,
    /// How many were taken.
    taken: usize,
    /// How many items a chunk has, if that was said.
    chunk_size: Option<usize>,
    options: TaskOptions,
    results: Rc<Results<F::Output>>,
    chunks: Vec<Rc<Chunk<F::Output>>>,
}

impl ProcessPoolExecutor {
    /// Has `function` run on each item, and gives the results in the order of the items.
    ///
    /// Items travel in chunks, whose size follows from how long the function was measured to take,
    /// until [`chunk_size`](Map::chunk_size) says it. When a worker dies, only the item that it ran
    /// fails; the rest of the chunk is run by another.
    ///
    /// ```no_run
    /// # use bucle_macros::process;
    /// # #[process(crate = bucle_pool)]
    /// # fn square(n: u64) -> u64 { n * n }
    /// # async fn example(pool: bucle_pool::ProcessPoolExecutor) {
    /// let squares: Result<Vec<u64>, _> = pool.map(square, 1..=1000).collect().await;
    /// # }
    /// ```
    pub fn map<'i, F, I>(&self, function: F, items: I) -> Map<F, I::IntoIter>
    where
        F: ProcessFunction,
        I: IntoIterator<Item = F::Arguments<'i>>,
    {
        Map {
            line: Line::new(&self.pool, function, items),
            next: 0,
            early: BTreeMap::new(),
        }
    }

    /// [`map`](ProcessPoolExecutor::map) that gives each result, with the number of its item, as
    /// soon as it is there.
    pub fn as_completed<'i, F, I>(&self, function: F, items: I) -> AsCompleted<F, I::IntoIter>
    where
        F: ProcessFunction,
        I: IntoIterator<Item = F::Arguments<'i>>,
    {
        AsCompleted {
            line: Line::new(&self.pool, function, items),
        }
    }
}

macro_rules! settings {
    ($name:ident) => {
        impl<'i, F, I> $name<F, I>
        where
            F: ProcessFunction,
            I: Iterator<Item = F::Arguments<'i>>,
        {
            /// How many items go to a worker at once; at least one.
            pub fn chunk_size(mut self, items: usize) -> Self {
                self.line.chunk_size = Some(items.max(1));
                self
            }

            /// What holds for each item: a deadline, a limit on memory, a name.
            pub fn options(mut self, options: TaskOptions) -> Self {
                self.line.options = options;
                self
            }
        }
    };
}

settings!(Map);
settings!(AsCompleted);

impl<'i, F, I> Map<F, I>
where
    F: ProcessFunction,
    I: Iterator<Item = F::Arguments<'i>>,
{
    /// The next result; `None` when all were given. Dropped before it is ready, it loses none.
    pub async fn next(&mut self) -> Option<Result<F::Output, ProcessError>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// All results, or the first error; then the rest is cancelled.
    ///
    /// # Errors
    /// That of the first item, in their order, that failed.
    pub async fn collect<C: Extend<F::Output> + Default>(mut self) -> Result<C, ProcessError> {
        let mut all = C::default();
        while let Some(result) = self.next().await {
            all.extend([result?]);
        }
        Ok(all)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<F::Output, ProcessError>>> {
        loop {
            self.line.fill(self.early.len());
            if let Some(result) = self.early.remove(&self.next) {
                self.next += 1;
                return Poll::Ready(Some(result));
            }
            match std::task::ready!(self.line.poll_came(cx)) {
                Some((number, result)) if number == self.next => {
                    self.next += 1;
                    return Poll::Ready(Some(result));
                }
                Some((number, result)) => drop(self.early.insert(number, result)),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<'i, F, I> AsCompleted<F, I>
where
    F: ProcessFunction,
    I: Iterator<Item = F::Arguments<'i>>,
{
    /// The next result and the number of its item, from 0; `None` when all were given.
    pub async fn next(&mut self) -> Option<(usize, Result<F::Output, ProcessError>)> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Came<F::Output>>> {
        self.line.fill(0);
        self.line.poll_came(cx)
    }
}

impl<'i, F, I> Stream for Map<F, I>
where
    F: ProcessFunction,
    I: Iterator<Item = F::Arguments<'i>> + Unpin,
{
    type Item = Result<F::Output, ProcessError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl<'i, F, I> Stream for AsCompleted<F, I>
where
    F: ProcessFunction,
    I: Iterator<Item = F::Arguments<'i>> + Unpin,
{
    type Item = (usize, Result<F::Output, ProcessError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

// Nothing in them is ever pinned.
impl<F: ProcessFunction, I: Iterator> Unpin for Map<F, I> {}
impl<F: ProcessFunction, I: Iterator> Unpin for AsCompleted<F, I> {}

impl<'i, F, I> Line<F, I>
where
    F: ProcessFunction,
    I: Iterator<Item = F::Arguments<'i>>,
{
    fn new(
        pool: &Rc<Pool>,
        _: F,
        items: impl IntoIterator<IntoIter = I, Item = I::Item>,
    ) -> Line<F, I> {
        Line {
            pool: Rc::downgrade(pool),
            items: items.into_iter().fuse().peekable(),
            taken: 0,
            chunk_size: None,
            options: TaskOptions::default(),
            results: Results::new(),
            chunks: Vec::new(),
        }
    }

    /// Sends chunks, as long as there are few under way.
    fn fill(&mut self, early: usize) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let most = CHUNKS_AHEAD * pool.options.max_workers;
        while self.results.chunks.get() < most
            && early < MOST_EARLY
            && pool.has_room()
            && self.items.peek().is_some()
        {
            self.send_chunk(&pool);
        }
        if self.chunks.len() > 4 * most {
            self.chunks
                .retain(|chunk| chunk.base().stage.get() != Stage::Done);
        }
    }

    fn send_chunk(&mut self, pool: &Rc<Pool>) {
        let entry = F::entry();
        let function = index_of(entry);
        let size = self
            .chunk_size
            .unwrap_or_else(|| self.measured(pool, function));
        let (first, mut items) = (self.taken, Items::default());
        let mut bad = None;
        while items.count() < size && items.len() < MOST_BYTES {
            let Some(item) = self.items.next() else {
                break;
            };
            self.taken += 1;
            let mut writer = Writer::default();
            match F::encode(&item, &mut writer) {
                Ok(()) => items.add(&writer),
                Err(error) => {
                    bad = Some(error);
                    break;
                }
            }
        }
        if items.count() > 0 {
            let chunk = Chunk::new(
                (entry.path, function),
                self.options.clone(),
                (first, items),
                (F::decode, self.results.clone()),
            );
            self.chunks.push(chunk.clone());
            match pool.refusal() {
                Some(refusal) => chunk.fail(refusal),
                None => pool.accept(chunk),
            }
        }
        if let Some(error) = bad {
            let outstanding = &self.results.outstanding;
            outstanding.set(outstanding.get() + 1);
            self.results
                .put(self.taken - 1, Err(ProcessError::NotEncoded(error)));
        }
    }

    /// How many items make a chunk that takes [`CHUNK_TIME`], and leave some for every worker.
    fn measured(&self, pool: &Pool, function: u32) -> usize {
        let Some(each) = pool.averages.of(function) else {
            return 1;
        };
        let by_time = (CHUNK_TIME.as_nanos() / each.as_nanos().max(1)) as usize;
        // A map at its end is not to wait for one long chunk.
        let left = self.items.size_hint().0;
        let shared = left.div_ceil(2 * pool.options.max_workers).max(1);
        by_time.clamp(1, MOST_ITEMS).min(shared)
    }

    /// The next result that comes, of whatever item.
    fn poll_came(&mut self, cx: &mut Context<'_>) -> Poll<Option<Came<F::Output>>> {
        if let Some(came) = self.results.came.borrow_mut().pop_front() {
            return Poll::Ready(Some(came));
        }
        if self.results.outstanding.get() > 0 {
            self.results.waker.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if self.items.peek().is_none() {
            return Poll::Ready(None);
        }
        let Some(pool) = self.pool.upgrade() else {
            // What was not taken has its end, too: it is not to look as if there were no more.
            drop(self.items.next());
            let number = self.taken;
            self.taken += 1;
            let error = ProcessError::Rejected(Rejected::Shutdown);
            return Poll::Ready(Some((number, Err(error))));
        };
        // Others have filled the queue.
        match pool.poll_room(cx) {
            Poll::Ready(()) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<F: ProcessFunction, I: Iterator> Drop for Line<F, I> {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        for chunk in self.chunks.drain(..) {
            if chunk.base().stage.get() != Stage::Done {
                let job: Rc<dyn Job> = chunk;
                pool.cancel(&job, "the map it belongs to was dropped");
            }
        }
    }
}

impl<F: ProcessFunction, I: Iterator> fmt::Debug for Map<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("taken", &self.line.taken)
            .field("given", &self.next)
            .finish_non_exhaustive()
    }
}

impl<F: ProcessFunction, I: Iterator> fmt::Debug for AsCompleted<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("taken", &self.line.taken)
            .finish_non_exhaustive()
    }
}
