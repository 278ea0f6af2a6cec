//! One connection: its two ends, each in the state that the kernel would keep for it.
//!
//! Pure state: what travels between the ends, and when it arrives, is the network's business. Which
//! error comes when, and in which order, is what Linux does; the tests put both to the same scripts.

use std::collections::VecDeque;

use bucle_sys::Errno;

use super::address::SimAddress;
use crate::fds::Readiness;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// TCP and Unix streams differ in how they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Tcp,
    Unix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// Refused or reset: nothing will come any more, nothing can be sent.
    Dead,
}

pub(super) struct Connection {
    pub(super) family: Family,
    /// Nothing that is sent from now on arrives, in either direction.
    pub(super) cut: bool,
    ends: [End; 2],
}

impl Connection {
    pub(super) fn new(
        family: Family,
        phase: Phase,
        client: Option<SimAddress>,
        server: Option<SimAddress>,
    ) -> Connection {
        Connection {
            family,
            cut: false,
            ends: [End::new(phase, client), End::new(phase, server)],
        }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }
}

/// One end of a connection.
pub(super) struct End {
    /// The socket, while the application holds one: not before it was accepted, not after its close.
    pub(super) number: Option<u32>,
    /// The application has closed it.
    pub(super) closed: bool,
    pub(super) phase: Phase,
    /// Its own address; `None` for an unnamed Unix socket.
    pub(super) address: Option<SimAddress>,
    /// Arrived and not read.
    pub(super) incoming: VecDeque<u8>,
    /// The peer will send no more.
    pub(super) eof: bool,
    read_shut: bool,
    /// We will send no more, or the peer will read no more.
    pub(super) write_shut: bool,
    /// Sent, and not yet known to have been read.
    pub(super) unread: usize,
    /// What the next call is to be told, once (`SO_ERROR`).
    error: Option<Errno>,
    pub(super) reset_on_close: bool,
    /// It has sent what can't arrive, and will give up in time.
    pub(super) giving_up: bool,
    /// When the last thing on its way here arrives: nothing overtakes.
    pub(super) last_arrival: u64,
}

impl End {
    fn new(phase: Phase, address: Option<SimAddress>) -> End {
        End {
            number: None,
            closed: false,
            phase,
            address,
            incoming: VecDeque::new(),
            eof: false,
            read_shut: false,
            write_shut: false,
            unread: 0,
            error: None,
            reset_on_close: false,
            giving_up: false,
            last_arrival: 0,
        }
    }

    /// A hang-up or an error, which is reported whatever was asked for.
    pub(super) fn is_hung_up(&self) -> bool {
        let ended = (self.eof || self.read_shut) && self.write_shut;
        self.phase == Phase::Dead || self.error.is_some() || ended
    }

    /// Whether it has ended well, in both directions; TCP then forgets the peer.
    pub(super) fn is_over(&self, family: Family) -> bool {
        family == Family::Tcp && self.phase == Phase::Open && self.eof && self.write_shut
    }

    /// Whether there is a connection: established, and not over.
    pub(super) fn is_connected(&self, family: Family) -> bool {
        self.phase == Phase::Open && !self.is_over(family)
    }

    /// Whether bytes that arrive now are refused: TCP answers with a reset where nobody will read
    /// them.
    pub(super) fn refuses_bytes(&self, family: Family) -> bool {
        let shut = family == Family::Tcp && self.read_shut && self.write_shut;
        self.closed || shut
    }

    pub(super) fn readiness(&self, send_buffer: usize) -> Readiness {
        if self.is_hung_up() {
            return Readiness::BOTH;
        }
        let mut readiness = Readiness::NONE;
        if !self.incoming.is_empty() || self.eof || self.read_shut {
            readiness = readiness.with(Readiness::READ);
        }
        // As Linux does: not for each freed byte, but when a third of the buffer is free.
        let room = self.unread <= send_buffer / 3 * 2;
        if self.phase == Phase::Open && (self.write_shut || room) {
            readiness = readiness.with(Readiness::WRITE);
        }
        readiness
    }

    /// Whether a read would give bytes, and how many.
    pub(super) fn readable(&self) -> usize {
        self.incoming.len()
    }

    /// Moves up to `most` bytes into `buffer`; 0 is the end of the stream.
    pub(super) fn recv(
        &mut self,
        family: Family,
        buffer: &mut [u8],
        most: usize,
    ) -> Result<usize, Errno> {
        if !self.incoming.is_empty() {
            let count = self.incoming.len().min(buffer.len()).min(most);
            for (place, byte) in buffer.iter_mut().zip(self.incoming.drain(..count)) {
                *place = byte;
            }
            return Ok(count);
        }
        // TCP tells the end of the stream before an error that came after it, Unix the reverse.
        if family == Family::Tcp && self.eof {
            return Ok(0);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.eof || self.read_shut || self.phase == Phase::Dead {
            return Ok(0);
        }
        Err(Errno::AGAIN)
    }

    /// How many bytes may be sent now: never 0.
    pub(super) fn room(&mut self, family: Family, send_buffer: usize) -> Result<usize, Errno> {
        if family == Family::Unix && self.write_shut {
            return Err(Errno::PIPE);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.write_shut || self.phase == Phase::Dead {
            return Err(Errno::PIPE);
        }
        let room = send_buffer.saturating_sub(self.unread);
        if self.phase == Phase::Connecting || room == 0 {
            return Err(Errno::AGAIN);
        }
        Ok(room)
    }

    pub(super) fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    pub(super) fn shut_read(&mut self) {
        self.read_shut = true;
    }

    /// The connection attempt failed, or what was sent is given up.
    pub(super) fn fail(&mut self, error: Errno) {
        self.error = Some(error);
        self.phase = Phase::Dead;
    }

    /// A reset came. What arrived before it can still be read.
    pub(super) fn reset(&mut self) {
        let half_closed = self.eof && !self.write_shut;
        self.error = Some(if half_closed {
            Errno::PIPE
        } else {
            Errno::CONNRESET
        });
        self.phase = Phase::Dead;
        self.unread = 0;
    }

    /// The peer of a Unix stream has closed, with or without having read everything.
    pub(super) fn peer_gone(&mut self, unread: bool) {
        self.eof = true;
        self.write_shut = true;
        if unread {
            self.error = Some(Errno::CONNRESET);
        }
    }
}
