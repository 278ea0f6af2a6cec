//! [`Listener`]: takes connections off one listening socket and gives each a transport.
//!
//! At most [`ACCEPTS_PER_EVENT`] at a time, so that a storm of connections starves nobody. When
//! the process or the system runs out of descriptors, or of those that connections may take
//! ([`spare_descriptors`](crate::ServerOptions::spare_descriptors)), accepting stops (a level-triggered listener
//! would be reported ready for ever), one line tells so, and it is tried again when a connection of
//! the same server has closed, or after [`RETRY`]. Connections that have waited for so long in
//! vain are then refused, by means of a descriptor kept in reserve: their clients learn it, instead
//! of hanging.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use bucle_loop::{ExceptionContext, Interest, LoopRef, Readiness, Source, TimerHandle};
use bucle_sys::socket::{is_connection_error, is_exhausted};

use crate::Address;
use crate::carrier::Carrier;
use crate::endpoint::Endpoint;
use crate::group::{Group, Listening};
use crate::socket::Socket;

/// Connections accepted for one event of the listening socket.
pub(crate) const ACCEPTS_PER_EVENT: usize = 64;

/// How long a listener waits before it tries again after it ran out of descriptors.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// How often running out of descriptors is told, at most.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Makes the connection of an accepted socket, which does not run yet.
/// `None` is nobody to talk to: the socket is closed.
pub(crate) type MakeConnection =
    Rc<RefCell<dyn FnMut(&LoopRef, Socket) -> io::Result<Option<Made>>>>;

pub(crate) struct Made {
    pub(crate) connection: Rc<dyn Endpoint>,
    /// By what its server closes it.
    pub(crate) face: Weak<dyn Carrier>,
}

pub(crate) struct Listener {
    this: Weak<Listener>,
    event_loop: LoopRef,
    group: Rc<Group>,
    /// `None` once closed.
    socket: RefCell<Option<Socket>>,
    /// Shared by the listeners of a server.
    make_connection: MakeConnection,
    backlog: Option<i32>,
    started: Cell<bool>,
    /// Armed while accepting is paused.
    retry: RefCell<Option<TimerHandle>>,
    told: Cell<Option<Instant>>,
}

/// Why accepting stopped.
enum Stop {
    /// Nobody waits, or the share of this event is used up.
    Done,
    /// Nobody can be accepted for now.
    Failed(io::Error),
}

impl Listener {
    /// A listener on a bound socket, which begins to listen when started, with `backlog`; or on one
    /// that listens already.
    pub(crate) fn new(
        group: &Rc<Group>,
        socket: Socket,
        make_connection: MakeConnection,
        backlog: Option<i32>,
    ) -> Rc<Listener> {
        Rc::new_cyclic(|this| Listener {
            this: this.clone(),
            event_loop: group.event_loop.clone(),
            group: group.clone(),
            socket: RefCell::new(Some(socket)),
            make_connection,
            backlog,
            started: Cell::new(false),
            retry: RefCell::new(None),
            told: Cell::new(None),
        })
    }

    fn accept(&self) -> Stop {
        for _ in 0..ACCEPTS_PER_EVENT {
            let accepted = match &*self.socket.borrow() {
                Some(socket) => socket.accept(),
                // A connection's protocol has closed the server.
                None => return Stop::Done,
            };
            match accepted {
                Ok(socket) => {
                    let last = self.group.took_the_last(&socket);
                    self.connected(socket);
                    if last {
                        return Stop::Failed(none_to_spare());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Stop::Done,
                Err(error) if is_connection_error(&error) => {}
                // Out of descriptors, or something unheard of: in either case it would come again
                // at once.
                Err(error) => return Stop::Failed(error),
            }
        }
        Stop::Done
    }

    fn connected(&self, socket: Socket) {
        // A factory that runs the loop inside itself finds itself busy.
        let Ok(mut make_connection) = self.make_connection.try_borrow_mut() else {
            return;
        };
        let made = make_connection(&self.event_loop, socket);
        drop(make_connection);
        let Made { connection, face } = match made {
            Ok(Some(made)) => made,
            Ok(None) => return,
            Err(error) => {
                let message = format!("a connection was refused: {error}");
                self.event_loop
                    .call_exception_handler(ExceptionContext::new("listener", message));
                return;
            }
        };
        if let Some(traffic) = &self.group.traffic {
            traffic.count_accepted();
        }
        connection.join(&self.group, face);
        if self.group.first_reads.is_due() {
            connection.start_reading();
        } else {
            connection.start();
        }
    }

    /// Stops accepting until a descriptor is given back, or for a while.
    fn pause(&self, error: &io::Error) {
        self.tell(error);
        self.set_interest(Interest::NONE);
        self.group.starved.set(true);
        let this = self.this.clone();
        let timer = self.event_loop.call_later(RETRY, move || {
            if let Some(this) = this.upgrade() {
                this.retry();
            }
        });
        if let Some(before) = self.retry.borrow_mut().replace(timer) {
            before.cancel();
        }
    }

    fn tell(&self, error: &io::Error) {
        let now = self.event_loop.time();
        let told = self.told.get();
        if told.is_some_and(|told| now.saturating_duration_since(told) < TELL_AGAIN) {
            return;
        }
        self.told.set(Some(now));
        let place = match self.address() {
            Some(address) => format!(" at {address}"),
            None => String::new(),
        };
        let hint = if is_exhausted(error) || error.raw_os_error().is_none() {
            " (raise the limit on open files, `ulimit -n`, or close connections sooner)"
        } else {
            ""
        };
        self.event_loop
            .call_exception_handler(ExceptionContext::new(
                "listener",
                format!(
                    "accepting{place} is paused with {} connections open: {error}{hint}",
                    self.group.len()
                ),
            ));
    }

    /// The wait is over: accepts what can be accepted, refuses what can't.
    fn retry(&self) {
        self.retry.borrow_mut().take();
        let full = match &*self.socket.borrow() {
            Some(socket) => self.group.is_full(socket),
            None => false,
        };
        let stop = if full {
            Stop::Failed(none_to_spare())
        } else {
            self.accept()
        };
        if let Stop::Failed(error) = stop {
            self.refuse();
            self.pause(&error);
        } else {
            self.resume();
        }
    }

    /// Takes waiting connections by means of the reserve, and closes them.
    fn refuse(&self) {
        for _ in 0..ACCEPTS_PER_EVENT {
            let Some(reserve) = self.group.reserve.take() else {
                return;
            };
            drop(reserve);
            let socket = self.socket.borrow();
            let Some(socket) = &*socket else { return };
            let accepted = socket.accept();
            let over = accepted.is_err();
            drop(accepted);
            self.group.keep_reserve(socket);
            if over {
                return;
            }
            if let Some(traffic) = &self.group.traffic {
                traffic.count_refused();
            }
        }
    }

    fn resume(&self) {
        if let Some(socket) = &*self.socket.borrow() {
            self.group.keep_reserve(socket);
        }
        self.set_interest(Interest::READ);
    }

    fn set_interest(&self, interest: Interest) {
        let result = match &*self.socket.borrow() {
            Some(socket) => socket.set_interest(&self.event_loop, interest),
            None => Ok(()),
        };
        if let Err(error) = result {
            self.event_loop
                .call_exception_handler(ExceptionContext::new(
                    "listener",
                    format!("the listening socket can't be watched: {error}"),
                ));
        }
    }
}

/// What is told where the descriptors that are left are not for connections.
fn none_to_spare() -> io::Error {
    io::Error::other("the open files that are left are kept for serving these")
}

impl Source for Listener {
    fn ready(&self, _: Readiness) {
        if let Stop::Failed(error) = self.accept() {
            self.pause(&error);
        }
    }

    fn closed(&self) {
        self.group.close();
    }

    fn describe(&self) -> Option<String> {
        let address = self.address()?;
        Some(format!("listener at {address}"))
    }
}

impl Listening for Listener {
    fn address(&self) -> Option<Address> {
        self.socket.borrow().as_ref()?.local_address()
    }

    fn start(self: Rc<Self>) -> io::Result<()> {
        if self.started.get() {
            return Ok(());
        }
        match &*self.socket.borrow() {
            Some(socket) => {
                if let Some(backlog) = self.backlog {
                    socket.listen(backlog)?;
                }
                socket.register(&self.event_loop, Interest::READ, self.clone())?;
                self.group.keep_reserve(socket);
                self.started.set(true);
                Ok(())
            }
            None => Err(io::Error::other("the server was closed")),
        }
    }

    fn close(&self) {
        let socket = self.socket.take();
        if let Some(socket) = socket {
            socket.deregister(&self.event_loop);
        }
        let retry = self.retry.take();
        if let Some(retry) = retry {
            retry.cancel();
        }
    }

    fn descriptor_freed(&self) {
        let retry = self.retry.take();
        if let Some(retry) = retry {
            retry.cancel();
            self.resume();
        }
    }
}
