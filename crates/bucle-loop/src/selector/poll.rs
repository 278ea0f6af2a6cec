//! `poll(2)`: the fallback that every Unix has. A wait costs in proportion to all that is watched.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use bucle_sys::poll::{PollEvents, PollSet};

use super::{Event, Selector};
use crate::fds::{Interest, Readiness};
use crate::pollable::Pollable;

#[derive(Default)]
pub(crate) struct PollSelector {
    set: PollSet,
    /// Descriptor number and token, in the order of the set.
    tokens: Vec<(i32, u64)>,
    /// Descriptor number to its place in the set.
    places: HashMap<i32, usize>,
}

fn wanted(interest: Interest) -> PollEvents {
    PollEvents {
        readable: interest.reads(),
        writable: interest.writes(),
        ..PollEvents::default()
    }
}

impl PollSelector {
    fn remove_at(&mut self, place: usize) {
        self.set.swap_remove(place);
        let (fd, _) = self.tokens.swap_remove(place);
        self.places.remove(&fd);
        if let Some((moved, _)) = self.tokens.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

impl Selector for PollSelector {
    fn name(&self) -> &'static str {
        "poll"
    }

    fn add(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let fd = fd.fd()?;
        super::refuse_files(fd)?;
        let number = fd.as_raw_fd();
        if let Some(&place) = self.places.get(&number) {
            self.tokens[place].1 = token;
            self.set.set(place, wanted(interest));
        } else {
            self.places.insert(number, self.set.len());
            self.set.push(fd, wanted(interest));
            self.tokens.push((number, token));
        }
        Ok(())
    }

    fn modify(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.add(fd, token, interest)
    }

    fn remove(&mut self, fd: Pollable<'_>) -> io::Result<()> {
        match self.places.get(&fd.number()) {
            Some(&place) => {
                self.remove_at(place);
                Ok(())
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn select(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let mut left = self.set.wait(timeout)?;
        let mut place = 0;
        while left > 0 && place < self.set.len() {
            let seen = self.set.events(place);
            if seen == PollEvents::default() {
                place += 1;
                continue;
            }
            left -= 1;
            if seen.closed {
                // Closed behind our back: forgotten, as epoll forgets it. The last one has moved
                // into this place and is looked at next.
                self.remove_at(place);
                continue;
            }
            let readiness = if seen.hangup {
                Readiness::BOTH
            } else {
                let mut readiness = Readiness::NONE;
                if seen.readable {
                    readiness = readiness.with(Readiness::READ);
                }
                if seen.writable {
                    readiness = readiness.with(Readiness::WRITE);
                }
                readiness
            };
            events.push(Event {
                token: self.tokens[place].1,
                readiness,
            });
            place += 1;
        }
        Ok(())
    }
}
