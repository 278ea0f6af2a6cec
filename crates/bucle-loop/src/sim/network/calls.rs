//! The system calls of simulated sockets: what each does at once, and what it sends on its way.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bucle_sys::Errno;

use super::super::address::SimAddress;
use super::super::connection::{Connection, Family, Phase, Side};
use super::super::trace::SimEventKind;
use super::{Arrival, FIRST_EPHEMERAL_PORT, Kind, Net, Socket};

/// Making and ending sockets.
impl Net {
    pub(super) fn socket(&mut self, number: u32) -> io::Result<&mut Socket> {
        match self.sockets.get_mut(number as usize) {
            Some(Some(socket)) => Ok(socket),
            _ => Err(Errno::BADF.into()),
        }
    }

    fn insert(&mut self, kind: Kind) -> u32 {
        let socket = Some(Socket { kind, watch: None });
        if let Some(number) = self.free.pop_first() {
            self.sockets[number as usize] = socket;
            return number;
        }
        self.sockets.push(socket);
        self.sockets.len() as u32 - 1
    }

    /// Makes sure that `more` sockets may be made.
    fn check_limit(&self, more: usize) -> io::Result<()> {
        if self.open_sockets() + more > self.options.max_sockets {
            return Err(Errno::MFILE.into());
        }
        Ok(())
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.sockets.len() - self.free.len()
    }

    fn free_port(&mut self, ip: IpAddr) -> io::Result<u16> {
        for _ in FIRST_EPHEMERAL_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
            let address = SimAddress::Tcp(SocketAddr::new(ip, port));
            if !self.names.keys().any(|name| name.conflicts(&address)) {
                return Ok(port);
            }
        }
        Err(Errno::ADDRINUSE.into())
    }

    pub(crate) fn bind(&mut self, address: &SimAddress) -> io::Result<u32> {
        self.check_limit(1)?;
        let mut address = address.clone();
        if let SimAddress::Tcp(address) = &mut address
            && address.port() == 0
        {
            address.set_port(self.free_port(address.ip())?);
        }
        if self.names.keys().any(|name| name.conflicts(&address)) {
            return Err(Errno::ADDRINUSE.into());
        }
        let number = self.insert(Kind::Listener {
            address: address.clone(),
            waiting: VecDeque::new(),
            backlog: 0,
        });
        self.names.insert(address, number);
        Ok(number)
    }

    pub(crate) fn listen(&mut self, number: u32, size: usize) -> io::Result<()> {
        match &mut self.socket(number)?.kind {
            Kind::Listener { backlog, .. } => {
                *backlog = size.max(1);
                Ok(())
            }
            Kind::Stream { .. } => Err(Errno::INVAL.into()),
        }
    }

    pub(crate) fn connect(&mut self, address: &SimAddress) -> io::Result<u32> {
        self.check_limit(1)?;
        let address = address.destination();
        match &address {
            SimAddress::Tcp(to) => {
                let ip = if to.ip().is_loopback() {
                    to.ip()
                } else if to.is_ipv4() {
                    IpAddr::from([10, 0, 0, 1])
                } else {
                    IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1])
                };
                let local = SimAddress::Tcp((ip, self.free_port(ip)?).into());
                let connection = Connection::new(
                    Family::Tcp,
                    Phase::Connecting,
                    Some(local),
                    Some(address.clone()),
                );
                let id = self.insert_connection(connection);
                self.note(id, SimEventKind::Connecting);
                self.draw_cut(id);
                self.launch(id, Side::Server, Arrival::Syn { attempt: 0 });
                Ok(self.open_end(id, Side::Client))
            }
            SimAddress::Unix(_) => {
                let listener = self.listener_at(&address).ok_or(Errno::NOENT)?;
                if !self.listens(listener) {
                    return Err(Errno::CONNREFUSED.into());
                }
                let id = self.insert_connection(Connection::new(
                    Family::Unix,
                    Phase::Open,
                    None,
                    Some(address.clone()),
                ));
                if !self.enqueue(listener, id) {
                    self.connections.remove(&id);
                    return Err(Errno::AGAIN.into());
                }
                self.note(id, SimEventKind::Established);
                Ok(self.open_end(id, Side::Client))
            }
        }
    }

    pub(crate) fn pair(&mut self) -> io::Result<(u32, u32)> {
        self.check_limit(2)?;
        let connection = Connection::new(Family::Unix, Phase::Open, None, None);
        let id = self.insert_connection(connection);
        self.note(id, SimEventKind::Established);
        let client = self.open_end(id, Side::Client);
        Ok((client, self.open_end(id, Side::Server)))
    }

    fn insert_connection(&mut self, connection: Connection) -> u64 {
        self.last_connection += 1;
        self.connections.insert(self.last_connection, connection);
        self.last_connection
    }

    /// Gives one end of a connection a socket.
    fn open_end(&mut self, connection: u64, side: Side) -> u32 {
        let number = self.insert(Kind::Stream { connection, side });
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.end_mut(side).number = Some(number);
        }
        number
    }

    pub(crate) fn accept(&mut self, number: u32) -> io::Result<(u32, Option<SimAddress>)> {
        self.check_limit(1)?;
        let Kind::Listener {
            waiting,
            backlog: 1..,
            ..
        } = &mut self.socket(number)?.kind
        else {
            return Err(Errno::INVAL.into());
        };
        let id = waiting.pop_front().ok_or(Errno::AGAIN)?;
        let accepted = self.open_end(id, Side::Server);
        let peer = self
            .connections
            .get(&id)
            .and_then(|connection| connection.end(Side::Client).address.clone());
        Ok((accepted, peer))
    }

    pub(crate) fn close(&mut self, number: u32) {
        let Some(socket) = self.sockets.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        self.free.insert(number);
        self.candidates.remove(&number);
        match socket.kind {
            Kind::Listener {
                address, waiting, ..
            } => {
                self.names.remove(&address);
                for id in waiting {
                    self.close_end(id, Side::Server, true);
                }
            }
            Kind::Stream { connection, side } => self.close_end(connection, side, false),
        }
    }

    /// The application closes one end, or the listener in whose queue it waits (`queued`).
    fn close_end(&mut self, id: u64, side: Side, queued: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let family = connection.family;
        let end = connection.end_mut(side);
        let unread = !end.incoming.is_empty();
        let (phase, write_shut) = (end.phase, end.write_shut);
        let silent = phase == Phase::Dead || end.is_over(family);
        let abort = queued || end.reset_on_close;
        end.closed = true;
        end.number = None;
        end.incoming = VecDeque::new();
        let peer = side.other();
        let other = connection.end(peer);
        if other.closed || (phase, other.phase) == (Phase::Connecting, Phase::Connecting) {
            // Nobody is left to hear of it.
            self.connections.remove(&id);
            return;
        }
        match family {
            _ if silent => {}
            Family::Unix => {
                let unread = unread || queued;
                self.launch(id, peer, Arrival::Gone { to: peer, unread });
            }
            // As every TCP does: who closes without having read all says that bytes were lost.
            Family::Tcp if abort || unread => self.launch(id, peer, Arrival::Reset { to: peer }),
            Family::Tcp if write_shut => {}
            Family::Tcp => self.launch(id, peer, Arrival::Eof { to: peer }),
        }
    }
}

/// Reading and writing.
impl Net {
    fn stream(&mut self, number: u32) -> io::Result<(u64, Side)> {
        match self.socket(number)?.kind {
            Kind::Stream { connection, side } => Ok((connection, side)),
            Kind::Listener { .. } => Err(Errno::NOTCONN.into()),
        }
    }

    fn connection(&mut self, number: u32) -> io::Result<(u64, Side, &mut Connection)> {
        let (id, side) = self.stream(number)?;
        match self.connections.get_mut(&id) {
            Some(connection) => Ok((id, side, connection)),
            None => Err(Errno::NOTCONN.into()),
        }
    }

    pub(crate) fn recv(&mut self, number: u32, buffer: &mut [u8]) -> io::Result<usize> {
        let (id, side, connection) = self.connection(number)?;
        let family = connection.family;
        let there = connection.end(side).readable().min(buffer.len());
        let most = self.partial(there);
        let Some(connection) = self.connections.get_mut(&id) else {
            return Err(Errno::NOTCONN.into());
        };
        let bytes = connection.end_mut(side).recv(family, buffer, most)?;
        if bytes > 0 {
            let to_server = side == Side::Server;
            self.note(id, SimEventKind::Received { to_server, bytes });
            let (to, count) = (side.other(), bytes);
            self.launch(id, to, Arrival::Read { to, count });
        }
        Ok(bytes)
    }

    /// `count`, or a part of it.
    fn partial(&mut self, count: usize) -> usize {
        if count > 1 && self.draw(self.options.partial_probability) {
            return self.random.usize(1..=count);
        }
        count
    }

    /// Takes from the buffers, in order, what there is room for.
    pub(crate) fn send(&mut self, number: u32, buffers: &[&[u8]]) -> io::Result<usize> {
        let send_buffer = self.options.send_buffer;
        let (id, side, connection) = self.connection(number)?;
        let family = connection.family;
        let room = connection.end_mut(side).room(family, send_buffer)?;
        let there: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let count = self.partial(there.min(room));
        let mut taken = Vec::with_capacity(count);
        for buffer in buffers {
            let part = buffer.len().min(count - taken.len());
            taken.extend_from_slice(&buffer[..part]);
        }
        if count > 0 {
            let to_server = side == Side::Client;
            let bytes = count;
            self.note(id, SimEventKind::Sent { to_server, bytes });
        }
        self.at_end(id, side, |end| end.unread += count);
        self.send_segments(id, side.other(), &taken);
        Ok(count)
    }

    fn send_segments(&mut self, id: u64, to: Side, mut bytes: &[u8]) {
        let limit = self.options.max_segment.max(1);
        while !bytes.is_empty() {
            let size = self.partial(bytes.len().min(limit));
            let (segment, rest) = bytes.split_at(size);
            bytes = rest;
            if self.draw(self.options.reset_probability) {
                // Lost for good: both ends learn of it, each when it does.
                for to in [to, to.other()] {
                    self.launch(id, to, Arrival::Reset { to });
                }
                return;
            }
            self.launch_segment(id, to, segment.into());
        }
    }

    pub(crate) fn shutdown(&mut self, number: u32, read: bool, write: bool) -> io::Result<()> {
        let (id, side, connection) = self.connection(number)?;
        let family = connection.family;
        let end = connection.end_mut(side);
        if !end.is_connected(family) {
            return Err(Errno::NOTCONN.into());
        }
        if read {
            end.shut_read();
        }
        let ends_now = write && !end.write_shut;
        end.write_shut |= write;
        self.candidates.insert(number);
        let to = side.other();
        if read && family == Family::Unix {
            self.launch(id, to, Arrival::ReadShut { to });
        }
        if ends_now {
            self.launch(id, to, Arrival::Eof { to });
        }
        Ok(())
    }

    pub(crate) fn take_error(&mut self, number: u32) -> io::Result<()> {
        let (_, side, connection) = self.connection(number)?;
        match connection.end_mut(side).take_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    pub(crate) fn reset_on_close(&mut self, number: u32) -> io::Result<()> {
        let (_, side, connection) = self.connection(number)?;
        connection.end_mut(side).reset_on_close = true;
        Ok(())
    }

    pub(crate) fn local_address(&mut self, number: u32) -> io::Result<Option<SimAddress>> {
        if let Kind::Listener { address, .. } = &self.socket(number)?.kind {
            return Ok(Some(address.clone()));
        }
        let (_, side, connection) = self.connection(number)?;
        Ok(connection.end(side).address.clone())
    }

    pub(crate) fn peer_address(&mut self, number: u32) -> io::Result<Option<SimAddress>> {
        let (_, side, connection) = self.connection(number)?;
        if !connection.end(side).is_connected(connection.family) {
            return Err(Errno::NOTCONN.into());
        }
        Ok(connection.end(side.other()).address.clone())
    }
}
