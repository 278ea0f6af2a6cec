//! What all connections of one loop share: the handler, recycled memory, the clock of time-outs.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Instant, SystemTime};

use bucle_loop::LoopRef;
use slab::Slab;

use crate::access_log::AccessLog;
use crate::connection::Connection;
use crate::date::{self, DateCache};
use crate::handler::Handler;
use crate::metrics::Tally;
use crate::options::Options;
use crate::request::HeadPool;

/// An output buffer that has grown beyond this is not kept, in bytes.
const KEPT_OUT: usize = 256 * 1024;

/// More handler slots than these are not kept.
const KEPT_SLOTS: usize = 64;

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
    slots: RefCell<Vec<Slot<H::Future>>>,
    connections: RefCell<Slab<Rc<Connection<H>>>>,
    /// The number of the current tick; it wraps around.
    now: Cell<u32>,
    ticking: Cell<bool>,
    date: RefCell<DateCache>,
    /// When the world began, where it is a simulated one.
    simulated: Option<Instant>,
    pub(crate) log: Option<Rc<AccessLog>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) draining: Cell<bool>,
    emptied: Cell<Option<Waker>>,
}

/// The time-outs, in ticks.
pub(crate) struct Patience {
    pub(crate) header: u32,
    pub(crate) idle: u32,
    pub(crate) body: u32,
    pub(crate) write: u32,
    pub(crate) linger: u32,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(
        event_loop: LoopRef,
        handler: H,
        options: Options,
        log: Option<Rc<AccessLog>>,
        tally: Arc<Tally>,
    ) -> Rc<Worker<H>> {
        let patience = Patience {
            header: options.ticks(options.header_timeout),
            idle: options.ticks(options.idle_timeout),
            body: options.ticks(options.body_timeout),
            write: options.ticks(options.write_timeout),
            linger: options.ticks(options.linger_timeout),
        };
        let heads = HeadPool::new(tally.clone(), options.trusted_proxies.clone());
        let simulated = event_loop.sim_network().is_some();
        Rc::new(Worker {
            simulated: simulated.then(|| event_loop.time()),
            event_loop,
            handler,
            options,
            heads: Rc::new(heads),
            patience,
            out: Cell::default(),
            slots: RefCell::default(),
            connections: RefCell::default(),
            now: Cell::new(0),
            ticking: Cell::new(false),
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
        let slot = self.slots.borrow_mut().pop();
        slot.unwrap_or_else(|| Box::pin(None))
    }

    #[inline]
    pub(crate) fn give_slot(&self, mut slot: Slot<H::Future>) {
        slot.set(None);
        let mut slots = self.slots.borrow_mut();
        if slots.len() < KEPT_SLOTS {
            slots.push(slot);
        }
    }

    /// Lends the date of this turn.
    #[inline]
    pub(crate) fn with_date<R>(&self, body: impl FnOnce(&DateCache) -> R) -> R {
        let mut date = self.date.borrow_mut();
        date.update(self.event_loop.turn_number(), || match self.simulated {
            None => SystemTime::now(),
            Some(begun) => date::simulated(self.event_loop.time() - begun),
        });
        body(&date)
    }

    pub(crate) fn add(self: &Rc<Self>, connection: Rc<Connection<H>>) -> u32 {
        let key = self.connections.borrow_mut().insert(connection);
        self.tally.open.set(self.len() as u64);
        if !self.ticking.replace(true) {
            self.arm();
        }
        // There are fewer descriptors than that.
        key as u32
    }

    pub(crate) fn remove(&self, key: u32) {
        let removed = self.connections.borrow_mut().try_remove(key as usize);
        drop(removed);
        self.tally.open.set(self.len() as u64);
        if self.len() == 0
            && let Some(waker) = self.emptied.take()
        {
            waker.wake();
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    fn all(&self) -> Vec<Rc<Connection<H>>> {
        let connections = self.connections.borrow();
        connections.iter().map(|(_, each)| each.clone()).collect()
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

    /// Looks at every connection's deadline. One timer for all: a connection costs four bytes, and
    /// nothing is armed or cancelled when a request comes.
    fn tick(self: &Rc<Self>) {
        let now = self.now.get().wrapping_add(1);
        self.now.set(now);
        let overdue: Vec<_> = {
            let connections = self.connections.borrow();
            let overdue = connections.iter().filter(|(_, each)| each.overdue(now));
            overdue.map(|(_, each)| each.clone()).collect()
        };
        for connection in overdue {
            connection.patience_ended();
        }
        if self.len() == 0 {
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
