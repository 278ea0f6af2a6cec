//! [`State`]: all of a connection but its protocol. What only few connections need, and only for a
//! while, is in [`Rare`].

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use bucle_loop::{Interest, LoopRef};

use crate::Address;
use crate::carrier::Carrier;
use crate::group::Group;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::traffic::Traffic;
use crate::transport::{HIGH_WATER, LOW_WATER, Transport};
use crate::waiters::Waiters;
use crate::write_queue::WriteQueue;

pub(super) const CLOSING: u32 = 1 << 0;
pub(super) const LOST: u32 = 1 << 1;
pub(super) const ENDED: u32 = 1 << 2;
pub(super) const RESET: u32 = 1 << 3;
pub(super) const READING_PAUSED: u32 = 1 << 4;
pub(super) const EOF_SEEN: u32 = 1 << 5;
pub(super) const EOF_WANTED: u32 = 1 << 6;
pub(super) const BLOCKED: u32 = 1 << 7;
pub(super) const FLUSHING: u32 = 1 << 8;
pub(super) const WRITING_PAUSED: u32 = 1 << 9;
pub(super) const PAUSE_TOLD: u32 = 1 << 10;
pub(super) const IN_CALLBACK: u32 = 1 << 11;
pub(super) const REPLACED: u32 = 1 << 12;
pub(super) const OFFERING: u32 = 1 << 13;
pub(super) const METERED: u32 = 1 << 14;
pub(super) const COUNTED: u32 = 1 << 15;
pub(super) const UNWATCHED: u32 = 1 << 16;
pub(super) const LET_GO: u32 = 1 << 17;
pub(super) const IN_LINE: u32 = 1 << 18;

/// With any of them, nothing is read.
pub(super) const NOT_READING: u32 = READING_PAUSED | EOF_SEEN | CLOSING | LOST;

/// All of a connection but its protocol.
pub(crate) struct State {
    pub(super) event_loop: LoopRef,
    /// `None` once closed.
    pub(super) socket: RefCell<Option<Socket>>,
    pub(super) rare: Cell<Option<Box<Rare>>>,
    /// The server it came in by.
    pub(super) group: Cell<Option<Rc<Group>>>,
    pub(super) flags: Cell<u32>,
    /// The turn in which something was sent last, cut to 16 bits: once in 65,536 turns it is taken
    /// for another, and then a write goes by way of the queue without need.
    pub(super) turn: Cell<u16>,
}

/// What few connections have, and only for a while.
pub(super) struct Rare {
    pub(super) queue: Option<WriteQueue>,
    pub(super) high: usize,
    pub(super) low: usize,
    pub(super) protocol: Option<Rc<RefCell<Box<dyn Protocol>>>>,
    /// Of an embedded protocol that is not on a socket itself: what its bytes go by.
    pub(super) below: Option<Transport>,
    /// By what a server closes it, if not by itself.
    pub(super) face: Option<Weak<dyn Carrier>>,
    /// Who waits for the queue to be empty.
    pub(super) drained: Waiters,
    /// How many bytes may still be sent, where that is metered.
    pub(super) allowed: u64,
    /// Whom it is for, as a proxy has told it.
    pub(super) announced: Option<Rc<Address>>,
    /// What was queued when the connection was lost.
    pub(super) unsent: u64,
    /// `connection_lost` is being called.
    pub(super) ending: bool,
}

impl Default for Rare {
    fn default() -> Rare {
        Rare {
            queue: None,
            high: HIGH_WATER,
            low: LOW_WATER,
            protocol: None,
            below: None,
            face: None,
            drained: Waiters::default(),
            allowed: 0,
            announced: None,
            unsent: 0,
            ending: false,
        }
    }
}

impl Rare {
    pub(super) fn is_as_new(&self) -> bool {
        let waters = (self.high, self.low) == (HIGH_WATER, LOW_WATER);
        let others = self.protocol.is_none()
            && self.below.is_none()
            && self.face.is_none()
            && self.announced.is_none();
        let end = self.ending || self.unsent > 0;
        self.queue.is_none()
            && waters
            && others
            && !end
            && self.allowed == 0
            && self.drained.is_empty()
    }
}

impl State {
    pub(super) fn new(event_loop: &LoopRef, socket: Option<Socket>) -> State {
        State {
            event_loop: event_loop.clone(),
            socket: RefCell::new(socket),
            rare: Cell::new(None),
            group: Cell::new(None),
            flags: Cell::new(0),
            turn: Cell::new((event_loop.turn_number() as u16).wrapping_sub(1)),
        }
    }

    #[inline]
    pub(super) fn any(&self, flags: u32) -> bool {
        self.flags.get() & flags != 0
    }

    #[inline]
    pub(super) fn set(&self, flags: u32) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    pub(super) fn clear(&self, flags: u32) {
        self.flags.set(self.flags.get() & !flags);
    }

    /// Whether what is written now is sent.
    #[inline]
    pub(super) fn takes_writes(&self) -> bool {
        !self.any(CLOSING | EOF_WANTED)
    }

    #[inline]
    pub(super) fn reads(&self) -> bool {
        !self.any(NOT_READING)
    }

    pub(super) fn interest(&self) -> Interest {
        let mut interest = Interest::NONE;
        if self.reads() {
            interest = interest.with(Interest::READ);
        }
        if self.any(BLOCKED) {
            interest = interest.with(Interest::WRITE);
        }
        interest
    }

    pub(super) fn queued(&self) -> u64 {
        self.with_queue(|queue| queue.size()).unwrap_or(0)
    }

    #[inline]
    pub(super) fn has_queue(&self) -> bool {
        self.if_rare(|rare| rare.queue.is_some()) == Some(true)
    }

    /// Lends the queue, if there is one. Nobody else's code may run in `body`.
    #[inline]
    pub(super) fn with_queue<R>(&self, body: impl FnOnce(&mut WriteQueue) -> R) -> Option<R> {
        self.if_rare(|rare| rare.queue.as_mut().map(body))?
    }

    /// The same, with a queue made for it if there is none.
    pub(super) fn enqueue(&self, body: impl FnOnce(&mut WriteQueue)) {
        self.with_rare(|rare| body(rare.queue.get_or_insert_default()));
    }

    /// Takes the queue out, to be dropped where nothing is lent.
    pub(super) fn take_queue(&self) -> Option<WriteQueue> {
        self.if_rare(|rare| rare.queue.take())?
    }

    #[inline]
    pub(super) fn sent_in_this_turn(&self) -> bool {
        self.turn.get() == self.event_loop.turn_number() as u16
    }

    /// How much of `share` may be sent.
    #[inline]
    pub(super) fn budget(&self, share: usize) -> usize {
        if self.any(METERED) {
            share.min(usize::try_from(self.allowed()).unwrap_or(usize::MAX))
        } else {
            share
        }
    }

    /// How many bytes may still be sent, where that is metered.
    #[cold]
    pub(super) fn allowed(&self) -> u64 {
        self.if_rare(|rare| rare.allowed).unwrap_or(0)
    }

    /// Whether nothing may be sent until it is allowed.
    #[inline]
    pub(super) fn is_held_back(&self) -> bool {
        self.any(METERED) && self.allowed() == 0
    }

    pub(super) fn note_sent(&self, count: usize) {
        self.note_unmetered(count);
        if self.any(METERED) {
            self.with_rare(|rare| rare.allowed = rare.allowed.saturating_sub(count as u64));
        }
    }

    /// [`note_sent`](State::note_sent) where it is not metered.
    #[inline]
    pub(super) fn note_unmetered(&self, count: usize) {
        self.turn.set(self.event_loop.turn_number() as u16);
        self.with_traffic(|traffic| traffic.count_sent(count));
    }

    /// Lends what its server counts, if it does.
    #[inline]
    pub(super) fn with_traffic(&self, body: impl FnOnce(&Traffic)) {
        if !self.any(COUNTED) {
            return;
        }
        self.with_group(|group| {
            if let Some(traffic) = &group.traffic {
                body(traffic);
            }
        });
    }

    /// Lends the server it came in by, if it came in by one.
    #[inline]
    pub(super) fn with_group(&self, body: impl FnOnce(&Group)) {
        let group = self.group.take();
        if let Some(group) = &group {
            body(group);
        }
        self.group.set(group);
    }

    /// Whether a write may go to the socket at once: nothing waits before it, and nothing was sent
    /// in this turn with which it could have shared a call. What is metered goes by way of the queue.
    #[inline]
    pub(super) fn sends_at_once(&self) -> bool {
        !self.sent_in_this_turn() && !self.has_queue() && !self.any(METERED)
    }

    /// Lends what is rare, made for it if there is none. Nobody else's code may run in `body`.
    pub(super) fn with_rare<R>(&self, body: impl FnOnce(&mut Rare) -> R) -> R {
        let mut rare = self.rare.take().unwrap_or_default();
        let value = body(&mut rare);
        let meanwhile = self.rare.replace(Some(rare));
        debug_assert!(meanwhile.is_none(), "it was used while it was lent");
        value
    }

    /// The same, if there is any.
    #[inline]
    pub(super) fn if_rare<R>(&self, body: impl FnOnce(&mut Rare) -> R) -> Option<R> {
        let mut rare = self.rare.take()?;
        let value = body(&mut rare);
        let meanwhile = self.rare.replace(Some(rare));
        debug_assert!(meanwhile.is_none(), "it was used while it was lent");
        Some(value)
    }

    /// Frees what is rare, where it is as it was at first.
    pub(super) fn put_rare_away(&self) {
        if let Some(rare) = self.rare.take()
            && !rare.is_as_new()
        {
            self.rare.set(Some(rare));
        }
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        self.if_rare(|rare| (rare.high, rare.low))
            .unwrap_or((HIGH_WATER, LOW_WATER))
    }
}
