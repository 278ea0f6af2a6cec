//! [`Queue`]: a queue that a parent keeps for its children.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::desk::{CANCEL, Desk, Remote, Service};
use super::error::ChannelError;
use super::travel::{Arrived, Passed, check_leaving, not_encoded};
use super::wait::{Mode, blocking};
use super::waiter::{Waiter, Waiting};
use super::wire::{Blob, Message};

/// A queue with fewer items than this may keep long ones in shared memory, which is a descriptor for
/// each; from then on they are copied to ordinary memory.
const FEW: usize = 32;

/// From a child: an item to put; the wish for one; it was received.
const PUT: u8 = b'p';
const GET: u8 = b'g';
const TOOK: u8 = b't';
/// To a child: it was put; here is one; there will be none.
const DONE: u8 = b'd';
const ITEM: u8 = b'i';
const OVER: u8 = b'o';

/// A queue of values between a parent and its children, with any number of producers and consumers:
/// first in, first out, and bounded. `multiprocessing.Queue`, but for the lock that its processes
/// share.
///
/// The process that made it keeps the items and has a connection to every child that was given a
/// handle (a [`clone`](Clone::clone), as an argument of
/// [`Process::spawn`](super::Process::spawn)). So a child that is killed holds nothing that another
/// needs: with it goes the one item that it had taken and not finished, if any, and one that was on
/// its way to it goes back to the front.
///
/// Items travel in a format that does not describe itself, as arguments of `#[bucle::process]` do:
/// plain derives of serde work; `skip_serializing_if`, `flatten`, `untagged` or `tag`, and
/// `serde_json::Value` don't, and may come as another value.
///
/// In a child the methods that end in `_blocking` block the thread; the others are awaited on a
/// loop. In the process that made it, everything is awaited.
///
/// # Who is told of whose end
///
/// [`get`](Queue::get) gives `None`, and [`put`](Queue::put) is an error,
/// - in a child: when the queue was [shut down](Queue::shutdown) and is empty, or the parent has
///   dropped its last handle, which shuts it down;
/// - in the parent: also when children have had handles, all of these are gone, and it is empty
///   (full, for `put`). Give a handle to another child, and it goes on.
///
/// ```no_run
/// use bucle_macros::process;
/// use bucle_pool::{Process, Queue};
///
/// #[process(crate = bucle_pool)]
/// fn work(jobs: Queue<u64>, results: Queue<u64>) {
///     while let Ok(Some(job)) = jobs.get_blocking() {
///         results.put_blocking(&(job * job)).unwrap();
///     }
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (jobs, results) = (Queue::new(16)?, Queue::new(16)?);
/// let _one = Process::spawn(work, (jobs.clone(), results.clone())).await?;
/// let _two = Process::spawn(work, (jobs.clone(), results.clone())).await?;
/// for job in 1..=10 {
///     jobs.put(&job).await?;
/// }
/// jobs.shutdown();
/// let mut sum = 0;
/// while let Some(result) = results.get().await? {
///     sum += result; // until both children are gone
/// }
/// assert_eq!(sum, 385);
/// # Ok(())
/// # }
/// ```
pub struct Queue<T> {
    side: Side,
    items: PhantomData<fn(T) -> T>,
}

enum Side {
    Home(Handle),
    /// Of a child: one connection for each direction, so that neither waits for the other.
    Away {
        put: Rc<Remote>,
        get: Rc<Remote>,
    },
}

impl<T> Queue<T> {
    /// An empty queue that keeps at most `maxsize` items, in a process with a running loop.
    ///
    /// # Errors
    /// `InvalidInput` if `maxsize` is 0: a queue among processes is always bounded; `Unsupported`
    /// if no loop runs.
    pub fn new(maxsize: usize) -> io::Result<Queue<T>> {
        if maxsize == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a queue among processes is bounded: its `maxsize` is 1 at least",
            ));
        }
        let hub = Rc::new(Hub {
            desk: Desk::new()?,
            maxsize,
            state: RefCell::default(),
            handles: Cell::new(0),
        });
        Ok(Queue {
            side: Side::Home(Handle::of(hub)),
            items: PhantomData,
        })
    }

    /// The most items that it keeps; `None` in a child.
    pub fn maxsize(&self) -> Option<usize> {
        self.hub().map(|hub| hub.maxsize)
    }

    /// How many items are in it; `None` in a child.
    pub fn qsize(&self) -> Option<usize> {
        self.hub().map(|hub| hub.state.borrow().items.len())
    }

    /// No more is put; what is in it can be taken, and then there is `None`. In the process that
    /// made it; does nothing in a child, which ends its part by dropping its handle.
    pub fn shutdown(&self) {
        if let Some(hub) = self.hub() {
            hub.shutdown();
        }
    }

    fn hub(&self) -> Option<&Rc<Hub>> {
        match &self.side {
            Side::Home(handle) => Some(&handle.0),
            Side::Away { .. } => None,
        }
    }
}

impl<T: Serialize> Queue<T> {
    /// Puts an item at the end, and waits while the queue is full. Dropped before it is done, the
    /// item is not put; in a child it may have been.
    ///
    /// # Errors
    /// [`Closed`](ChannelError::Closed): see [above](Queue#who-is-told-of-whose-end).
    pub async fn put(&self, item: &T) -> Result<(), ChannelError> {
        let blob = match self.hub().is_some_and(|hub| hub.is_long()) {
            true => Blob::waiting(item)?,
            false => Blob::of(item)?,
        };
        self.put_mode(Mode::Await, blob).await
    }

    /// [`put`](Queue::put) that blocks the thread, in a child.
    ///
    /// # Errors
    /// As [`put`](Queue::put), and `WouldBlock` in the process that made the queue, whose loop
    /// would never make room.
    pub fn put_blocking(&self, item: &T) -> Result<(), ChannelError> {
        let blob = Blob::of(item)?;
        blocking(async { Ok(self.put_mode(Mode::Block, blob).await) })?
    }

    async fn put_mode(&self, mode: Mode, blob: Blob) -> Result<(), ChannelError> {
        match &self.side {
            Side::Home(handle) => {
                check_may_block(mode)?;
                let put = handle.0.put(blob).await;
                put.ok_or(ChannelError::Closed)
            }
            Side::Away { put, .. } => match put.ask(mode, PUT, &blob).await? {
                Some(message) if message.kind == DONE => Ok(()),
                _ => Err(ChannelError::Closed),
            },
        }
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Takes the first item, and waits while there is none; `None` when there will be none: see
    /// [above](Queue#who-is-told-of-whose-end). Dropped before it is done, no item is taken.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn get(&self) -> Result<Option<T>, ChannelError> {
        self.take_mode(Mode::Await).await
    }

    /// [`get`](Queue::get) that blocks the thread, in a child.
    ///
    /// # Errors
    /// As [`get`](Queue::get), and `WouldBlock` in the process that made the queue.
    pub fn get_blocking(&self) -> Result<Option<T>, ChannelError> {
        blocking(async { Ok(self.take_mode(Mode::Block).await) })?
    }

    async fn take_mode(&self, mode: Mode) -> Result<Option<T>, ChannelError> {
        let blob = match &self.side {
            Side::Home(handle) => {
                check_may_block(mode)?;
                handle.0.get().await
            }
            Side::Away { get, .. } => match get.ask(mode, GET, &Blob::default()).await? {
                Some(message) if message.kind == ITEM => {
                    // From here on it is lost with this process.
                    get.say(TOOK, message.number);
                    Some(message.blob)
                }
                _ => None,
            },
        };
        Ok(blob.map(|blob| blob.value()).transpose()?)
    }
}

/// In the process that made a thing, whose loop has to go on.
pub(super) fn check_may_block(mode: Mode) -> io::Result<()> {
    match mode {
        Mode::Await => Ok(()),
        Mode::Block => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "this process's own loop would have to end the waiting, so it must not be blocked: \
             await instead",
        )),
    }
}

/// Another handle of the same queue, for another child or another task.
impl<T> Clone for Queue<T> {
    fn clone(&self) -> Queue<T> {
        let side = match &self.side {
            Side::Home(handle) => Side::Home(handle.clone()),
            Side::Away { put, get } => Side::Away {
                put: put.clone(),
                get: get.clone(),
            },
        };
        Queue {
            side,
            items: PhantomData,
        }
    }
}

impl<T> Serialize for Queue<T> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        check_leaving("a queue")?;
        let Some(hub) = self.hub() else {
            return Err(not_encoded(
                "a queue can be given to children only by the process that made it",
            ));
        };
        hub.state.borrow_mut().had_clients = true;
        let put = hub.desk.open(hub.clone()).map_err(not_encoded)?;
        let get = hub.desk.open(hub.clone()).map_err(not_encoded)?;
        (Passed(put.as_fd()), Passed(get.as_fd())).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Queue<T>, D::Error> {
        let (put, get) = <(Arrived, Arrived)>::deserialize(deserializer)?;
        Ok(Queue {
            side: Side::Away {
                put: Rc::new(Remote::new(put.into_fd())),
                get: Rc::new(Remote::new(get.into_fd())),
            },
            items: PhantomData,
        })
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("maxsize", &self.maxsize())
            .field("qsize", &self.qsize())
            .finish_non_exhaustive()
    }
}

/// A handle in the process that made the queue; without any the queue is shut down.
struct Handle(Rc<Hub>);

impl Handle {
    fn of(hub: Rc<Hub>) -> Handle {
        hub.handles.set(hub.handles.get() + 1);
        Handle(hub)
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        Handle::of(self.0.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let left = self.0.handles.get() - 1;
        self.0.handles.set(left);
        if left == 0 {
            self.0.shutdown();
        }
    }
}

/// The queue itself.
struct Hub {
    desk: Desk,
    maxsize: usize,
    state: RefCell<State>,
    handles: Cell<usize>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Blob>,
    putters: VecDeque<Putter>,
    getters: VecDeque<Getter>,
    /// Sent to a client, by its number for the request, and not said to have arrived.
    untold: HashMap<u64, (u64, Blob)>,
    shut: bool,
    had_clients: bool,
}

enum Putter {
    Client(u64, u64, Blob),
    Task(Rc<Waiter<bool>>, Blob),
}

enum Getter {
    Client(u64, u64),
    Task(Rc<Waiter<Option<Blob>>>),
}

impl Putter {
    fn is_of(&self, client: u64) -> bool {
        matches!(self, Putter::Client(other, ..) if *other == client)
    }

    fn is_by(&self, waiter: &Rc<Waiter<bool>>) -> bool {
        matches!(self, Putter::Task(other, _) if Rc::ptr_eq(other, waiter))
    }
}

impl Getter {
    fn is_of(&self, client: u64) -> bool {
        matches!(self, Getter::Client(other, _) if *other == client)
    }

    fn is_by(&self, waiter: &Rc<Waiter<Option<Blob>>>) -> bool {
        matches!(self, Getter::Task(other) if Rc::ptr_eq(other, waiter))
    }
}

impl Hub {
    /// `None` if it can't be put.
    async fn put(&self, blob: Blob) -> Option<()> {
        let waiter = Waiter::new();
        let putter = Putter::Task(waiter.clone(), blob);
        self.state.borrow_mut().putters.push_back(putter);
        self.pump();
        let given_up = |_| {
            let mut state = self.state.borrow_mut();
            state.putters.retain(|putter| !putter.is_by(&waiter));
        };
        Waiting::new(&waiter, given_up).await.then_some(())
    }

    async fn get(&self) -> Option<Blob> {
        let waiter = Waiter::new();
        self.state
            .borrow_mut()
            .getters
            .push_back(Getter::Task(waiter.clone()));
        self.pump();
        let given_up = |item: Option<Option<Blob>>| {
            let mut state = self.state.borrow_mut();
            match item.flatten() {
                // It had come, and nobody has seen it.
                Some(item) => state.items.push_front(item),
                None => state.getters.retain(|getter| !getter.is_by(&waiter)),
            }
            drop(state);
            self.pump();
        };
        Waiting::new(&waiter, given_up).await
    }

    fn shutdown(&self) {
        self.state.borrow_mut().shut = true;
        self.pump();
    }

    /// Whether there are so many items, or tasks that wait for room, that one more is kept in
    /// ordinary memory.
    fn is_long(&self) -> bool {
        let state = self.state.borrow();
        state.items.len() + state.putters.len() >= FEW
    }

    /// Brings items and those who wait for them together, and tells those who wait in vain.
    fn pump(&self) {
        let mut gone = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            loop {
                self.take_in(state);
                if state.items.is_empty() || !self.give_one(state, &mut gone) {
                    break;
                }
            }
            // Those whose item may still come back.
            let may_return = !state.untold.is_empty();
            let alone = state.had_clients && !self.desk.has_clients();
            if state.shut {
                for putter in state.putters.drain(..) {
                    self.refuse(&putter);
                }
            } else if alone {
                state.putters.retain(|putter| !self.refuse_task(putter));
            }
            if state.items.is_empty() && (state.shut || alone) && !may_return {
                for getter in state.getters.drain(..) {
                    match getter {
                        Getter::Client(client, number) => {
                            let _ = self.desk.send(client, OVER, number, &Blob::default());
                        }
                        Getter::Task(waiter) => waiter.set(None),
                    }
                }
            }
        }
        for client in gone {
            if self.desk.close(client) {
                self.gone(client);
            }
        }
    }

    /// Takes in what waits for room.
    fn take_in(&self, state: &mut State) {
        while state.items.len() < self.maxsize && !state.shut {
            match state.putters.pop_front() {
                Some(Putter::Client(client, number, blob)) => {
                    let blob = match state.items.len() < FEW {
                        true => blob,
                        false => blob.into_waiting(),
                    };
                    state.items.push_back(blob);
                    // Should it be gone: it has put it.
                    let _ = self.desk.send(client, DONE, number, &Blob::default());
                }
                Some(Putter::Task(waiter, blob)) => {
                    state.items.push_back(blob);
                    waiter.set(true);
                }
                None => return,
            }
        }
    }

    /// Gives the first item to who waits first; false if nobody does.
    fn give_one(&self, state: &mut State, gone: &mut Vec<u64>) -> bool {
        match state.getters.pop_front() {
            Some(Getter::Client(client, number)) => {
                let Some(item) = state.items.pop_front() else {
                    return false;
                };
                if self.desk.send(client, ITEM, number, &item) {
                    state.untold.insert(client, (number, item));
                } else {
                    state.items.push_front(item);
                    gone.push(client);
                }
                true
            }
            Some(Getter::Task(waiter)) => {
                waiter.set(state.items.pop_front());
                true
            }
            None => false,
        }
    }

    fn refuse(&self, putter: &Putter) {
        match putter {
            Putter::Client(client, number, _) => {
                let _ = self.desk.send(*client, OVER, *number, &Blob::default());
            }
            Putter::Task(waiter, _) => waiter.set(false),
        }
    }

    fn refuse_task(&self, putter: &Putter) -> bool {
        let is_task = matches!(putter, Putter::Task(..));
        if is_task {
            self.refuse(putter);
        }
        is_task
    }
}

impl Service for Hub {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn message(&self, client: u64, message: Message) -> bool {
        let Message { kind, number, blob } = message;
        {
            let mut state = self.state.borrow_mut();
            // Who has one to answer for asks for no other.
            let is_owed = state.untold.contains_key(&client);
            match kind {
                PUT if !state.waits(client) => {
                    state
                        .putters
                        .push_back(Putter::Client(client, number, blob));
                }
                GET if !is_owed && !state.waits(client) => {
                    state.getters.push_back(Getter::Client(client, number));
                }
                TOOK if is_owed => drop(state.untold.remove(&client)),
                CANCEL => match state.untold.remove(&client) {
                    Some((_, item)) => state.items.push_front(item),
                    None => state.forget(client),
                },
                _ => return false,
            }
        }
        self.pump();
        true
    }

    fn gone(&self, client: u64) {
        {
            let mut state = self.state.borrow_mut();
            state.forget(client);
            if let Some((_, item)) = state.untold.remove(&client) {
                state.items.push_front(item);
            }
        }
        self.pump();
    }
}

impl State {
    /// Whether a client has a request that was not answered.
    fn waits(&self, client: u64) -> bool {
        let mut putters = self.putters.iter();
        let mut getters = self.getters.iter();
        putters.any(|putter| putter.is_of(client)) || getters.any(|getter| getter.is_of(client))
    }

    /// A client waits for nothing any more.
    fn forget(&mut self, client: u64) {
        self.putters.retain(|putter| !putter.is_of(client));
        self.getters.retain(|getter| !getter.is_of(client));
    }
}
