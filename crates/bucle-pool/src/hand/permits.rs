//! Permits that a parent keeps for its children: what a semaphore and a lock have in common.
//!
//! The parent hands them on, so nothing lies in shared memory that a dead process could have left
//! half done: no futex, no mutex. A holder's death closes its connection, which is an event of the
//! parent's loop; whatever it held goes to the next in line, who is told.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::desk::{CANCEL, Desk, Remote, Service};
use super::error::ChannelError;
use super::queue::check_may_block;
use super::travel::{Arrived, Passed, check_leaving, not_encoded};
use super::wait::Mode;
use super::waiter::{Waiter, Waiting};
use super::wire::{Blob, Message};

/// From a child.
const ACQUIRE: u8 = b'a';
const RELEASE: u8 = b'r';
/// To a child: a permit of which nothing is to be told; one whose last holder has died.
const GRANTED: u8 = b'g';
const INHERITED: u8 = b'h';

/// A number of permits, from either side.
#[derive(Clone)]
pub(super) enum Permits {
    Home(Rc<Hub>),
    Away(Rc<Remote>),
}

impl Permits {
    /// # Errors
    /// If no loop runs in this thread.
    pub(super) fn new(permits: usize) -> io::Result<Permits> {
        let state = State {
            free: permits,
            ..State::default()
        };
        Ok(Permits::Home(Rc::new(Hub {
            desk: Desk::new()?,
            state: RefCell::new(state),
        })))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(&self, mode: Mode) -> Result<Permit<'_>, ChannelError> {
        let (number, inherited) = match self {
            Permits::Home(hub) => {
                check_may_block(mode)?;
                (0, hub.acquire().await)
            }
            Permits::Away(remote) => match remote.ask(mode, ACQUIRE, &Blob::default()).await? {
                Some(message) if message.kind == GRANTED => (message.number, false),
                Some(message) if message.kind == INHERITED => (message.number, true),
                _ => return Err(ChannelError::Closed),
            },
        };
        Ok(Permit {
            permits: self,
            number,
            inherited,
        })
    }

    /// How many are free; `None` in a child.
    pub(super) fn free(&self) -> Option<usize> {
        match self {
            Permits::Home(hub) => Some(hub.state.borrow().free),
            Permits::Away(_) => None,
        }
    }
}

impl Serialize for Permits {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        check_leaving("a lock or semaphore")?;
        let Permits::Home(hub) = self else {
            return Err(not_encoded(
                "a lock or semaphore can be given to children only by the process that made it",
            ));
        };
        let fd: OwnedFd = hub.desk.open(hub.clone()).map_err(not_encoded)?;
        Passed(fd.as_fd()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Permits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Permits, D::Error> {
        let fd = Arrived::deserialize(deserializer)?.into_fd();
        Ok(Permits::Away(Rc::new(Remote::new(fd))))
    }
}

/// One permit; given back when dropped.
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    number: u64,
    /// Whether its last holder has died.
    pub(super) inherited: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        match self.permits {
            Permits::Home(hub) => hub.release(false),
            Permits::Away(remote) => remote.say(RELEASE, self.number),
        }
    }
}

/// The permits themselves.
pub(super) struct Hub {
    desk: Desk,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    free: usize,
    /// So many of those that are free have been a dead process's, which nobody was told.
    orphaned: usize,
    waiters: VecDeque<Wish>,
    /// By client: its requests that were granted, and whether something was to be told.
    held: HashMap<u64, Vec<(u64, bool)>>,
}

enum Wish {
    Client(u64, u64),
    Task(Rc<Waiter<bool>>),
}

impl Wish {
    fn is_of(&self, client: u64) -> bool {
        matches!(self, Wish::Client(other, _) if *other == client)
    }

    fn is_by(&self, waiter: &Rc<Waiter<bool>>) -> bool {
        matches!(self, Wish::Task(other) if Rc::ptr_eq(other, waiter))
    }
}

impl Hub {
    async fn acquire(&self) -> bool {
        let waiter = Waiter::new();
        let wish = Wish::Task(waiter.clone());
        self.state.borrow_mut().waiters.push_back(wish);
        self.pump();
        let given_up = |granted| match granted {
            // Nobody has been told.
            Some(inherited) => self.release(inherited),
            None => {
                let mut state = self.state.borrow_mut();
                state.waiters.retain(|wish| !wish.is_by(&waiter));
            }
        };
        Waiting::new(&waiter, given_up).await
    }

    fn release(&self, orphaned: bool) {
        self.state.borrow_mut().put_back(orphaned);
        self.pump();
    }

    /// Hands out what is free.
    fn pump(&self) {
        let mut gone = Vec::new();
        loop {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            if state.free == 0 {
                break;
            }
            let inherited = state.orphaned > 0;
            match state.waiters.pop_front() {
                Some(Wish::Client(client, number)) => {
                    let kind = if inherited { INHERITED } else { GRANTED };
                    if !self.desk.send(client, kind, number, &Blob::default()) {
                        gone.push(client);
                        continue;
                    }
                    let held = state.held.entry(client).or_default();
                    held.push((number, inherited));
                }
                Some(Wish::Task(waiter)) => waiter.set(inherited),
                None => break,
            }
            state.free -= 1;
            state.orphaned -= usize::from(inherited);
        }
        for client in gone {
            if self.desk.close(client) {
                self.gone(client);
            }
        }
    }
}

impl State {
    fn put_back(&mut self, orphaned: bool) {
        self.free += 1;
        self.orphaned += usize::from(orphaned);
    }

    /// Takes a grant from a client; whether something was to be told with it.
    fn take(&mut self, client: u64, number: u64) -> Option<bool> {
        let held = self.held.get_mut(&client)?;
        let place = held.iter().position(|(granted, _)| *granted == number)?;
        Some(held.swap_remove(place).1)
    }
}

impl Service for Hub {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn message(&self, client: u64, message: Message) -> bool {
        {
            let mut state = self.state.borrow_mut();
            let number = message.number;
            match message.kind {
                ACQUIRE if !state.waiters.iter().any(|wish| wish.is_of(client)) => {
                    state.waiters.push_back(Wish::Client(client, number));
                }
                RELEASE => match state.take(client, number) {
                    Some(_) => state.put_back(false),
                    None => return false,
                },
                CANCEL => match state.take(client, number) {
                    Some(inherited) => state.put_back(inherited),
                    None => state.waiters.retain(|wish| !wish.is_of(client)),
                },
                _ => return false,
            }
        }
        self.pump();
        true
    }

    fn gone(&self, client: u64) {
        {
            let mut state = self.state.borrow_mut();
            state.waiters.retain(|wish| !wish.is_of(client));
            for _ in state.held.remove(&client).unwrap_or_default() {
                state.put_back(true);
            }
        }
        self.pump();
    }
}
