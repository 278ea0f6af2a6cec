//! What all connections of one loop share: the handler, recycled memory, the clock of time-outs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bucle_loop::{ExceptionContext, LoopRef};
use bucle_net::{Embedded, Incoming};
use slab::Slab;

use crate::access_log::AccessLog;
use crate::admission::{Census, Full, Ticket};
use crate::connection::{Connection, Inner, Patience, Work};
use crate::date::{self, DateCache};
use crate::handler::Handler;
use crate::heap::Heap;
use crate::metrics::Tally;
use crate::options::Options;
use crate::pool::Pool;
use crate::request::HeadPool;
use crate::table::Table;

/// An output buffer that has grown beyond this is not kept, in bytes.
const KEPT_OUT: usize = 256 * 1024;

/// Connections that go on in one turn with what they have received. Few: whoever asks meanwhile waits for them.
const GO_ON_AT_ONCE: usize = 2;

/// How many connections' deadlines are looked at before others have their turn: a hundred thousand take some milliseconds,
/// since they are all over the memory.
const LOOKED_AT: usize = if cfg!(test) { 4 } else { 4096 };

/// How many connections are told at a time that there is no room for them; any more are closed.
const TURNED_AWAY: u32 = 64;

/// How often it is told at most that connections are turned away.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// There are as many connections as there may be.
pub(crate) struct NoRoom;

/// How often more may be sent, where its rate is limited.
const RATE_STEP: Duration = Duration::from_millis(100);

/// A second in nanoseconds.
const NANOS: u128 = 1_000_000_000;

/// What the workers of a program share.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    /// Where connections are counted, if their number is limited.
    pub(crate) census: Option<Arc<Census>>,
    /// The heap of the process, where it is ours.
    pub(crate) heap: Option<Arc<Heap>>,
}

/// Where a handler's future lives.
pub(crate) type Slot<F> = Pin<Box<Option<F>>>;

pub(crate) struct Worker<H: Handler> {
    pub(crate) event_loop: LoopRef,
    pub(crate) handler: H,
    pub(crate) options: Options,
    pub(crate) heads: Rc<HeadPool>,
    pub(crate) patience: Patience,
    /// Answers are gathered here before they are written.
    pub(crate) out: Cell<Vec<u8>>,
    slots: Pool<Slot<H::Future>>,
    // A connection takes the box, and is a pointer larger for it.
    works: Pool<Box<Work>>,
    connections: RefCell<Table<Connection<H>>>,
    /// Connections that have had their share of a turn, and go on in this order.
    later: RefCell<VecDeque<Weak<Embedded<Inner<H>>>>>,
    going_on: Cell<bool>,
    /// The number of the current tick; it wraps around.
    now: Cell<u32>,
    shared: RefCell<Shared>,
    tickets: RefCell<Slab<Ticket>>,
    /// How many connections are being told that there is no room.
    turned_away: Cell<u32>,
    told_full: Cell<Option<Instant>>,
    ticking: Cell<bool>,
    /// Whether connections are allowed to send by and by.
    handing_out: Cell<bool>,
    date: RefCell<DateCache>,
    /// When the world began, where it is a simulated one.
    simulated: Option<Instant>,
    pub(crate) log: Option<Rc<AccessLog>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) draining: Cell<bool>,
    emptied: Cell<Option<Waker>>,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(
        event_loop: LoopRef,
        handler: H,
        options: Options,
        log: Option<Rc<AccessLog>>,
        tally: Arc<Tally>,
    ) -> Rc<Worker<H>> {
        let heads = HeadPool::new(tally.clone(), options.trusted_proxies.clone());
        let simulated = event_loop.sim_network().is_some();
        Rc::new(Worker {
            simulated: simulated.then(|| event_loop.time()),
            event_loop,
            handler,
            patience: Patience::new(&options),
            options,
            heads: Rc::new(heads),
            out: Cell::default(),
            slots: Pool::default(),
            works: Pool::default(),
            connections: RefCell::default(),
            later: RefCell::default(),
            going_on: Cell::new(false),
            now: Cell::new(0),
            shared: RefCell::default(),
            tickets: RefCell::default(),
            turned_away: Cell::new(0),
            told_full: Cell::new(None),
            ticking: Cell::new(false),
            handing_out: Cell::new(false),
            date: RefCell::new(DateCache::new()),
            log,
            tally,
            draining: Cell::new(false),
            emptied: Cell::new(None),
        })
    }

    #[inline]
    pub(crate) fn give_out(&self, out: Vec<u8>) {
        if out.capacity() <= KEPT_OUT {
            self.out.set(out);
        }
    }

    #[inline]
    pub(crate) fn take_slot(&self) -> Slot<H::Future> {
        self.slots.take().unwrap_or_else(|| Box::pin(None))
    }

    #[inline]
    pub(crate) fn give_slot(&self, mut slot: Slot<H::Future>) {
        slot.set(None);
        self.slots.give(slot);
    }

    #[inline]
    pub(crate) fn take_work(&self) -> Box<Work> {
        self.works.take().unwrap_or_default()
    }

    /// Takes back what nothing is left in.
    #[inline]
    pub(crate) fn give_work(&self, work: Box<Work>) {
        self.works.give(work);
    }

    /// Lends the date of this turn.
    #[inline]
    pub(crate) fn with_date<R>(&self, body: impl FnOnce(&mut DateCache) -> R) -> R {
        let mut date = self.date.borrow_mut();
        date.update(self.event_loop.turn_number(), || match self.simulated {
            None => SystemTime::now(),
            Some(begun) => date::simulated(self.event_loop.time() - begun),
        });
        body(&mut date)
    }

    /// Has the connections that come in counted, and the heap looked at.
    pub(crate) fn share(&self, shared: Shared) {
        self.shared.replace(shared);
    }

    /// A place for a connection that came in, to be [given back](Worker::give_back).
    pub(crate) fn admit(&self, incoming: &Incoming<'_>) -> Result<u32, NoRoom> {
        let shared = self.shared.borrow();
        let Some(census) = &shared.census else {
            return Ok(0);
        };
        // A proxy that is trusted is not one client, but all of its own.
        let peer = || {
            let address = incoming.peer_address()?.as_tcp()?.ip();
            (!self.options.trusted_proxies.trusts(Some(address))).then_some(address)
        };
        match census.admit(peer) {
            // There are fewer descriptors than that.
            Ok(ticket) => Ok(self.tickets.borrow_mut().insert(ticket) as u32 + 1),
            Err(full) => {
                self.tally.turned_away.add(1);
                self.tell_full(full);
                Err(NoRoom)
            }
        }
    }

    #[inline]
    pub(crate) fn give_back(&self, ticket: u32) {
        if let Some(key) = ticket.checked_sub(1) {
            self.tickets.borrow_mut().try_remove(key as usize);
        }
    }

    /// Whether there is room to tell one more connection that there is none.
    pub(crate) fn may_turn_away(&self) -> bool {
        let turned_away = self.turned_away.get();
        let may = turned_away < TURNED_AWAY;
        if may {
            self.turned_away.set(turned_away + 1);
        }
        may
    }

    /// A connection that was told so has gone.
    pub(crate) fn turned_away(&self) {
        self.turned_away
            .set(self.turned_away.get().saturating_sub(1));
    }

    #[cold]
    fn tell_full(&self, full: Full) {
        let now = self.event_loop.time();
        let told = self.told_full.get();
        if told.is_some_and(|told| now.saturating_duration_since(told) < TELL_AGAIN) {
            return;
        }
        self.told_full.set(Some(now));
        let message = format!("connections are turned away: {full}");
        self.event_loop
            .call_exception_handler(ExceptionContext::new("http server", message));
    }

    pub(crate) fn add(self: &Rc<Self>, connection: Connection<H>) -> u32 {
        let key = self.connections.borrow_mut().insert(connection);
        self.tally.open.set(self.len() as u64);
        if !self.ticking.replace(true) {
            // Nobody knows how long nothing ticked: what was seen in the last tick doesn't hold in this one.
            self.now.set(self.after(1));
            self.arm();
        }
        if let Some(rate) = self.options.limit_rate
            && !self.handing_out.replace(true)
        {
            self.hand_out(rate.max(1), self.event_loop.time());
        }
        key
    }

    pub(crate) fn remove(&self, key: u32) {
        let removed = self.connections.borrow_mut().remove(key);
        drop(removed);
        self.tally.open.set(self.len() as u64);
        if self.len() == 0
            && let Some(waker) = self.emptied.take()
        {
            waker.wake();
        }
    }

    /// Lets it go on when those before it have had their turn.
    pub(crate) fn go_on_later(self: &Rc<Self>, connection: Weak<Embedded<Inner<H>>>) {
        self.later.borrow_mut().push_back(connection);
        if !self.going_on.replace(true) {
            self.arm_going_on();
        }
    }

    /// By a timer, although nothing is waited for: a loop that has a callback ready may not ask the
    /// system for others' requests first, and one whose timer is due does.
    fn arm_going_on(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        self.event_loop.call_later(Duration::ZERO, move || {
            let Some(worker) = weak.upgrade() else { return };
            for _ in 0..GO_ON_AT_ONCE {
                let next = worker.later.borrow_mut().pop_front();
                if let Some(connection) = next.and_then(|next| next.upgrade()) {
                    Connection::from(connection).by_itself(Connection::go_on);
                }
            }
            if worker.later.borrow().is_empty() {
                worker.going_on.set(false);
            } else {
                worker.arm_going_on();
            }
        });
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// How many of them have an answer to come, or the rest of one.
    pub(crate) fn unanswered(&self) -> usize {
        let connections = self.connections.borrow();
        let unanswered = connections.iter().filter(|each| each.is_unanswered());
        unanswered.count()
    }

    fn all(&self) -> Vec<Connection<H>> {
        let connections = self.connections.borrow();
        connections.iter().cloned().collect()
    }

    /// The tick so many ticks from now.
    #[inline]
    pub(crate) fn after(&self, ticks: u32) -> u32 {
        self.now.get().wrapping_add(ticks)
    }

    fn arm(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        self.event_loop.call_later(self.options.tick(), move || {
            if let Some(worker) = weak.upgrade() {
                worker.tick();
            }
        });
    }

    /// Lets every connection send at `rate` bytes a second, what is due since `before` in
    /// [`RATE_STEP`]. One timer for all, while there are any.
    fn hand_out(self: &Rc<Self>, rate: u64, before: Instant) {
        let weak = Rc::downgrade(self);
        self.event_loop.call_later(RATE_STEP, move || {
            let Some(worker) = weak.upgrade() else { return };
            if worker.len() == 0 {
                worker.handing_out.set(false);
                return;
            }
            let gone = worker.event_loop.time() - before;
            let due = u128::from(rate) * gone.as_nanos() / NANOS;
            // No fraction of a byte is lost.
            let paid = Duration::from_nanos((due * NANOS / u128::from(rate)) as u64);
            let due = u64::try_from(due).unwrap_or(u64::MAX);
            // It only asks the loop for a flush: no code of anybody's runs.
            for connection in worker.connections.borrow().iter() {
                connection.allow_sending(due, rate);
            }
            worker.hand_out(rate, before + paid);
        });
    }

    /// Looks at every connection's deadline. One timer for all: a connection costs four bytes, and
    /// nothing is armed or cancelled when a request comes.
    fn tick(self: &Rc<Self>) {
        self.now.set(self.after(1));
        self.look_from(0);
    }

    /// The same from a place in the table on.
    fn look_from(self: &Rc<Self>, place: usize) {
        let (now, end) = (self.after(0), place + LOOKED_AT);
        let (overdue, through) = {
            let connections = self.connections.borrow();
            let overdue = connections
                .part(place..end)
                .filter(|each| each.overdue(now));
            (
                overdue.cloned().collect::<Vec<_>>(),
                end >= connections.places(),
            )
        };
        for connection in overdue {
            connection.by_itself(Connection::patience_ended);
        }
        if !through {
            let weak = Rc::downgrade(self);
            self.event_loop.call_later(Duration::ZERO, move || {
                if let Some(worker) = weak.upgrade() {
                    worker.look_from(end);
                }
            });
            return;
        }
        let heap = self.shared.borrow().heap.clone();
        let unsettled = heap.is_some_and(|heap| heap.look());
        if self.len() == 0 && !unsettled {
            self.ticking.set(false);
        } else {
            self.arm();
        }
    }

    /// Lets idle connections go, and the others after the answer they are at.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for connection in self.all() {
            connection.drain();
        }
    }

    /// Ends those that have no answer under way.
    pub(crate) fn hurry(&self) {
        for connection in self.all() {
            connection.hurry();
        }
    }

    /// Ends all connections at once.
    pub(crate) fn abort(&self) {
        for connection in self.all() {
            connection.abort();
        }
    }

    /// Waits until the last connection is gone.
    pub(crate) async fn emptied(&self) {
        poll_fn(|cx| {
            if self.len() == 0 {
                return Poll::Ready(());
            }
            self.emptied.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
