//! One connection of the load: what it has sent, and the answers as they come.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use bucle::net::{Protocol, Transport};
use bucle_http::{ClientConnection, Event, Limits, ResponseHead};

use super::load::Load;

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) due: u64,
    pub(super) sent: u64,
}

/// A place for a connection: made again in it when it ends.
#[derive(Default)]
pub(super) struct Connection {
    transport: RefCell<Option<Transport>>,
    /// Requests without an answer, the oldest first.
    pub(super) pending: RefCell<VecDeque<Pending>>,
    /// When the requests were due that were lost with a connection. Who waits for their answers waits
    /// until there is a connection again, or to the end.
    pub(super) lost: RefCell<Vec<u64>>,
    /// Counts the connections that there were in this place.
    pub(super) generation: Cell<u64>,
    /// Its server took too long, which is known already.
    pub(super) given_up: Cell<bool>,
}

impl Connection {
    /// Whether it is still the connection that it was in that generation.
    pub(super) fn is_open(&self, generation: u64) -> bool {
        self.generation.get() == generation && self.transport.borrow().is_some()
    }

    /// Sends `bytes`, which are a request for each of `due`.
    pub(super) fn send(&self, due: &[u64], now: u64, bytes: &[u8]) {
        let transport = self.transport.borrow().clone();
        let Some(transport) = transport else { return };
        let pending = due.iter().map(|&due| Pending { due, sent: now });
        self.pending.borrow_mut().extend(pending);
        transport.write(bytes);
    }

    /// Ends it.
    fn close(&self) {
        let transport = self.transport.borrow().clone();
        if let Some(transport) = transport {
            transport.close();
        }
    }

    /// Ends it at once.
    pub(super) fn abort(&self) {
        let transport = self.transport.borrow().clone();
        if let Some(transport) = transport {
            transport.abort();
        }
    }
}

/// The protocol of one connection.
pub(super) struct Client {
    load: Rc<Load>,
    connection: Rc<Connection>,
    machine: ClientConnection,
    head: ResponseHead,
    limits: Limits,
    /// What came and could not be used yet.
    carry: Vec<u8>,
    /// Bytes of the current body so far.
    length: u64,
    /// It was told that nothing will follow.
    broken: bool,
}

impl Client {
    pub(super) fn new(load: Rc<Load>, connection: Rc<Connection>) -> Client {
        let mut machine = ClientConnection::default();
        machine.next_response(load.plan.parsed_method());
        Client {
            load,
            connection,
            machine,
            head: ResponseHead::default(),
            limits: Limits::default(),
            carry: Vec::new(),
            length: 0,
            broken: false,
        }
    }

    /// Goes through `input`; returns how much of it was used and how many answers it ended.
    fn receive(&mut self, input: &[u8], now: u64) -> Result<(usize, usize), String> {
        let (mut used, mut ended) = (0, 0);
        loop {
            let progress = self
                .machine
                .receive(&input[used..], &mut self.head, &self.limits)
                .map_err(|error| format!("malformed answer: {error}"))?;
            used += progress.consumed;
            match progress.event {
                Event::Body(range) => self.length += range.len() as u64,
                Event::End => {
                    self.answered(now)?;
                    ended += 1;
                    if !self.machine.keep_alive() {
                        // It is the server's to close, but some wait for us.
                        self.broken = true;
                        self.connection.close();
                        return Ok((used, ended));
                    }
                    self.machine.next_response(self.load.plan.parsed_method());
                }
                Event::NeedInput | Event::Paused => return Ok((used, ended)),
                Event::Head | Event::Trailers => {}
            }
        }
    }

    /// The current answer is whole.
    fn answered(&mut self, now: u64) -> Result<(), String> {
        let length = std::mem::take(&mut self.length);
        let status = self.head.status().as_u16();
        let pending = self.connection.pending.borrow_mut().pop_front();
        let Some(pending) = pending else {
            return Err("an answer that was not asked for".into());
        };
        self.load.count_under_way(&pending, now);
        let (was_due, came) = (self.load.counts(pending.due), self.load.counts(now));
        if !was_due && !came {
            return Ok(());
        }
        let expected = self.load.plan.expected;
        let mut tally = self.load.tally.borrow_mut();
        match (expected.status, expected.length) {
            (Some(wanted), _) if wanted != status => {
                tally.wrong(format!("status {status}, not {wanted}"));
            }
            (_, Some(wanted)) if wanted != length => {
                tally.wrong(format!("a body of {length} bytes, not {wanted}"));
            }
            _ => {
                if was_due {
                    tally.answered(pending.due, pending.sent, now, status);
                }
                if came {
                    tally.received(length);
                }
            }
        }
        Ok(())
    }
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: Transport) {
        self.connection.transport.replace(Some(transport));
        self.connection.given_up.set(false);
        self.load.count_lost(&self.connection);
        self.load.refill(&self.connection, self.load.plan.pipeline);
    }

    fn data_received(&mut self, data: &[u8]) {
        if self.broken {
            return;
        }
        let now = self.load.now();
        let outcome = if self.carry.is_empty() {
            let outcome = self.receive(data, now);
            if let Ok((used, _)) = outcome {
                self.carry.extend_from_slice(&data[used..]);
            }
            outcome
        } else {
            let mut whole = std::mem::take(&mut self.carry);
            whole.extend_from_slice(data);
            let outcome = self.receive(&whole, now);
            if let Ok((used, _)) = outcome {
                whole.drain(..used);
                self.carry = whole;
            }
            outcome
        };
        match outcome {
            Ok((_, ended)) if !self.broken => self.load.refill(&self.connection, ended),
            Ok(_) => {}
            Err(error) => {
                self.broken = true;
                self.load.tally.borrow_mut().error(error);
                self.connection.abort();
            }
        }
    }

    fn eof_received(&mut self) -> bool {
        // An answer may last until here.
        if !self.broken
            && let Ok(true) = self.machine.eof_received()
        {
            let now = self.load.now();
            if let Err(error) = self.answered(now) {
                self.load.tally.borrow_mut().error(error);
            }
        }
        false
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let connection = &self.connection;
        connection.transport.replace(None);
        connection.generation.set(connection.generation.get() + 1);
        if self.load.is_over() {
            return;
        }
        let pending = connection.pending.take();
        let now = self.load.now();
        for pending in &pending {
            self.load.count_under_way(pending, now);
        }
        {
            let mut tally = self.load.tally.borrow_mut();
            let counted = pending
                .iter()
                .filter(|pending| self.load.counts(pending.due));
            for pending in counted {
                connection.lost.borrow_mut().push(pending.due);
                if !connection.given_up.get() {
                    tally.error(match &error {
                        Some(error) => format!("the connection broke: {error}"),
                        None => "closed by the server before the answer".into(),
                    });
                }
            }
            if pending.is_empty() {
                tally.reopened += 1;
            }
        }
        self.load.reconnect(Rc::clone(connection));
    }
}
