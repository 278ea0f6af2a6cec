//! No system at all: the clock jumps to what comes next on the simulated network.

use std::io;
use std::time::Duration;

use super::{Event, Selector};
use crate::fds::Interest;
use crate::pollable::Pollable;
use crate::sim::SimNetwork;

pub(crate) struct SimSelector {
    network: SimNetwork,
}

impl SimSelector {
    pub(crate) fn new(network: SimNetwork) -> SimSelector {
        SimSelector { network }
    }

    /// The number of a socket of this network.
    fn number(&self, what: Pollable<'_>) -> io::Result<u32> {
        let key = what.sim()?;
        if key.network != self.network.id {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket belongs to another loop's simulated network",
            ));
        }
        Ok(key.number)
    }
}

impl Selector for SimSelector {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn add(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let number = self.number(fd)?;
        self.network.net.borrow_mut().watch(number, token, interest)
    }

    fn modify(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.add(fd, token, interest)
    }

    fn remove(&mut self, fd: Pollable<'_>) -> io::Result<()> {
        let number = self.number(fd)?;
        self.network.net.borrow_mut().unwatch(number)
    }

    fn select(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.network.net.borrow_mut().select(timeout, events)
    }
}
