//! [`Group`]: the listeners of one server, and the connections that came in by them.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use bucle_loop::LoopRef;
use slab::Slab;

use crate::carrier::Carrier;
use crate::first_reads::FirstReads;
use crate::socket::Socket;
use crate::waiters::{Seat, Waiters};
use crate::{Address, Traffic};

/// A listener as its server sees it.
pub(crate) trait Listening {
    fn address(&self) -> Option<Address>;
    /// Starts to accept. A second call does nothing.
    fn start(self: Rc<Self>) -> std::io::Result<()>;
    /// Accepts no more, and closes the socket.
    fn close(&self);
    /// A descriptor was given back: accepts again, if it stopped for want of one.
    fn descriptor_freed(&self);
}

pub(crate) struct Group {
    pub(crate) event_loop: LoopRef,
    listeners: RefCell<Vec<Rc<dyn Listening>>>,
    connections: RefCell<Slab<Weak<dyn Carrier>>>,
    pub(crate) serving: Cell<bool>,
    closed: Cell<bool>,
    /// Some listener has stopped for want of descriptors.
    pub(crate) starved: Cell<bool>,
    /// A descriptor that is given up to refuse connections there is none for.
    pub(crate) reserve: Cell<Option<OwnedFd>>,
    /// From this number on, descriptors are not for connections. The system gives out the lowest
    /// number that is free, so where it is reached, all below it are taken.
    ceiling: u64,
    pub(crate) traffic: Option<Arc<Traffic>>,
    pub(crate) first_reads: FirstReads,
    waiters: Waiters,
}

impl Group {
    pub(crate) fn new(
        event_loop: LoopRef,
        ceiling: u64,
        traffic: Option<Arc<Traffic>>,
    ) -> Rc<Group> {
        Rc::new(Group {
            event_loop,
            listeners: RefCell::default(),
            connections: RefCell::default(),
            serving: Cell::new(false),
            closed: Cell::new(false),
            starved: Cell::new(false),
            reserve: Cell::new(None),
            ceiling,
            traffic,
            first_reads: FirstReads::default(),
            waiters: Waiters::default(),
        })
    }

    pub(crate) fn add(&self, listener: Rc<dyn Listening>) {
        self.listeners.borrow_mut().push(listener);
    }

    pub(crate) fn listeners(&self) -> Vec<Rc<dyn Listening>> {
        self.listeners.borrow().clone()
    }

    pub(crate) fn join(&self, connection: Weak<dyn Carrier>) -> u32 {
        // There are fewer descriptors than that.
        self.connections.borrow_mut().insert(connection) as u32
    }

    /// Has a connection closed by another face from now on.
    pub(crate) fn replace(&self, key: u32, face: Weak<dyn Carrier>) {
        if let Some(connection) = self.connections.borrow_mut().get_mut(key as usize) {
            *connection = face;
        }
    }

    pub(crate) fn leave(&self, key: u32) {
        let left = self.connections.borrow_mut().try_remove(key as usize);
        drop(left);
        if self.starved.replace(false) {
            for listener in self.listeners() {
                listener.descriptor_freed();
            }
        }
        self.wake_if_over();
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// The connections there are now.
    pub(crate) fn connections(&self) -> Vec<Rc<dyn Carrier>> {
        let connections = self.connections.borrow();
        connections
            .iter()
            .filter_map(|(_, connection)| connection.upgrade())
            .collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    pub(crate) fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        let listeners = self.listeners.take();
        for listener in &listeners {
            listener.close();
        }
        drop(listeners);
        drop(self.reserve.take());
        self.waiters.wake();
    }

    fn wake_if_over(&self) {
        if self.closed.get() && self.connections.borrow().is_empty() {
            self.waiters.wake();
        }
    }

    /// Ready once closed.
    pub(crate) fn poll_closed(&self, seat: &mut Seat, cx: &Context<'_>) -> Poll<()> {
        if self.closed.get() {
            return Poll::Ready(());
        }
        self.waiters.join(seat, cx.waker());
        Poll::Pending
    }

    /// Ready once closed and without connections.
    pub(crate) fn poll_over(&self, seat: &mut Seat, cx: &Context<'_>) -> Poll<()> {
        if self.closed.get() && self.connections.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.waiters.join(seat, cx.waker());
        Poll::Pending
    }

    /// Whether an accepted connection has taken the last descriptor there is for connections.
    #[inline]
    pub(crate) fn took_the_last(&self, socket: &Socket) -> bool {
        socket
            .descriptor_number()
            .is_some_and(|number| number.saturating_add(1) >= self.ceiling)
    }

    /// Whether no descriptor is left for connections; `socket` is any of the listeners'.
    pub(crate) fn is_full(&self, socket: &Socket) -> bool {
        if self.ceiling == u64::MAX {
            return false;
        }
        match socket.reserve() {
            Some(next) => u64::try_from(next.as_raw_fd()).is_ok_and(|next| next >= self.ceiling),
            None => false,
        }
    }

    /// Makes sure that there is a descriptor in reserve, if one can be had.
    pub(crate) fn keep_reserve(&self, socket: &Socket) {
        let reserve = self.reserve.take().or_else(|| socket.reserve());
        self.reserve.set(reserve);
    }
}
