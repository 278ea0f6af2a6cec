//! All of one loop's simulated sockets, and what is on its way between them.
//!
//! Sockets have numbers as descriptors have, the lowest free one first, so that a closed one's
//! number is soon another's: what a real table has to get right it has to get right here too.
//! This file has what waits and what travels; the calls that an application makes are in `calls`.

mod calls;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bucle_sys::Errno;

use super::address::SimAddress;
use super::connection::{Connection, End, Family, Phase, Side};
use super::options::SimOptions;
use super::trace::{SimEvent, SimEventKind, Trace};
use crate::clock::{Clock, nanos};
use crate::fds::{Interest, Readiness};
use crate::selector::Event;

/// First of the ports given out for port 0 (RFC 6335 section 6).
const FIRST_EPHEMERAL_PORT: u16 = 49_152;

/// How often a connection attempt that nobody answers is repeated: after 1, 2, 4, ... seconds, as
/// Linux does (`tcp_syn_retries`), 127 seconds in all.
const SYN_RETRIES: u32 = 6;

/// How long the last of these attempts is waited for.
const LAST_ATTEMPT: Duration = Duration::from_secs(1 << SYN_RETRIES);

/// How long a connection attempt is waited for that can't be answered: all of that.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs((1 << (SYN_RETRIES + 1)) - 1);

/// When a segment is sent again that was not acknowledged, how often, and how long is waited for at
/// most each time; Linux's `TCP_RTO_MIN`, `tcp_retries2` and `TCP_RTO_MAX`.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const RETRIES: u32 = 15;
const LAST_RETRY: Duration = Duration::from_secs(120);

/// As nothing takes time here, a program that spins until time has passed would spin for ever. After
/// this many turns in which the loop never waited, each further one takes [`SPIN_COST`].
const FREE_TURNS: u32 = 1_000;
const SPIN_COST: u64 = 1_000;

pub(crate) struct Net {
    clock: Rc<Clock>,
    options: SimOptions,
    random: fastrand::Rng,
    sockets: Vec<Option<Socket>>,
    free: BTreeSet<u32>,
    /// By a number that is never used again; what is in flight names its connection by it.
    connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    names: BTreeMap<SimAddress, u32>,
    next_port: u16,
    flights: BinaryHeap<Flight>,
    sequence: u64,
    partitioned: bool,
    /// Sockets that may be ready: all that are, and some that were.
    candidates: BTreeSet<u32>,
    busy_turns: u32,
    /// How often the clock has jumped.
    jumps: u64,
    trace: Trace,
}

struct Socket {
    kind: Kind,
    watch: Option<(u64, Interest)>,
}

enum Kind {
    Listener {
        address: SimAddress,
        /// Connections that wait to be accepted.
        waiting: VecDeque<u64>,
        /// How many may wait; 0 before `listen`: whoever comes is refused.
        backlog: usize,
    },
    Stream {
        connection: u64,
        side: Side,
    },
}

/// Something on its way.
struct Flight {
    at: u64,
    sequence: u64,
    connection: u64,
    what: Arrival,
}

enum Arrival {
    Syn {
        attempt: u32,
    },
    Established,
    Refused,
    Bytes {
        to: Side,
        bytes: Box<[u8]>,
    },
    Eof {
        to: Side,
    },
    Reset {
        to: Side,
    },
    /// The peer has read so much.
    Read {
        to: Side,
        count: usize,
    },
    /// The peer of a Unix stream will read no more.
    ReadShut {
        to: Side,
    },
    /// The peer of a Unix stream is gone.
    Gone {
        to: Side,
        unread: bool,
    },
    /// The end that sent something has waited long enough for it to arrive.
    GiveUp {
        to: Side,
    },
}

impl Ord for Flight {
    /// Reversed: the earliest on top.
    fn cmp(&self, other: &Flight) -> std::cmp::Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Flight) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Flight) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flight {}

/// Waiting: what the selector asks for.
impl Net {
    pub(crate) fn new(clock: Rc<Clock>, options: SimOptions, random: fastrand::Rng) -> Net {
        Net {
            clock,
            options,
            random,
            sockets: Vec::new(),
            free: BTreeSet::new(),
            connections: BTreeMap::new(),
            last_connection: 0,
            names: BTreeMap::new(),
            next_port: FIRST_EPHEMERAL_PORT,
            flights: BinaryHeap::new(),
            sequence: 0,
            partitioned: false,
            candidates: BTreeSet::new(),
            busy_turns: 0,
            jumps: 0,
            trace: Trace::default(),
        }
    }

    /// Lets time pass until a watched socket is ready or `timeout` is over, and appends what is
    /// ready.
    ///
    /// # Errors
    /// `Deadlock`: nothing is ready, nothing is in flight, and there is no time-out.
    pub(crate) fn select(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        self.account_for_spinning(timeout)?;
        let until = timeout.map(|timeout| self.clock.now().saturating_add(nanos(timeout)));
        loop {
            self.deliver_due();
            self.collect(events);
            if !events.is_empty() || until.is_some_and(|until| self.clock.now() >= until) {
                return Ok(());
            }
            let next = match (self.next_arrival(), until) {
                (Some(arrival), Some(until)) => arrival.min(until),
                (Some(time), None) | (None, Some(time)) => time,
                (None, None) => return Err(io::ErrorKind::Deadlock.into()),
            };
            self.jump_to(next)?;
        }
    }

    /// # Errors
    /// `TimedOut` when time has gone on too often.
    fn jump_to(&mut self, time: u64) -> io::Result<()> {
        if self.jumps == self.options.max_jumps {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.jumps += 1;
        self.clock.advance_to(time);
        Ok(())
    }

    fn account_for_spinning(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout != Some(Duration::ZERO) {
            self.busy_turns = 0;
        } else if self.busy_turns < FREE_TURNS {
            self.busy_turns += 1;
        } else {
            self.jump_to(self.clock.now() + SPIN_COST)?;
        }
        Ok(())
    }

    pub(crate) fn watch(&mut self, number: u32, token: u64, interest: Interest) -> io::Result<()> {
        self.socket(number)?.watch = Some((token, interest));
        self.candidates.insert(number);
        Ok(())
    }

    pub(crate) fn unwatch(&mut self, number: u32) -> io::Result<()> {
        match self.socket(number)?.watch.take() {
            Some(_) => Ok(()),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// Appends the watched sockets that are ready.
    fn collect(&mut self, events: &mut Vec<Event>) {
        let candidates = std::mem::take(&mut self.candidates);
        for number in candidates {
            let Some((token, interest)) = self.watch_of(number) else {
                continue;
            };
            let Ready { readiness, hung_up } = self.readiness(number);
            if readiness != Readiness::NONE {
                // Level-triggered: it is looked at again until it is no longer ready.
                self.candidates.insert(number);
            }
            let readiness = if hung_up {
                readiness
            } else {
                readiness.among(interest)
            };
            if readiness != Readiness::NONE {
                events.push(Event { token, readiness });
            }
        }
        if self.options.reorder_ready_sockets {
            self.random.shuffle(events);
        }
    }

    fn watch_of(&self, number: u32) -> Option<(u64, Interest)> {
        self.sockets.get(number as usize)?.as_ref()?.watch
    }

    fn readiness(&self, number: u32) -> Ready {
        let mut ready = Ready {
            readiness: Readiness::NONE,
            hung_up: false,
        };
        match self.sockets.get(number as usize) {
            Some(Some(Socket {
                kind: Kind::Listener { waiting, .. },
                ..
            })) if !waiting.is_empty() => ready.readiness = Readiness::READ,
            Some(Some(Socket {
                kind: Kind::Stream { connection, side },
                ..
            })) => {
                if let Some(connection) = self.connections.get(connection) {
                    let end = connection.end(*side);
                    ready.readiness = end.readiness(self.options.send_buffer);
                    ready.hung_up = end.is_hung_up();
                }
            }
            _ => {}
        }
        ready
    }
}

struct Ready {
    readiness: Readiness,
    /// A hang-up or an error, which is reported whatever was asked for.
    hung_up: bool,
}

/// Traffic: what is sent now and arrives later.
impl Net {
    fn draw(&mut self, probability: f64) -> bool {
        // No draw where there is nothing to decide, so that an option that is off changes nothing.
        probability > 0.0 && self.random.f64() < probability
    }

    /// Sends `what` towards one end; it overtakes nothing that is on its way there.
    fn launch(&mut self, connection: u64, to: Side, what: Arrival) {
        self.launch_after(Duration::ZERO, connection, to, what);
    }

    fn launch_after(&mut self, delay: Duration, connection: u64, to: Side, what: Arrival) {
        if self.connections.get(&connection).is_some_and(|c| c.cut) {
            self.launch_into_the_void(connection, to, &what);
            return;
        }
        let now = self.clock.now().saturating_add(nanos(delay));
        let latency = &self.options.latency;
        let (least, most) = (nanos(*latency.start()), nanos(*latency.end()));
        let latency = if least < most {
            self.random.u64(least..=most)
        } else {
            least
        };
        let mut at = now.saturating_add(latency);
        if let Some(connection) = self.connections.get_mut(&connection) {
            let last = &mut connection.end_mut(to).last_arrival;
            at = at.max(*last);
            *last = at;
        }
        self.launch_at(at, connection, what);
    }

    /// What is sent on a connection that was cut arrives nowhere. Who needs it acknowledged gives up
    /// in the end.
    fn launch_into_the_void(&mut self, id: u64, to: Side, what: &Arrival) {
        let patience = match what {
            Arrival::Syn { .. } => ATTEMPT_TIMEOUT,
            Arrival::Bytes { .. } | Arrival::Eof { .. } => patience(),
            _ => return,
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let to = to.other();
        let sender = connection.end_mut(to);
        if !sender.closed && !std::mem::replace(&mut sender.giving_up, true) {
            let at = self.clock.now().saturating_add(nanos(patience));
            self.launch_at(at, id, Arrival::GiveUp { to });
        }
    }

    /// Whether, by the seed, the way between the ends of a TCP connection is cut now.
    fn draw_cut(&mut self, id: u64) {
        let connection = self.connections.get(&id);
        let may_be_cut = connection.is_some_and(|c| c.family == Family::Tcp && !c.cut);
        if may_be_cut && self.draw(self.options.cut_probability) {
            self.cut(id);
        }
    }

    fn cut(&mut self, id: u64) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.cut = true;
            self.note(id, SimEventKind::Cut);
        }
    }

    /// Sends one segment, as often as it takes.
    fn launch_segment(&mut self, id: u64, to: Side, bytes: Box<[u8]>) {
        self.draw_cut(id);
        let tcp = |connection: &Connection| connection.family == Family::Tcp && !connection.cut;
        let mut delay = Duration::ZERO;
        if self.connections.get(&id).is_some_and(tcp) {
            let mut waits = retries();
            while self.draw(self.options.loss_probability) {
                let (to_server, bytes) = (to == Side::Server, bytes.len());
                self.note(id, SimEventKind::Lost { to_server, bytes });
                match waits.next() {
                    Some(wait) => delay += wait,
                    None => {
                        self.cut(id);
                        break;
                    }
                }
            }
        }
        self.launch_after(delay, id, to, Arrival::Bytes { to, bytes });
    }

    fn launch_at(&mut self, at: u64, connection: u64, what: Arrival) {
        self.sequence += 1;
        self.flights.push(Flight {
            at,
            sequence: self.sequence,
            connection,
            what,
        });
    }

    /// When the next thing arrives, if anything is on its way.
    fn next_arrival(&mut self) -> Option<u64> {
        if self.partitioned {
            return None;
        }
        while let Some(flight) = self.flights.peek() {
            if self.connections.contains_key(&flight.connection) {
                return Some(flight.at);
            }
            self.flights.pop();
        }
        None
    }

    fn deliver_due(&mut self) {
        let now = self.clock.now();
        while self.next_arrival().is_some_and(|at| at <= now) {
            if let Some(flight) = self.flights.pop() {
                self.deliver(flight.connection, flight.what);
            }
        }
    }

    fn deliver(&mut self, id: u64, what: Arrival) {
        match what {
            Arrival::Syn { attempt } => self.knock(id, attempt),
            Arrival::Established => {
                self.note(id, SimEventKind::Established);
                self.at_end(id, Side::Client, |end| end.phase = Phase::Open);
            }
            Arrival::Refused => {
                self.note(id, SimEventKind::Refused);
                self.at_end(id, Side::Client, |end| end.fail(Errno::CONNREFUSED));
            }
            Arrival::Bytes { to, bytes } => {
                let Some(connection) = self.connections.get(&id) else {
                    return;
                };
                let end = connection.end(to);
                if end.refuses_bytes(connection.family) {
                    self.reset(id, to);
                    self.launch(id, to.other(), Arrival::Reset { to: to.other() });
                } else if end.phase == Phase::Open {
                    let kind = SimEventKind::Arrived {
                        to_server: to == Side::Server,
                        bytes: bytes.len(),
                    };
                    self.note(id, kind);
                    self.at_end(id, to, |end| end.incoming.extend(bytes));
                }
            }
            Arrival::Eof { to } => {
                let to_server = to == Side::Server;
                self.note(id, SimEventKind::Eof { to_server });
                self.at_end(id, to, |end| end.eof = true);
            }
            Arrival::Reset { to } => self.reset(id, to),
            Arrival::Read { to, count } => {
                self.at_end(id, to, |end| {
                    end.unread = end.unread.saturating_sub(count);
                });
            }
            Arrival::ReadShut { to } => self.at_end(id, to, |end| end.write_shut = true),
            Arrival::Gone { to, unread } => {
                let to_server = to == Side::Server;
                self.note(id, SimEventKind::Eof { to_server });
                self.at_end(id, to, |end| end.peer_gone(unread));
            }
            Arrival::GiveUp { to } => self.give_up(id, to),
        }
    }

    /// Changes one end that the application has not closed, and has the selector look at it.
    fn at_end(&mut self, id: u64, side: Side, change: impl FnOnce(&mut End)) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end_mut(side);
        if end.closed || end.phase == Phase::Dead {
            return;
        }
        change(end);
        self.candidates.extend(end.number);
    }

    fn reset(&mut self, id: u64, to: Side) {
        let connection = self.connections.get(&id);
        if connection.is_some_and(|c| c.end(to).is_over(c.family)) {
            return;
        }
        let to_server = to == Side::Server;
        self.note(id, SimEventKind::Reset { to_server });
        self.at_end(id, to, End::reset);
    }

    /// One end has heard nothing of what it sent, for as long as it waits.
    fn give_up(&mut self, id: u64, to: Side) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let kind = match connection.end(to).phase {
            Phase::Dead => return,
            Phase::Connecting => SimEventKind::TimedOut,
            Phase::Open => SimEventKind::GaveUp {
                to_server: to == Side::Client,
            },
        };
        self.note(id, kind);
        self.at_end(id, to, |end| end.fail(Errno::TIMEDOUT));
    }

    /// A connection attempt reaches the place it was meant for, unless it is lost.
    fn knock(&mut self, id: u64, attempt: u32) {
        if self.draw(self.options.loss_probability) {
            self.note(id, SimEventKind::AttemptLost);
            self.knock_again(id, attempt);
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let address = connection.end(Side::Server).address.clone();
        let listener = address.and_then(|address| self.listener_at(&address));
        let listener = listener.filter(|listener| self.listens(*listener));
        let Some(listener) = listener else {
            self.launch(id, Side::Client, Arrival::Refused);
            return;
        };
        if self.enqueue(listener, id) {
            self.launch(id, Side::Client, Arrival::Established);
        } else {
            self.knock_again(id, attempt);
        }
    }

    /// An attempt was not answered.
    fn knock_again(&mut self, id: u64, attempt: u32) {
        let (wait, what) = if attempt < SYN_RETRIES {
            let wait = Duration::from_secs(1 << attempt);
            let attempt = attempt + 1;
            (wait, Arrival::Syn { attempt })
        } else {
            (LAST_ATTEMPT, Arrival::GiveUp { to: Side::Client })
        };
        self.launch_at(self.clock.now() + nanos(wait), id, what);
    }

    fn listener_at(&self, address: &SimAddress) -> Option<u32> {
        if let Some(number) = self.names.get(address) {
            return Some(*number);
        }
        let conflicting = self.names.iter().find(|(name, _)| name.conflicts(address));
        conflicting.map(|(_, number)| *number)
    }

    fn listens(&self, listener: u32) -> bool {
        matches!(
            self.sockets.get(listener as usize),
            Some(Some(Socket {
                kind: Kind::Listener { backlog: 1.., .. },
                ..
            }))
        )
    }

    /// Puts a connection into a listener's queue; false if that is full.
    fn enqueue(&mut self, listener: u32, id: u64) -> bool {
        let Some(Some(Socket {
            kind: Kind::Listener {
                waiting, backlog, ..
            },
            ..
        })) = self.sockets.get_mut(listener as usize)
        else {
            return false;
        };
        if waiting.len() >= *backlog {
            return false;
        }
        waiting.push_back(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end_mut(Side::Server).phase = Phase::Open;
        }
        self.candidates.insert(listener);
        true
    }

    fn note(&mut self, connection: u64, kind: SimEventKind) {
        self.keep(Some(connection), kind);
    }

    fn keep(&mut self, connection: Option<u64>, kind: SimEventKind) {
        if self.options.trace {
            let at = Duration::from_nanos(self.clock.now());
            let event = SimEvent {
                at,
                connection,
                kind,
            };
            self.trace.push(event, self.options.trace_limit);
        }
    }
}

/// How long is waited for each transmission of a segment, the first and those that repeat it.
fn retries() -> impl Iterator<Item = Duration> {
    (0..=RETRIES).map(|n| (FIRST_RETRY * (1 << n)).min(LAST_RETRY))
}

/// How long that is in all.
fn patience() -> Duration {
    retries().sum()
}

/// The trace of what is no event of the network.
impl Net {
    /// Whether what happens is kept.
    pub(crate) fn is_traced(&self) -> bool {
        self.options.trace
    }

    /// Keeps what the loop did.
    pub(crate) fn note_of_loop(&mut self, kind: SimEventKind) {
        self.keep(None, kind);
    }
}

/// Faults, on demand.
impl Net {
    pub(crate) fn reset_all(&mut self) {
        let open: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.end(Side::Client).phase == Phase::Open)
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            self.reset(id, Side::Client);
            self.reset(id, Side::Server);
        }
    }

    pub(crate) fn set_partitioned(&mut self, partitioned: bool) {
        self.partitioned = partitioned;
    }

    pub(crate) fn take_trace(&mut self) -> Vec<SimEvent> {
        self.trace.take()
    }
}
