//! Reading: one bounded read an event, into the loop's shared buffer. A protocol behind which
//! somebody waits with a buffer may have the reading left to it instead.

use std::io;

use bucle_loop::Readiness;

use super::{
    BLOCKED, EOF_SEEN, Endpoint, IN_CALLBACK, LOST, NOT_READING, OFFERING, READING_PAUSED,
    UNWATCHED, call,
};
use crate::socket::Socket;

/// What an event leads to. All that follows a usual one, up to the protocol, is one piece of code for
/// each type of endpoint: from one event to the next the system uses most of the processor's first
/// cache itself, so what counts is how much code there is on the way.
pub(super) fn on_ready<E: Endpoint>(endpoint: &E, readiness: Readiness) {
    let state = endpoint.state();
    if state.any(LOST | IN_CALLBACK | UNWATCHED) {
        return on_first_ready(endpoint);
    }
    if readiness.readable() {
        if state.any(OFFERING | NOT_READING) {
            on_seldom_readable(endpoint);
        } else {
            read(endpoint);
        }
    }
    if readiness.writable() && state.any(BLOCKED) && !state.any(LOST) {
        endpoint.shared().on_room();
    }
}

/// There is something to read, and it may be the protocol who reads it, or nobody.
#[inline(never)]
fn on_seldom_readable<E: Endpoint>(endpoint: &E) {
    if endpoint.state().reads() {
        read_or_offer(endpoint);
    } else {
        // Reading was paused or ended since; only now is it worth a call to say so.
        endpoint.shared().update_interest();
    }
}

/// The first event of a socket that is not watched, which nobody has seen to be readable; no other
/// event is of use here. The socket is watched from now on, unless it is over.
#[inline(never)]
fn on_first_ready<E: Endpoint>(endpoint: &E) {
    let state = endpoint.state();
    if !state.any(UNWATCHED) {
        return;
    }
    if state.reads() && !state.any(IN_CALLBACK) {
        read_or_offer(endpoint);
    }
    state.clear(UNWATCHED);
    endpoint.shared().update_interest();
}

#[inline]
fn read_or_offer<E: Endpoint>(endpoint: &E) {
    if !endpoint.state().any(OFFERING) || !endpoint.shared().offer() {
        read(endpoint);
    }
}

/// One bounded read. A short one has most likely emptied the socket; if not, the selector says so
/// again.
fn read<E: Endpoint>(endpoint: &E) {
    let state = endpoint.state();
    state.event_loop.with_read_buffer(|buffer| {
        if let Some(count) = receive(endpoint, |socket| socket.recv(buffer)) {
            call(endpoint, "data_received", |protocol| {
                protocol.data_received(&buffer[..count]);
            });
        }
    });
}

/// Receives; `None` if nothing came, after whatever that means has been told.
#[inline]
fn receive<E: Endpoint + ?Sized>(
    endpoint: &E,
    receive: impl FnOnce(&Socket) -> io::Result<usize>,
) -> Option<usize> {
    let state = endpoint.state();
    let received = match &*state.socket.borrow() {
        Some(socket) => receive(socket),
        None => return None,
    };
    if let Ok(count @ 1..) = received {
        state.with_traffic(|traffic| traffic.count_received(count));
        return Some(count);
    }
    endpoint.shared().received_nothing(received.map(drop));
    None
}

impl dyn Endpoint {
    /// The peer has ended its side, or receiving failed.
    #[cold]
    fn received_nothing(&self, why: io::Result<()>) {
        let state = self.state();
        match why {
            Ok(()) => self.read_eof(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if state.any(UNWATCHED) {
                    state.with_group(|group| group.first_reads.missed());
                }
            }
            // Nobody reads the pipe we write, and nothing of ours is lost by it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && state.queued() == 0 => {
                self.lose(None);
            }
            Err(error) => self.fail(error),
        }
    }

    pub(crate) fn offer_reads(&self) {
        self.state().set(OFFERING);
    }

    /// Whether the protocol takes the reading on itself.
    fn offer(&self) -> bool {
        self.call("readable", |protocol| protocol.readable()) == Some(true)
    }

    pub(crate) fn read_offered(
        &self,
        receive: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Option<usize> {
        let state = self.state();
        if state.any(IN_CALLBACK) || !state.reads() {
            return None;
        }
        self::receive(self, receive)
    }

    fn read_eof(&self) {
        self.state().set(EOF_SEEN);
        let keep_open = self.call("eof_received", |protocol| protocol.eof_received());
        if keep_open == Some(true) && self.is_two_way() {
            self.update_interest();
        } else {
            self.close();
        }
    }

    pub(super) fn is_two_way(&self) -> bool {
        let socket = self.state().socket.borrow();
        socket.as_ref().is_some_and(Socket::is_two_way)
    }

    pub(crate) fn pause_reading(&self) {
        // The selector is told when next it reports: most pauses are over before.
        self.state().set(READING_PAUSED);
    }

    pub(crate) fn resume_reading(&self) {
        let state = self.state();
        if state.any(READING_PAUSED) {
            state.clear(READING_PAUSED);
            self.update_interest();
        }
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.state().reads()
    }

    pub(super) fn update_interest(&self) {
        let state = self.state();
        if state.any(LOST) {
            return;
        }
        let result = match &*state.socket.borrow() {
            Some(socket) => socket.set_interest(&state.event_loop, state.interest()),
            None => return,
        };
        if let Err(error) = result {
            self.fail(error);
        }
    }
}
