//! The worker's end of the channel, and the shared memory that came or went over it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bucle_sys::channel::{self, Received};
use bucle_sys::shared::Segment;
use bucle_sys::worker::kill_own_group;

use super::{garbage, invalid};
use crate::shared::{Piece, take_forgotten};
use crate::start::Message;

pub(super) struct Link {
    channel: OwnedFd,
    /// The parent's, with arguments, by its number for them.
    arguments: HashMap<u64, Segment>,
    /// Ours, with outputs, that the parent has now.
    lent: HashMap<u64, Arc<Piece>>,
    next: u64,
}

impl Link {
    pub(super) fn new(channel: OwnedFd) -> Link {
        Link {
            channel,
            arguments: HashMap::new(),
            lent: HashMap::new(),
            next: 1,
        }
    }

    /// Wakes the parent. If it has more to read than it has read already, it is awake.
    pub(super) fn wake_parent(&self) -> io::Result<()> {
        match channel::send(&self.channel, &Message::Wake.to_bytes(), &[]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Waits for a message of the parent's, and does what it says. The end of the channel is the
    /// end of the process.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64];
        let received = channel::receive_blocking(&self.channel, &mut buffer)?;
        self.take(received, &buffer).map(drop)
    }

    /// Does what the messages say that are there.
    pub(super) fn receive_all(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64];
        loop {
            let received = channel::receive(&self.channel, &mut buffer)?;
            if !self.take(received, &buffer)? {
                return Ok(());
            }
        }
    }

    /// False if there was no message.
    fn take(&mut self, received: Received, buffer: &[u8]) -> io::Result<bool> {
        let (len, mut fds) = match received {
            Received::Message(len, fds) => (len, fds),
            Received::Nothing => return Ok(false),
            Received::Closed => kill_own_group(),
        };
        match Message::from_bytes(&buffer[..len]) {
            Some(Message::Wake) => {}
            Some(Message::Segment(number)) => {
                let fd = fds.pop();
                let fd = fd.ok_or_else(|| invalid("shared memory was announced only"))?;
                self.arguments.insert(number, Segment::from_fd(fd)?);
            }
            Some(Message::Forget(number)) => drop(self.arguments.remove(&number)),
            Some(Message::Free(number)) => drop(self.lent.remove(&number)),
            Some(Message::Exit) => std::process::exit(0),
            Some(Message::Ready(_) | Message::Failed) | None => return Err(garbage()),
        }
        Ok(true)
    }

    /// The shared memory that arguments are in; it was announced before the frame that names it.
    pub(super) fn take_arguments(&mut self, number: u64) -> io::Result<Segment> {
        loop {
            if let Some(segment) = self.arguments.remove(&number) {
                return Ok(segment);
            }
            self.receive()?;
        }
    }

    pub(super) fn put_arguments(&mut self, number: u64, segment: Segment) {
        self.arguments.insert(number, segment);
    }

    /// Lends shared memory with an output to the parent; gives its number.
    pub(super) fn lend(&mut self, piece: Arc<Piece>) -> io::Result<u64> {
        for number in take_forgotten() {
            channel::send_blocking(&self.channel, &Message::Forget(number).to_bytes(), &[])?;
        }
        let (number, known) = piece.number(&mut self.next);
        if !known && let Some(memory) = piece.memory() {
            let message = Message::Segment(number).to_bytes();
            channel::send_blocking(&self.channel, &message, &[memory.as_fd()])?;
        }
        self.lent.insert(number, piece);
        Ok(number)
    }
}
