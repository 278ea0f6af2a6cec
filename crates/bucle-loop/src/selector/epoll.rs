//! Linux epoll, level-triggered.

use std::io;
use std::time::Duration;

use bucle_sys::epoll::{Epoll, Event as RawEvent, EventFlags};

use super::{Event, Selector};
use crate::fds::{Interest, Readiness};
use crate::pollable::Pollable;

/// Events taken in one call. More wait in the kernel for the next turn, where they come first, so
/// that a busy set of descriptors can't starve timers and callbacks.
const EVENTS_PER_CALL: usize = 256;

pub(crate) struct EpollSelector {
    epoll: Epoll,
    raw: Vec<RawEvent>,
    /// The token of what only ends waits.
    wake: Option<u64>,
}

impl EpollSelector {
    pub(crate) fn new() -> io::Result<EpollSelector> {
        Ok(EpollSelector {
            epoll: Epoll::new()?,
            raw: Vec::with_capacity(EVENTS_PER_CALL),
            wake: None,
        })
    }
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    if interest.reads() {
        flags |= EventFlags::IN;
    }
    if interest.writes() {
        flags |= EventFlags::OUT;
    }
    flags
}

impl Selector for EpollSelector {
    fn name(&self) -> &'static str {
        "epoll"
    }

    fn add(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let fd = fd.fd()?;
        match self.epoll.add(fd, token, flags(interest)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.epoll.modify(fd, token, flags(interest))
            }
            result => result,
        }
    }

    fn modify(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let fd = fd.fd()?;
        match self.epoll.modify(fd, token, flags(interest)) {
            // The number was closed and given out again: the kernel forgot the old file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.epoll.add(fd, token, flags(interest))
            }
            result => result,
        }
    }

    /// Edge-triggered: each write to it ends a wait, whatever was written before, so that nobody has to
    /// read it, nor be told of it, between the end of the wait and what came.
    fn add_wake(&mut self, fd: Pollable<'_>, token: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        self.epoll.add(fd.fd()?, token, flags)?;
        self.wake = Some(token);
        Ok(())
    }

    fn remove(&mut self, fd: Pollable<'_>) -> io::Result<()> {
        self.epoll.delete(fd.fd()?)
    }

    fn select(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.raw.clear();
        self.epoll.wait(&mut self.raw, timeout)?;
        events.extend(self.raw.iter().filter_map(|raw| {
            let (flags, data) = (raw.flags, raw.data);
            if Some(data.u64()) == self.wake {
                return None;
            }
            let readiness = if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
                Readiness::BOTH
            } else {
                let mut readiness = Readiness::NONE;
                if flags.intersects(EventFlags::IN) {
                    readiness = readiness.with(Readiness::READ);
                }
                if flags.intersects(EventFlags::OUT) {
                    readiness = readiness.with(Readiness::WRITE);
                }
                readiness
            };
            Some(Event {
                token: data.u64(),
                readiness,
            })
        }));
        Ok(())
    }
}
