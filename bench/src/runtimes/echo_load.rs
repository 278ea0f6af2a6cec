//! The load of the echo servers: one thread, one epoll, one message at a time on each connection. As in `load`, it never sleeps,
//! so that no server is charged for waking it.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::random::Random;
use crate::stop;

/// Without a byte for so long, a server counts as hung.
const PATIENCE: Duration = Duration::from_secs(10);
const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

struct Connection {
    socket: OwnedFd,
    /// How much of the message is sent, and how much of it has come back.
    sent: usize,
    back: usize,
}

/// Connections to an echo server with a message under way on each.
pub(crate) struct EchoLoad {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    message: Vec<u8>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    /// Whether every byte is compared, or only counted.
    compare: bool,
}

impl EchoLoad {
    /// Opens `connections` connections, and sends the first message of `size` bytes on each.
    pub(crate) fn open(server: SocketAddr, size: usize, connections: usize) -> Result<EchoLoad> {
        let mut random = Random::new(size as u64);
        let mut load = EchoLoad {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(connections),
            message: random.word(size).into_bytes(),
            buffer: vec![0; 256 * 1024],
            events: Vec::with_capacity(1_024),
            compare: true,
        };
        for number in 0..connections {
            let stream = TcpStream::connect_timeout(&server, PATIENCE)
                .with_context(|| format!("connecting to {server}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let socket = OwnedFd::from(stream);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            let data = EventData::new_u64(number as u64);
            epoll::add(&load.epoll, &socket, data, flags)?;
            let (sent, back) = (0, 0);
            load.connections.push(Connection { socket, sent, back });
            load.send(number)?;
        }
        Ok(load)
    }

    /// Until `messages` came back, each byte is compared with what was sent.
    pub(crate) fn check(&mut self, messages: u64) -> Result<()> {
        self.compare = true;
        let came = self.drive(Instant::now() + PATIENCE, messages)?;
        self.compare = false;
        ensure!(came >= messages, "only {came} of {messages} messages came");
        Ok(())
    }

    /// Keeps the load up until `end`, or until `limit` messages came back; returns how many did.
    pub(crate) fn drive(&mut self, end: Instant, limit: u64) -> Result<u64> {
        let mut count = 0;
        let mut heard = Instant::now();
        while count < limit {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let mut events = std::mem::take(&mut self.events);
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&NO_WAIT)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll_wait"),
            }
            if !events.is_empty() {
                heard = now;
            } else if now - heard > PATIENCE {
                bail!("no byte for {} s", PATIENCE.as_secs());
            }
            stop::check()?;
            for event in &events {
                let number = event.data.u64() as usize;
                self.send(number)?;
                count += self.receive(number)?;
            }
            self.events = events;
        }
        Ok(count)
    }

    fn send(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        while connection.sent < self.message.len() {
            let rest = &self.message[connection.sent..];
            match send(&connection.socket, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => connection.sent += sent,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error).context("sending a message"),
            }
        }
        Ok(())
    }

    /// Reads all that is there (the registration is edge-triggered: it is told once).
    fn receive(&mut self, number: usize) -> Result<u64> {
        let mut count = 0;
        loop {
            let connection = &mut self.connections[number];
            let read = match recv(
                &connection.socket,
                self.buffer.as_mut_slice(),
                RecvFlags::empty(),
            ) {
                Ok((0, _)) => bail!("the server closed a connection"),
                Ok((read, _)) => read,
                Err(Errno::AGAIN) => return Ok(count),
                Err(error) => return Err(error).context("reading a message"),
            };
            let end = connection.back + read;
            ensure!(end <= connection.sent, "more came back than was sent");
            if self.compare {
                let same = self.buffer[..read] == self.message[connection.back..end];
                ensure!(same, "other bytes came back than were sent");
            }
            connection.back = end;
            if end == self.message.len() {
                count += 1;
                connection.sent = 0;
                connection.back = 0;
                self.send(number)?;
            }
            if read < self.buffer.len() {
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// Serves one connection with `answer` to each read, until it ends.
    fn serve(answer: fn(&mut [u8])) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut buffer = [0; 1_000];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                answer(&mut buffer[..read]);
                if stream.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        });
        address
    }

    #[test]
    fn messages_come_back_and_are_compared() {
        let mut load = EchoLoad::open(serve(|_| ()), 10_240, 1).expect("a connection");
        load.check(5).expect("the bytes that were sent");
        let end = Instant::now() + PATIENCE;
        assert!(load.drive(end, 5).expect("messages") >= 5);
        let mut load = EchoLoad::open(serve(|bytes| bytes[0] = 0), 10, 1).expect("a connection");
        let error = load.check(1).expect_err("a byte was changed");
        assert!(format!("{error}").contains("other bytes"), "{error}");
    }
}
