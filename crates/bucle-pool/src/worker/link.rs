//! The worker's end of the channel, and the shared memory that came or went over it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bucle_sys::channel::{self, Received};
use bucle_sys::shared::Segment;
use bucle_sys::worker::kill_own_group;

use super::{garbage, invalid};
use crate::start::Message;

/// How much shared memory for outputs is kept for the next ones, in bytes.
const KEPT: usize = 256 * 1024 * 1024;

pub(super) struct Link {
    channel: OwnedFd,
    /// The parent's, with arguments, by its number for them.
    arguments: HashMap<u64, Segment>,
    /// Ours, with outputs: those the parent has now, and those that are free.
    lent: HashMap<u64, Segment>,
    free: Vec<(u64, Segment)>,
    next: u64,
}

impl Link {
    pub(super) fn new(channel: OwnedFd) -> Link {
        Link {
            channel,
            arguments: HashMap::new(),
            lent: HashMap::new(),
            free: Vec::new(),
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
        match channel::receive_blocking(&self.channel, &mut buffer)? {
            Received::Message(len, mut fds) => match Message::from_bytes(&buffer[..len]) {
                Some(Message::Wake) => {}
                Some(Message::Segment(number)) => {
                    let fd = fds.pop();
                    let fd = fd.ok_or_else(|| invalid("shared memory was announced only"))?;
                    self.arguments.insert(number, Segment::from_fd(fd)?);
                }
                Some(Message::Forget(number)) => drop(self.arguments.remove(&number)),
                Some(Message::Free(number)) => self.take_back(number),
                Some(Message::Exit) => std::process::exit(0),
                Some(Message::Ready(_) | Message::Failed) | None => return Err(garbage()),
            },
            Received::Nothing => {}
            Received::Closed => kill_own_group(),
        }
        Ok(())
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

    /// Shared memory of `len` bytes at least, filled by `fill` and known to the parent.
    pub(super) fn lend_output(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> io::Result<u64> {
        // The smallest that is not many times too large.
        let fits = |segment: &Segment| segment.len() >= len && segment.len() / 4 <= len;
        let best = (0..self.free.len())
            .filter(|place| fits(&self.free[*place].1))
            .min_by_key(|place| self.free[*place].1.len());
        let (number, mut segment, known) = match best {
            Some(place) => {
                let (number, segment) = self.free.swap_remove(place);
                (number, segment, true)
            }
            None => {
                let number = self.next;
                self.next += 1;
                (number, Segment::new("bucle-output", len)?, false)
            }
        };
        fill(&mut segment.bytes_mut()[..len]);
        if !known {
            let message = Message::Segment(number).to_bytes();
            channel::send_blocking(&self.channel, &message, &[segment.as_fd()])?;
        }
        self.lent.insert(number, segment);
        Ok(number)
    }

    fn take_back(&mut self, number: u64) {
        if let Some(segment) = self.lent.remove(&number) {
            let kept: usize = self.free.iter().map(|(_, segment)| segment.len()).sum();
            if kept + segment.len() <= KEPT {
                self.free.push((number, segment));
            }
        }
    }
}
