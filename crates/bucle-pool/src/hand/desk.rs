//! Both sides of what the parent keeps for its children: the parent's [`Desk`], with a connection
//! to each that was given a handle, and the child's [`Remote`], which asks.
//!
//! A request has a number; the child says `CANCEL` for one that it no longer waits for, and ignores
//! an answer to it. The end of a connection is the end of the child, or of its handle, and reaches
//! the parent as an event of its loop.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use bucle_loop::sync::Lock;
use bucle_loop::{Interest, LoopRef, Readiness, Registration, Source, spawn, try_get_running_loop};
use bucle_sys::channel;

use super::wait::{Mode, blocking, running_loop};
use super::wire::{Blob, Conn, Message, Taken, try_receive, try_send};

/// No longer waited for, from a child.
pub(super) const CANCEL: u8 = b'c';

/// So many messages are taken from one client before the loop goes on with others.
const AT_ONCE: usize = 16;

/// What is served at a desk.
pub(super) trait Service: 'static {
    fn desk(&self) -> &Desk;

    /// A client's message; false if it is none that a client says, which ends the connection.
    fn message(&self, client: u64, message: Message) -> bool;

    /// A client has gone, which the desk has forgotten.
    fn gone(&self, client: u64);
}

/// The parent's connections for one thing.
pub(super) struct Desk {
    event_loop: LoopRef,
    clients: RefCell<HashMap<u64, Client>>,
    next: Cell<u64>,
}

struct Client {
    fd: Rc<OwnedFd>,
    registration: Registration,
}

impl Desk {
    /// # Errors
    /// If no loop runs in this thread.
    pub(super) fn new() -> io::Result<Desk> {
        Ok(Desk {
            event_loop: running_loop("make it where one does, inside `bucle::run(async { .. })`")?,
            clients: RefCell::default(),
            next: Cell::new(0),
        })
    }

    /// Opens a connection, and gives its other end.
    ///
    /// # Errors
    /// `EMFILE` and the like; the loop being closed.
    pub(super) fn open(&self, service: Rc<dyn Service>) -> io::Result<OwnedFd> {
        let (ours, theirs) = channel::pair()?;
        let number = self.next.get();
        self.next.set(number + 1);
        let fd = Rc::new(ours);
        let window = Rc::new(Window {
            service,
            client: number,
            fd: fd.clone(),
        });
        let registration = self
            .event_loop
            .register(fd.as_fd(), Interest::READ, window)?;
        let client = Client { fd, registration };
        self.clients.borrow_mut().insert(number, client);
        Ok(theirs)
    }

    /// Whether anybody has a connection.
    pub(super) fn has_clients(&self) -> bool {
        !self.clients.borrow().is_empty()
    }

    /// Answers a client; false if it is gone. A client waits for one answer at a time, so there is
    /// room for it.
    pub(super) fn send(&self, client: u64, kind: u8, number: u64, blob: &Blob) -> bool {
        let clients = self.clients.borrow();
        let client = clients.get(&client);
        client.is_some_and(|client| try_send(client.fd.as_fd(), kind, number, blob).is_ok())
    }

    /// Closes a connection; false if there is none.
    pub(super) fn close(&self, client: u64) -> bool {
        let Some(client) = self.clients.borrow_mut().remove(&client) else {
            return false;
        };
        let Client { fd, registration } = client;
        self.event_loop.deregister(fd.as_fd(), registration);
        true
    }
}

/// A connection on the loop.
struct Window {
    service: Rc<dyn Service>,
    client: u64,
    fd: Rc<OwnedFd>,
}

impl Window {
    fn end(&self) {
        if self.service.desk().close(self.client) {
            self.service.gone(self.client);
        }
    }
}

impl Source for Window {
    fn ready(&self, _: Readiness) {
        for _ in 0..AT_ONCE {
            match try_receive(self.fd.as_fd()) {
                Ok(Taken::Message(message)) => {
                    if !self.service.message(self.client, message) {
                        return self.end();
                    }
                }
                Ok(Taken::Nothing) => return,
                Ok(Taken::Closed) | Err(_) => return self.end(),
            }
        }
    }

    fn describe(&self) -> Option<String> {
        Some("what a child process shares with this one".into())
    }

    /// Whoever waits in a child is told by the end of the connection.
    fn closed(&self) {
        let forgotten = self.service.desk().clients.take();
        drop(forgotten);
        self.service.gone(self.client);
    }
}

/// The child's end of a connection.
pub(super) struct Remote {
    line: Rc<Line>,
    /// One request at a time; the others wait for their turn.
    turn: Lock,
    next: Cell<u64>,
}

struct Line {
    conn: Conn,
    /// Words without an answer that had no room yet.
    unsaid: RefCell<VecDeque<(u8, u64)>>,
}

impl Line {
    async fn flush(&self, mode: Mode) -> io::Result<()> {
        loop {
            let first = self.unsaid.borrow().front().copied();
            let Some((kind, number)) = first else {
                return Ok(());
            };
            match try_send(self.conn.as_fd(), kind, number, &Blob::default()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.conn.wait(mode, Interest::WRITE).await?;
                }
                // A connection that is closed needs no word.
                _ => drop(self.unsaid.borrow_mut().pop_front()),
            }
        }
    }
}

impl Remote {
    pub(super) fn new(fd: OwnedFd) -> Remote {
        let line = Line {
            conn: Conn::new(fd),
            unsaid: RefCell::default(),
        };
        Remote {
            line: Rc::new(line),
            turn: Lock::new(),
            next: Cell::new(1),
        }
    }

    /// Asks, and waits for the answer; `None` if the parent has closed the connection. Dropped
    /// before it is done, the request is taken back.
    pub(super) async fn ask(
        &self,
        mode: Mode,
        kind: u8,
        blob: &Blob,
    ) -> io::Result<Option<Message>> {
        let turn = match (self.turn.try_acquire(), mode) {
            (Some(turn), _) => turn,
            (None, Mode::Await) => self.turn.acquire().await,
            // See `blocking`.
            (None, Mode::Block) => return std::future::pending().await,
        };
        let number = self.next.get();
        self.next.set(number + 1);
        self.line.flush(mode).await?;
        if !self.line.conn.send(mode, kind, number, blob).await? {
            return Ok(None);
        }
        let mut asked = Asked {
            remote: self,
            number: Some(number),
        };
        loop {
            let message = self.line.conn.receive(mode).await?;
            // Answers to what was cancelled may come before.
            if message
                .as_ref()
                .is_none_or(|message| message.number == number)
            {
                asked.number = None;
                drop(turn);
                return Ok(message);
            }
        }
    }

    /// Says something that is not answered. If there is no room for it, for the parent does not
    /// read, it is said in time, and a loop is not held up by it.
    pub(super) fn say(&self, kind: u8, number: u64) {
        self.line.unsaid.borrow_mut().push_back((kind, number));
        if self.line.unsaid.borrow().len() > 1 {
            // Somebody waits for room already.
            return;
        }
        if try_get_running_loop().is_none() {
            let _ = blocking(self.line.flush(Mode::Block));
        } else if blocking(self.line.flush(Mode::Await)).is_err() {
            let line = self.line.clone();
            spawn(async move {
                let _ = line.flush(Mode::Await).await;
            })
            .detach();
        }
    }
}

/// A request without an answer yet.
struct Asked<'a> {
    remote: &'a Remote,
    number: Option<u64>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.remote.say(CANCEL, number);
        }
    }
}
