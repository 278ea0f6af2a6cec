//! One loop's share of the load.
//!
//! Times are nanoseconds since the share began. A request is *due* at some time: in an open loop by
//! the clock, in a closed loop when the one before was answered. One that finds all connections
//! taken waits in the backlog; its latency counts from when it was due.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bucle::net::{ConnectOptions, create_connection_with, open_connection_with};
use bucle_http::{ClientConnection, Event, Limits, Method, ResponseHead};

use super::Verb;
use super::client::{Client, Connection, Pending};
use super::tally::Tally;
use super::target::{Expected, Target};
use crate::bench::{account, stop};

/// How many connections are made at a time.
const AT_ONCE: usize = 64;

/// How often it is looked whether requests have timed out.
const LOOK: Duration = Duration::from_millis(50);

/// How long a connection that can't be made again waits before it tries again.
const PAUSE: Duration = Duration::from_millis(20);

/// What is to be done; the same for all threads.
pub(crate) struct Plan {
    /// The request, as often as it may be under way on one connection.
    pub(crate) request: Vec<u8>,
    /// Length of one.
    pub(crate) length: usize,
    pub(crate) method: Verb,
    pub(crate) connections: u32,
    pub(crate) pipeline: usize,
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    pub(crate) timeout: Duration,
    pub(crate) expected: Expected,
    pub(crate) options: ConnectOptions,
    pub(crate) target: Target,
}

impl Plan {
    /// How many requests may be under way at a time.
    pub(crate) fn slots(&self) -> u64 {
        u64::from(self.connections) * self.pipeline as u64
    }

    /// What it is, for the head of a table.
    pub(crate) fn describe(&self) -> String {
        let load = match self.rate {
            Some(rate) => format!("{rate} requests a second"),
            None => "as many requests as are answered".into(),
        };
        format!(
            "{}: {load}, {} connections, {} at a time on each, {:.1} s a round",
            self.target.text,
            self.connections,
            self.pipeline,
            self.time.as_secs_f64()
        )
    }

    /// The method, as the parser of answers has to know it.
    pub(super) fn parsed_method(&self) -> Method {
        Method::from_bytes(format!("{:?}", self.method).to_uppercase().as_bytes())
    }
}

/// Status and length of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) status: u16,
    pub(crate) length: u64,
}

/// Asks once, and says what came: what all others are compared with.
pub(crate) fn first_answer(plan: &Plan) -> Result<First, String> {
    let (address, options) = (plan.target.address.clone(), plan.options.clone());
    let request = plan.request[..plan.length].to_vec();
    let method = plan.parsed_method();
    let timeout = plan.timeout;
    let asked = bucle::run(async move {
        let asking = async {
            let (mut reader, writer) = open_connection_with(&address, options).await?;
            writer.write(&request);
            let mut machine = ClientConnection::default();
            machine.next_response(method);
            let (mut head, limits) = (ResponseHead::default(), Limits::default());
            let (mut bytes, mut length) = (Vec::new(), 0);
            loop {
                let piece = reader.read(64 * 1024).await?;
                bytes.extend_from_slice(&piece);
                loop {
                    let progress = machine
                        .receive(&bytes, &mut head, &limits)
                        .map_err(invalid)?;
                    if let Event::Body(range) = &progress.event {
                        length += range.len() as u64;
                    }
                    bytes.drain(..progress.consumed);
                    match progress.event {
                        Event::End => return Ok((head.status().as_u16(), length)),
                        Event::NeedInput => break,
                        _ => {}
                    }
                }
                if piece.is_empty() {
                    return if machine.eof_received().map_err(invalid)? {
                        Ok((head.status().as_u16(), length))
                    } else {
                        Err(std::io::ErrorKind::UnexpectedEof.into())
                    };
                }
            }
        };
        match bucle::timeout(timeout, asking).await {
            Ok(outcome) => outcome,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    });
    match asked.and_then(|outcome| outcome) {
        Ok((status, length)) => Ok(First { status, length }),
        Err(error) => {
            let url = &plan.target.text;
            let error = error.to_string();
            Err(match super::target::way_out(&error) {
                Some(way_out) => format!("{url}: no answer: {error}: {way_out}"),
                None => format!("{url}: no answer: {error}"),
            })
        }
    }
}

fn invalid(error: bucle_http::Error) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string())
}

/// Puts the load on for one round, by so many threads.
pub(crate) fn generate(plan: &Arc<Plan>, threads: u16) -> Result<Tally, String> {
    let threads = usize::from(threads);
    let shares = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|number| {
                let plan = Arc::clone(plan);
                scope.spawn(move || {
                    bucle::run(share(plan, number, threads)).map_err(|error| error.to_string())?
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| {
                handle
                    .join()
                    .unwrap_or_else(|_| Err("a thread panicked".into()))
            })
            .collect::<Result<Vec<Tally>, String>>()
    })?;
    let mut sum = Tally::default();
    for share in &shares {
        sum.time = sum.time.max(share.time);
        sum.absorb(share);
    }
    Ok(sum)
}

/// Where in its life a load is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Connections are being made.
    Connecting,
    /// Requests are sent.
    Running,
    /// No new request is due.
    Draining,
    /// What comes now is of no interest.
    Over,
}

/// What the connections of one loop share.
pub(super) struct Load {
    pub(super) plan: Arc<Plan>,
    start: Instant,
    phase: Cell<Phase>,
    /// Requests that are due from here to there are counted.
    counted: Cell<(u64, u64)>,
    pub(super) tally: RefCell<Tally>,
    connections: RefCell<Vec<Rc<Connection>>>,
    /// An open loop's: connections that may send, once for each request they may send, with the
    /// generation for which that is so.
    free: RefCell<VecDeque<(Rc<Connection>, u64)>>,
    /// Requests that were due while no connection was free.
    backlog: RefCell<VecDeque<u64>>,
}

async fn share(plan: Arc<Plan>, number: usize, threads: usize) -> Result<Tally, String> {
    let load = Rc::new(Load {
        start: Instant::now(),
        phase: Cell::new(Phase::Connecting),
        counted: Cell::new((u64::MAX, u64::MAX)),
        tally: RefCell::default(),
        connections: RefCell::default(),
        free: RefCell::default(),
        backlog: RefCell::default(),
        plan,
    });
    let all = load.plan.connections as usize;
    let mine = all / threads + usize::from(number < all % threads);
    let connected = load.connect(mine).await;
    if connected.is_ok() {
        load.run(number, threads).await;
    }
    load.end();
    connected.map(|()| load.tally.take())
}

impl Load {
    /// Nanoseconds since the share began.
    pub(super) fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Whether a request that was due then is counted.
    pub(super) fn counts(&self, due: u64) -> bool {
        let (from, to) = self.counted.get();
        (from..to).contains(&due)
    }

    /// A request is no longer under way; what of its time lies within the measured one is counted.
    ///
    /// All requests on one connection have so many places, one after the other in each, so that this
    /// is never more than the places times the time. With whole times it could be: those that were
    /// under way at the beginning count too much then, those at the end not at all.
    pub(super) fn count_under_way(&self, pending: &Pending, now: u64) {
        let (from, to) = self.counted.get();
        let time = now.min(to).saturating_sub(pending.sent.max(from));
        self.tally.borrow_mut().was_under_way(time);
    }

    /// Whether the end of a connection is no longer of interest.
    pub(super) fn is_over(&self) -> bool {
        self.phase.get() == Phase::Over
    }

    async fn connect(self: &Rc<Self>, count: usize) -> Result<(), String> {
        let mut made = 0;
        while made < count && !stop::asked() {
            let batch = AT_ONCE.min(count - made);
            let connecting = (0..batch).map(|_| {
                let load = Rc::clone(self);
                async move {
                    let connection = Rc::new(Connection::default());
                    load.connections.borrow_mut().push(Rc::clone(&connection));
                    load.connect_one(connection).await
                }
            });
            let outcomes = bucle::gather(connecting)
                .await
                .map_err(|error| error.to_string())?;
            for outcome in outcomes {
                made += 1;
                outcome.map_err(|error| {
                    format!(
                        "connection {made} of {count} to {}: {error}",
                        self.plan.target.address
                    )
                })?;
            }
        }
        Ok(())
    }

    async fn connect_one(self: Rc<Self>, connection: Rc<Connection>) -> std::io::Result<()> {
        let address = self.plan.target.address.clone();
        let options = self.plan.options.clone();
        let client = Client::new(Rc::clone(&self), connection);
        let connecting = create_connection_with(address, options, move || client);
        match bucle::timeout(self.plan.timeout, connecting).await {
            Ok(connected) => connected.map(drop),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }

    /// Makes a connection again that has ended.
    pub(super) fn reconnect(self: &Rc<Self>, connection: Rc<Connection>) {
        let load = Rc::clone(self);
        bucle::spawn(async move {
            while matches!(load.phase.get(), Phase::Connecting | Phase::Running) {
                match Rc::clone(&load).connect_one(Rc::clone(&connection)).await {
                    Ok(()) => break,
                    Err(error) => {
                        load.tally
                            .borrow_mut()
                            .error(format!("connecting again: {error}"));
                        bucle::sleep(PAUSE).await;
                    }
                }
            }
        })
        .detach();
    }

    async fn run(self: &Rc<Self>, number: usize, threads: usize) {
        self.phase.set(Phase::Running);
        let begin = self.now();
        let from = begin + self.plan.warm_up.as_nanos() as u64;
        let to = from + self.plan.time.as_nanos() as u64;
        self.counted.set((from, to));
        let connections = self.connections.borrow().clone();
        for connection in &connections {
            self.refill(connection, self.plan.pipeline);
        }
        let pacer = self.plan.rate.map(|rate| {
            let interval = 1e9 * threads as f64 / rate;
            let first = begin as f64 + interval * number as f64 / threads as f64;
            bucle::spawn(Rc::clone(self).pace(first, interval, to)).cancel_on_drop()
        });
        self.until(from).await;
        let before = (self.now(), account::thread_cpu(), waited_for_cpu());
        self.until(to).await;
        let after = (self.now(), account::thread_cpu(), waited_for_cpu());
        // A signal may have come before that.
        let ended = after.0.clamp(from, to);
        self.counted.set((from, ended));
        {
            let mut tally = self.tally.borrow_mut();
            tally.time = Duration::from_nanos((ended - from).max(1));
            tally.thread_time = Duration::from_nanos(after.0.saturating_sub(before.0).max(1));
            tally.cpu = after.1.saturating_sub(before.1);
            tally.waited = after.2.saturating_sub(before.2);
        }
        drop(pacer);
        self.phase.set(Phase::Draining);
        let patience = self.now() + self.plan.timeout.as_nanos() as u64;
        while self.is_waiting() && self.now() < patience && !stop::asked() {
            self.give_up_late_ones();
            bucle::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until `time`, or until a signal comes.
    async fn until(&self, time: u64) {
        while !stop::asked() {
            let left = Duration::from_nanos(time.saturating_sub(self.now()));
            if left.is_zero() {
                break;
            }
            bucle::sleep(left.min(LOOK)).await;
            self.give_up_late_ones();
        }
    }

    /// An open loop: a request is due every `interval`, from `first` until `end`.
    async fn pace(self: Rc<Self>, first: f64, interval: f64, end: u64) {
        let mut number = 0_u64;
        loop {
            let due = (first + interval * number as f64) as u64;
            if due >= end {
                break;
            }
            let now = self.now();
            if due > now {
                bucle::sleep_until(self.start + Duration::from_nanos(due)).await;
                continue;
            }
            number += 1;
            if self.counts(due) {
                self.tally.borrow_mut().came_late(now - due);
            }
            match self.take_free() {
                Some(connection) => self.send(&connection, &[due]),
                None => self.backlog.borrow_mut().push_back(due),
            }
        }
    }

    fn take_free(&self) -> Option<Rc<Connection>> {
        let mut free = self.free.borrow_mut();
        while let Some((connection, generation)) = free.pop_front() {
            if connection.is_open(generation) {
                return Some(connection);
            }
        }
        None
    }

    /// `count` more requests may be under way on a connection.
    pub(super) fn refill(&self, connection: &Rc<Connection>, count: usize) {
        if count == 0 || !matches!(self.phase.get(), Phase::Running | Phase::Draining) {
            return;
        }
        if self.plan.rate.is_none() {
            if self.phase.get() == Phase::Running {
                match count {
                    1 => self.send(connection, &[self.now()]),
                    _ => self.send(connection, &vec![self.now(); count]),
                }
            }
            return;
        }
        let mut backlog = self.backlog.borrow_mut();
        let due: Vec<u64> = (0..count).map_while(|_| backlog.pop_front()).collect();
        drop(backlog);
        let generation = connection.generation.get();
        for _ in due.len()..count {
            let slot = (Rc::clone(connection), generation);
            self.free.borrow_mut().push_back(slot);
        }
        if !due.is_empty() {
            self.send(connection, &due);
        }
    }

    fn send(&self, connection: &Connection, due: &[u64]) {
        connection.send(
            due,
            self.now(),
            &self.plan.request[..due.len() * self.plan.length],
        );
    }

    fn is_waiting(&self) -> bool {
        let waits = |connection: &Rc<Connection>| {
            let pending = connection.pending.borrow();
            pending.iter().any(|pending| self.counts(pending.due))
        };
        !self.backlog.borrow().is_empty() || self.connections.borrow().iter().any(waits)
    }

    fn give_up_late_ones(&self) {
        let timeout = self.plan.timeout.as_nanos() as u64;
        let now = self.now();
        let connections = self.connections.borrow().clone();
        for connection in connections {
            let sent = connection.pending.borrow().front().map(|first| first.sent);
            if sent.is_some_and(|sent| sent + timeout < now) {
                let seconds = self.plan.timeout.as_secs_f64();
                self.tally
                    .borrow_mut()
                    .error(format!("no answer within {seconds} s"));
                connection.given_up.set(true);
                connection.abort();
            }
        }
    }

    /// The requests that were lost with a connection have waited until now, and in vain.
    pub(super) fn count_lost(&self, connection: &Connection) {
        let now = self.now();
        let mut tally = self.tally.borrow_mut();
        for due in connection.lost.take() {
            tally.not_answered(due, now);
        }
    }

    /// Everything that is still under way was not answered, unless a signal came before it could.
    fn end(&self) {
        self.phase.set(Phase::Over);
        let now = self.now();
        let connections = self.connections.take();
        let mut waiting = Vec::from(self.backlog.take());
        for connection in &connections {
            self.count_lost(connection);
            for pending in connection.pending.take() {
                self.count_under_way(&pending, now);
                waiting.push(pending.due);
            }
        }
        let mut tally = self.tally.borrow_mut();
        for due in waiting.into_iter().filter(|due| self.counts(*due)) {
            if stop::asked() {
                tally.cut_off(due, now);
            } else {
                tally.not_answered(due, now);
            }
        }
        drop(tally);
        self.free.take();
        for connection in connections {
            connection.abort();
        }
    }
}

/// How long this thread has waited for a CPU so far, as the scheduler counts it.
fn waited_for_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text
        .split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plan for tests of what is done with its figures.
    pub(in super::super) fn plan(connections: u32, pipeline: usize, rate: Option<f64>) -> Plan {
        let target = super::super::target::parse("http://127.0.0.1:1/").unwrap();
        Plan {
            request: Vec::new(),
            length: 0,
            method: Verb::Get,
            connections,
            pipeline,
            rate,
            warm_up: Duration::ZERO,
            time: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            expected: Expected::default(),
            options: ConnectOptions::default(),
            target,
        }
    }

    #[test]
    fn only_the_time_that_was_measured_counts_as_under_way() {
        let load = Load {
            start: Instant::now(),
            phase: Cell::new(Phase::Running),
            counted: Cell::new((u64::MAX, u64::MAX)),
            tally: RefCell::default(),
            connections: RefCell::default(),
            free: RefCell::default(),
            backlog: RefCell::default(),
            plan: Arc::new(plan(1, 1, None)),
        };
        let under_way = |sent, now| {
            load.tally.take();
            load.count_under_way(&Pending { due: sent, sent }, now);
            let mut tally = load.tally.borrow_mut();
            tally.time = Duration::from_nanos(100);
            tally.received(0);
            tally.in_flight().unwrap()
        };
        assert_eq!(under_way(0, 50), 0.0, "before it began");
        load.counted.set((1_000, 1_100));
        for (sent, now, expected) in [
            (900, 1_000, 0.0),
            (900, 1_010, 0.1),
            (1_020, 1_070, 0.5),
            (1_090, 5_000, 0.1),
            (0, 5_000, 1.0),
            (1_100, 1_200, 0.0),
        ] {
            assert_eq!(under_way(sent, now), expected, "{sent} to {now}");
        }
    }

    #[test]
    fn slots_are_connections_times_pipeline() {
        assert_eq!(plan(8, 16, None).slots(), 128);
    }
}
