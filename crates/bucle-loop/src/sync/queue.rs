//! [`Queue`], first in, first out, and [`QueueOf`], what it has in common with the other queues.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::label::Label;
use super::queue_errors::{GetNowaitError, PutNowaitError, QueueShutDown, TaskDoneTooOften};
use super::waiters::{Place, Waiters};
use crate::wait_graph::WaitKind;

/// A queue whose items leave in the order they came. asyncio's `Queue`; all it does is in
/// [`QueueOf`].
///
/// ```
/// use std::rc::Rc;
/// use bucle_loop::sync::{Queue, QueueShutDown};
///
/// bucle_loop::run(async {
///     let jobs = Rc::new(Queue::named("jobs", 2)); // at most two wait in it
///     let worker = bucle_loop::spawn({
///         let jobs = jobs.clone();
///         async move {
///             let mut sum = 0;
///             while let Ok(job) = jobs.get().await {
///                 sum += job;
///                 jobs.task_done().unwrap();
///             }
///             sum
///         }
///     });
///     for job in 1..=10 {
///         jobs.put(job).await?;
///     }
///     jobs.join().await; // every one was done
///     jobs.shutdown(false);
///     assert_eq!(worker.await.unwrap(), 55);
///     Ok::<(), QueueShutDown<i32>>(())
/// })?.unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub type Queue<T> = QueueOf<Fifo<T>>;

/// Where a queue keeps its items, and which one is next. asyncio's `_put`, `_get` and `_qsize`, for
/// those who want a queue of another order.
///
/// The three functions must not call the queue they are in.
pub trait QueueStore: Default {
    /// What is kept.
    type Item;

    /// The kind of queue this makes, for reports.
    const KIND: &'static str;

    /// Keeps `item`.
    fn put(&mut self, item: Self::Item);

    /// Takes out the item that is next; `None` if there is none.
    fn get(&mut self) -> Option<Self::Item>;

    /// How many are kept.
    fn size(&self) -> usize;
}

/// The store of a [`Queue`].
#[derive(Debug)]
pub struct Fifo<T>(VecDeque<T>);

impl<T> Default for Fifo<T> {
    fn default() -> Fifo<T> {
        Fifo(VecDeque::new())
    }
}

impl<T> QueueStore for Fifo<T> {
    type Item = T;

    const KIND: &'static str = "Queue";

    fn put(&mut self, item: T) {
        self.0.push_back(item);
    }

    fn get(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}

/// What [`Queue`], [`PriorityQueue`](super::PriorityQueue) and [`LifoQueue`](super::LifoQueue) have
/// in common: items on their way from tasks that put to tasks that get.
///
/// # Order
///
/// Tasks that wait in [`get`](QueueOf::get) are served in the order they came, and so are those in
/// [`put`](QueueOf::put); who comes later waits behind those that wait, and behind those that were
/// woken and are yet to run. This is stricter than asyncio, where a late `get()` may take the item
/// that woke another task, which then goes to the end of the line. The `nowait` methods do overtake,
/// as in asyncio: what they leave the waiter with is its place.
///
/// A task that was woken for an item takes it when it runs: until then it is in the queue, counted by
/// [`qsize`](QueueOf::qsize), and a better one may come before it in a priority queue.
///
/// # Cancellation
///
/// [`get`](QueueOf::get) may be dropped at any time; the item it was woken for is still in the queue,
/// and the next one that waits is woken for it. [`put`](QueueOf::put) may be dropped at any time
/// too: if it wasn't done, its item is not in the queue and is dropped with it, unless it is taken
/// back by [`QueuePut::into_item`]; the room it was woken for goes to the next that waits.
///
/// ```
/// use std::time::Duration;
/// use bucle_loop::sync::Queue;
///
/// bucle_loop::run(async {
///     let queue = Queue::new(1);
///     queue.put_nowait("first").unwrap();
///     let mut put = queue.put("second");
///     assert!(bucle_loop::timeout(Duration::from_millis(1), &mut put).await.is_err());
///     assert_eq!(put.into_item(), Some("second"));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Shutting down
///
/// As in Python 3.13: after [`shutdown`](QueueOf::shutdown) nothing can be put, and those that wait
/// to put are told. What is in the queue can be got until it is empty, or is dropped at once. A
/// queue that was shut down stays so.
pub struct QueueOf<S> {
    store: RefCell<S>,
    /// 0: any number.
    maxsize: usize,
    unfinished: Cell<usize>,
    shut_down: Cell<bool>,
    /// As many are granted as there are items, or all.
    getters: Waiters,
    /// As many are granted as there is room, or all; none after a shutdown.
    putters: Waiters,
    joiners: Waiters,
    label: Label,
}

impl<S: QueueStore> QueueOf<S> {
    /// A queue for at most `maxsize` items; for any number if that is 0, as in asyncio.
    #[track_caller]
    pub fn new(maxsize: usize) -> QueueOf<S> {
        QueueOf::make(None, maxsize)
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named(name: &str, maxsize: usize) -> QueueOf<S> {
        QueueOf::make(Some(name), maxsize)
    }

    #[track_caller]
    fn make(name: Option<&str>, maxsize: usize) -> QueueOf<S> {
        QueueOf {
            store: RefCell::default(),
            maxsize,
            unfinished: Cell::new(0),
            shut_down: Cell::new(false),
            getters: Waiters::default(),
            putters: Waiters::default(),
            joiners: Waiters::default(),
            label: Label::new(S::KIND, name),
        }
    }

    /// Puts `item` into the queue, waiting until there is room and all who waited before have put
    /// theirs. See [Cancellation](QueueOf#cancellation).
    ///
    /// # Errors
    /// [`QueueShutDown`], with the item, if the queue was shut down before.
    pub fn put(&self, item: S::Item) -> QueuePut<'_, S> {
        QueuePut {
            queue: self,
            item: Some(item),
            place: None,
        }
    }

    /// Puts `item` into the queue if there is room, before all who wait to.
    ///
    /// # Errors
    /// [`PutNowaitError`], with the item, if the queue is full or was shut down.
    pub fn put_nowait(&self, item: S::Item) -> Result<(), PutNowaitError<S::Item>> {
        if self.shut_down.get() {
            return Err(PutNowaitError::QueueShutDown(item));
        }
        if self.full() {
            return Err(PutNowaitError::QueueFull(item));
        }
        self.store_item(item);
        Ok(())
    }

    /// Takes the next item, waiting until there is one and all who waited before have theirs. See
    /// [Cancellation](QueueOf#cancellation).
    ///
    /// # Errors
    /// [`QueueShutDown`] if the queue was shut down and has no item for this caller.
    pub fn get(&self) -> QueueGet<'_, S> {
        QueueGet {
            queue: self,
            place: None,
        }
    }

    /// Takes the next item if there is one, before all who wait for it.
    ///
    /// # Errors
    /// [`GetNowaitError`] if there is none.
    pub fn get_nowait(&self) -> Result<S::Item, GetNowaitError> {
        match self.take_item() {
            Some(item) => Ok(item),
            None if self.shut_down.get() => Err(GetNowaitError::QueueShutDown),
            None => Err(GetNowaitError::QueueEmpty),
        }
    }

    /// Says that an item that was got has been dealt with: once for each, for
    /// [`join`](QueueOf::join).
    ///
    /// # Errors
    /// [`TaskDoneTooOften`] if it was said for every item already.
    pub fn task_done(&self) -> Result<(), TaskDoneTooOften> {
        match self.unfinished.get() {
            0 => return Err(TaskDoneTooOften),
            unfinished => self.unfinished.set(unfinished - 1),
        }
        self.finish_if_done();
        Ok(())
    }

    /// Waits until [`task_done`](QueueOf::task_done) was called for every item that was ever put; not
    /// at all if that is so. May be dropped at any time.
    pub fn join(&self) -> QueueJoin<'_, S> {
        QueueJoin {
            queue: self,
            place: None,
        }
    }

    /// Shuts the queue down: see [Shutting down](QueueOf#shutting-down).
    ///
    /// All that wait to put, or to get what isn't there, get [`QueueShutDown`]. With `immediate` the
    /// items in the queue are dropped, counted as done, so that all who wait to get are told.
    pub fn shutdown(&self, immediate: bool) {
        self.shut_down.set(true);
        let dropped = immediate.then(|| self.store.take());
        if let Some(dropped) = &dropped {
            let left = self.unfinished.get().saturating_sub(dropped.size());
            self.unfinished.set(left);
            self.finish_if_done();
        }
        self.balance();
        self.getters.wake_waiting();
        self.putters.wake_waiting();
        // The items' destructors come last.
        drop(dropped);
    }

    /// How many items are in the queue.
    pub fn qsize(&self) -> usize {
        self.store.borrow().size()
    }

    /// Whether no item is in the queue.
    pub fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether there is no room for another item; never if `maxsize` is 0.
    pub fn full(&self) -> bool {
        self.maxsize > 0 && self.qsize() >= self.maxsize
    }

    /// For how many items there is room; 0 if for any number.
    pub fn maxsize(&self) -> usize {
        self.maxsize
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.label.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.label.location()
    }

    fn store_item(&self, item: S::Item) {
        self.store.borrow_mut().put(item);
        self.unfinished.set(self.unfinished.get() + 1);
        self.balance();
    }

    fn take_item(&self) -> Option<S::Item> {
        let item = self.store.borrow_mut().get()?;
        self.balance();
        Some(item)
    }

    fn finish_if_done(&self) {
        if self.unfinished.get() == 0 {
            self.joiners.grant(usize::MAX);
        }
    }

    /// Grants the items to those who wait for one and the room to those who wait for that, or takes
    /// grants back of which somebody else was quicker.
    #[inline]
    fn balance(&self) {
        if !self.getters.is_empty() {
            self.getters.level(|| self.qsize());
        }
        if !self.putters.is_empty() {
            self.putters.level(|| self.room());
        }
    }

    fn room(&self) -> usize {
        match self.maxsize {
            _ if self.shut_down.get() => 0,
            0 => usize::MAX,
            maxsize => maxsize.saturating_sub(self.qsize()),
        }
    }
}

impl<S: QueueStore> Default for QueueOf<S> {
    /// A queue for any number of items.
    #[track_caller]
    fn default() -> QueueOf<S> {
        QueueOf::new(0)
    }
}

impl<S: QueueStore> fmt::Debug for QueueOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.label.debug(f);
        out.field("maxsize", &self.maxsize);
        out.field("qsize", &self.qsize());
        if self.unfinished.get() > 0 {
            out.field("unfinished", &self.unfinished.get());
        }
        if self.shut_down.get() {
            out.field("shutdown", &true);
        }
        let waiters = [
            ("getters", &self.getters),
            ("putters", &self.putters),
            ("joiners", &self.joiners),
        ];
        self.label.finish(out, &waiters)
    }
}

/// The future of [`QueueOf::get`].
#[must_use = "it does nothing unless awaited"]
pub struct QueueGet<'a, S: QueueStore> {
    queue: &'a QueueOf<S>,
    place: Option<Place>,
}

impl<S: QueueStore> Future for QueueGet<'_, S> {
    type Output = Result<S::Item, QueueShutDown>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let queue = this.queue;
        let getters = &queue.getters;
        if (getters.claim(&mut this.place).is_some() || getters.is_empty())
            && let Some(item) = queue.take_item()
        {
            return Poll::Ready(Ok(item));
        }
        if queue.shut_down.get() {
            if let Some(place) = this.place.take() {
                getters.leave(place);
                return Poll::Ready(Err(QueueShutDown(())));
            }
            if queue.qsize() <= getters.len() {
                return Poll::Ready(Err(QueueShutDown(())));
            }
        }
        getters.wait(&mut this.place, cx, &queue.label, WaitKind::QueueGet);
        // There may be an item for this one behind those that were woken and didn't run.
        getters.level(|| queue.qsize());
        Poll::Pending
    }
}

impl<S: QueueStore> Drop for QueueGet<'_, S> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take()
            && self.queue.getters.leave(place).is_some()
        {
            self.queue.balance();
        }
    }
}

impl<S: QueueStore> fmt::Debug for QueueGet<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueGet")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of [`QueueOf::put`].
#[must_use = "it does nothing unless awaited"]
pub struct QueuePut<'a, S: QueueStore> {
    queue: &'a QueueOf<S>,
    /// None when it is done.
    item: Option<S::Item>,
    place: Option<Place>,
}

impl<S: QueueStore> QueuePut<'_, S> {
    /// Gives up, and takes the item back; `None` if it was put, or given back in an error.
    pub fn into_item(mut self) -> Option<S::Item> {
        self.item.take()
    }
}

// The item is kept here, not pinned.
impl<S: QueueStore> Unpin for QueuePut<'_, S> {}

impl<S: QueueStore> Future for QueuePut<'_, S> {
    type Output = Result<(), QueueShutDown<S::Item>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let queue = this.queue;
        let putters = &queue.putters;
        let Some(item) = this.item.take() else {
            panic!("a queue's put was polled after it was done");
        };
        let granted = putters.claim(&mut this.place).is_some();
        if queue.shut_down.get() {
            if let Some(place) = this.place.take() {
                putters.leave(place);
            }
            return Poll::Ready(Err(QueueShutDown(item)));
        }
        if granted || putters.is_empty() && !queue.full() {
            queue.store_item(item);
            return Poll::Ready(Ok(()));
        }
        this.item = Some(item);
        putters.wait(&mut this.place, cx, &queue.label, WaitKind::QueuePut);
        // There may be room for this one behind those that were woken and didn't run.
        putters.level(|| queue.room());
        Poll::Pending
    }
}

impl<S: QueueStore> Drop for QueuePut<'_, S> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take()
            && self.queue.putters.leave(place).is_some()
        {
            self.queue.balance();
        }
    }
}

impl<S: QueueStore> fmt::Debug for QueuePut<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuePut")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of [`QueueOf::join`].
#[must_use = "it does nothing unless awaited"]
pub struct QueueJoin<'a, S: QueueStore> {
    queue: &'a QueueOf<S>,
    place: Option<Place>,
}

impl<S: QueueStore> Future for QueueJoin<'_, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let joiners = &this.queue.joiners;
        let unfinished = this.place.is_some() || this.queue.unfinished.get() > 0;
        if joiners.claim(&mut this.place).is_none() && unfinished {
            let label = &this.queue.label;
            joiners.wait(&mut this.place, cx, label, WaitKind::QueueJoin);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<S: QueueStore> Drop for QueueJoin<'_, S> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.queue.joiners.leave(place);
        }
    }
}

impl<S: QueueStore> fmt::Debug for QueueJoin<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueJoin")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}
