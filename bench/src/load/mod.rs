//! The load generator: one thread, one epoll, requests built beforehand, answers counted and not kept. It has to cost less than
//! the fastest server it measures.
//!
//! It does not sleep: it asks epoll again at once when nothing is ready. A sleeping peer would have to be woken by the server's
//! `send`, and the server would be charged for an inter-processor interrupt whose cost depends on the machine.
//! Its own parsing is the small `responses` module; `bucle-http`'s client role takes over the checks when it is there.

mod requests;
mod responses;
mod secure;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
    sockopt,
};

pub(crate) use requests::{REQUESTS, Requests};
pub(crate) use responses::{Heads, header};
pub(crate) use secure::{Key, SecureLoad};

use crate::shape::Shape;
use crate::stop;

/// Without any answer for so long, a server counts as hung.
const PATIENCE: Duration = Duration::from_secs(10);

struct Connection {
    socket: OwnedFd,
    /// The first request of the burst that is under way.
    first: usize,
    /// How many of the burst are answered.
    answered: usize,
    /// Bytes of the current body that are still to come.
    body_left: usize,
    /// The start of a head that did not come whole.
    carry: Vec<u8>,
}

/// Connections with requests under way.
pub(crate) struct Load<'a> {
    servers: Vec<SocketAddr>,
    shape: &'a Shape,
    requests: &'a Requests,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    heads: Heads,
    buffer: Vec<u8>,
    next: usize,
    started: bool,
    reopened: u64,
}

/// A load that can be kept up.
pub(crate) trait Drive {
    /// Where its connections are watched, each by its number.
    fn epoll(&self) -> BorrowedFd<'_>;

    /// Sends the first requests, if opening the connections hasn't; called again, it does nothing.
    fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Takes all that is there on a connection (the registration is edge-triggered: it is told once), and goes on with it; how
    /// many answers came.
    fn read(&mut self, number: usize) -> Result<u64>;

    /// An error if this was not the load that was asked for.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Connections made again because the server had closed one between two requests.
    fn reopened(&self) -> u64 {
        0
    }

    /// Keeps the load up until `end`, or until `limit` answers came; returns how many did. What is under way then stays
    /// under way, for the next call.
    fn drive(&mut self, end: Instant, limit: u64) -> Result<u64> {
        self.start()?;
        let mut events = Vec::with_capacity(1_024);
        let mut count = 0;
        let mut heard = Instant::now();
        while count < limit {
            let now = Instant::now();
            if now >= end {
                break;
            }
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(self.epoll(), room, Some(&NO_WAIT)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll_wait"),
            }
            if !events.is_empty() {
                heard = now;
            } else if now - heard > PATIENCE {
                bail!("no answer for {} s", PATIENCE.as_secs());
            }
            stop::check()?;
            for event in &events {
                count += self.read(event.data.u64() as usize)?;
            }
        }
        self.check()?;
        Ok(count)
    }
}

impl Drive for Load<'_> {
    fn epoll(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    fn start(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.started, true) {
            for number in 0..self.connections.len() {
                self.send_burst(number)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, number: usize) -> Result<u64> {
        let mut count = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let read = match recv(
                &self.connections[number].socket,
                buffer.as_mut_slice(),
                RecvFlags::empty(),
            ) {
                Ok((read, _)) => read,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).context("reading an answer"),
            };
            if read == 0 {
                self.closed(number)?;
                break;
            }
            count += self.take_answers(number, &buffer[..read])?;
            // The end may have come with the last bytes, and would not be told again.
            if read < buffer.len() && !self.shape.reconnect {
                break;
            }
        }
        self.buffer = buffer;
        Ok(count)
    }

    fn reopened(&self) -> u64 {
        self.reopened
    }
}

impl<'a> Load<'a> {
    /// Opens `shape.connections` connections, to each of `servers` as many as to the others.
    pub(crate) fn open(
        servers: &[SocketAddr],
        shape: &'a Shape,
        requests: &'a Requests,
    ) -> Result<Load<'a>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut load = Load {
            servers: servers.to_vec(),
            shape,
            requests,
            epoll,
            connections: Vec::with_capacity(shape.connections),
            heads: Heads::default(),
            buffer: vec![0; 256 * 1024],
            next: 0,
            started: false,
            reopened: 0,
        };
        for number in 0..shape.connections {
            let socket = load.connect(number)?;
            load.connections.push(Connection {
                socket,
                first: 0,
                answered: 0,
                body_left: 0,
                carry: Vec::new(),
            });
        }
        Ok(load)
    }

    fn take_answers(&mut self, number: usize, new: &[u8]) -> Result<u64> {
        let connection = &mut self.connections[number];
        let joined;
        let mut bytes = new;
        if !connection.carry.is_empty() {
            connection.carry.extend_from_slice(new);
            joined = std::mem::take(&mut connection.carry);
            bytes = &joined;
        }
        let mut count = 0;
        loop {
            if connection.body_left > 0 {
                let here = connection.body_left.min(bytes.len());
                bytes = &bytes[here..];
                connection.body_left -= here;
                if connection.body_left > 0 {
                    return Ok(count);
                }
                connection.answered += 1;
                count += 1;
            }
            if bytes.is_empty() {
                break;
            }
            if connection.answered == self.shape.depth {
                bail!("more answers than requests");
            }
            let Some(head) = self.heads.read(bytes)? else {
                connection.carry.extend_from_slice(bytes);
                return Ok(count);
            };
            let wanted = self
                .requests
                .body(connection.first + connection.answered)
                .len();
            if head.body != wanted {
                bail!("an answer of {} bytes where {wanted} were due", head.body);
            }
            bytes = &bytes[head.length..];
            connection.body_left = head.body;
        }
        if connection.answered == self.shape.depth && !self.shape.reconnect {
            self.send_burst(number)?;
        }
        Ok(count)
    }

    fn send_burst(&mut self, number: usize) -> Result<()> {
        let depth = self.shape.depth;
        if self.next + depth > REQUESTS {
            self.next = 0;
        }
        let connection = &mut self.connections[number];
        connection.first = self.next;
        connection.answered = 0;
        let bytes = self.requests.burst(self.next, depth);
        self.next += depth;
        // A burst is a few KiB and the last one was answered, so the send buffer has room for it.
        let mut sent = send(&connection.socket, bytes, SendFlags::NOSIGNAL);
        if sent == Err(Errno::AGAIN) {
            wait_until_made(&connection.socket)?;
            sent = send(&connection.socket, bytes, SendFlags::NOSIGNAL);
        }
        match sent {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(sent) => bail!(
                "only {sent} of {} bytes of requests could be sent",
                bytes.len()
            ),
            // Told apart from an answer cut short when the end of the stream is read.
            Err(Errno::PIPE | Errno::CONNRESET) if !self.shape.reconnect => self.reopen(number),
            Err(error) => Err(error).context("sending a request"),
        }
    }

    /// The server closed a connection: fair after the last answer, else an error.
    fn closed(&mut self, number: usize) -> Result<()> {
        let connection = &self.connections[number];
        let unanswered = self.shape.depth - connection.answered;
        if self.shape.reconnect {
            if unanswered > 0 {
                bail!("closed without an answer");
            }
            return self.connect_again(number);
        }
        if connection.answered > 0 || connection.body_left > 0 || !connection.carry.is_empty() {
            bail!("closed with {unanswered} requests unanswered");
        }
        self.reopen(number)
    }

    /// Keep-alive ended by the server. A few are fair (a limit of requests a connection); they are counted.
    fn reopen(&mut self, number: usize) -> Result<()> {
        self.reopened += 1;
        if self.reopened > 10_000 {
            bail!("the server keeps closing its connections");
        }
        self.connect_again(number)
    }

    /// Begins a connection. Loopback has made it when this returns; where it has not, the first `send` waits, and says what
    /// went wrong.
    fn connect(&self, number: usize) -> Result<OwnedFd> {
        let server = &self.servers[number % self.servers.len()];
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error).with_context(|| format!("connecting to {server}")),
        }
        // Who sends only once waits for no acknowledgement.
        if !self.shape.reconnect {
            sockopt::set_tcp_nodelay(&socket, true)?;
        }
        epoll::add(
            &self.epoll,
            &socket,
            EventData::new_u64(number as u64),
            EventFlags::IN | EventFlags::ET,
        )?;
        Ok(socket)
    }

    /// Makes a connection anew and asks for something on it, at once, as clients do; the one before is closed behind that.
    fn connect_again(&mut self, number: usize) -> Result<()> {
        let socket = self.connect(number)?;
        let before = std::mem::replace(&mut self.connections[number].socket, socket);
        self.send_burst(number)?;
        drop(before);
        Ok(())
    }
}

/// Waits until a connection is made, or has failed.
fn wait_until_made(socket: &OwnedFd) -> Result<()> {
    let patience = Timespec::try_from(PATIENCE)?;
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    ensure!(
        poll(&mut fds, Some(&patience))? > 0,
        "no connection after {} s",
        PATIENCE.as_secs()
    );
    Ok(())
}

const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
