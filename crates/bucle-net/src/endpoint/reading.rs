//! Reading: one bounded read an event, into the loop's shared buffer. A protocol behind which
//! somebody waits with a buffer may have the reading left to it instead.

use std::io;

use bucle_loop::Readiness;

use super::{
    BLOCKED, EOF_SEEN, Endpoint, IN_CALLBACK, LOST, OFFERING, READING_PAUSED, State, UNWATCHED,
};
use crate::socket::Socket;

impl dyn Endpoint {
    pub(super) fn on_ready(&self, readiness: Readiness) {
        let state = self.state();
        if state.any(LOST | IN_CALLBACK | UNWATCHED) {
            return self.on_first_ready();
        }
        if readiness.readable() {
            if state.reads() {
                self.read_or_offer();
            } else {
                // Reading was paused or ended since; only now is it worth a call to say so.
                self.update_interest();
            }
        }
        if readiness.writable() && state.any(BLOCKED) && !state.any(LOST) {
            self.on_room();
        }
    }

    /// The first event of a socket that is not watched, which nobody has seen to be readable; no other
    /// event is of use here. The socket is watched from now on, unless it is over.
    fn on_first_ready(&self) {
        let state = self.state();
        if !state.any(UNWATCHED) {
            return;
        }
        if state.reads() && !state.any(IN_CALLBACK) {
            self.read_or_offer();
        }
        state.clear(UNWATCHED);
        self.update_interest();
    }

    #[inline]
    fn read_or_offer(&self) {
        if !self.state().any(OFFERING) || !self.offer() {
            self.read();
        }
    }

    /// One bounded read. A short one has most likely emptied the socket; if not, the selector says
    /// so again.
    fn read(&self) {
        let state = self.state();
        state.event_loop.with_read_buffer(|buffer| {
            if let Some(count) = self.receive(state, |socket| socket.recv(buffer)) {
                self.call("data_received", |protocol| {
                    protocol.data_received(&buffer[..count]);
                });
            }
        });
    }

    /// Receives; `None` if nothing came, after whatever that means has been told.
    #[inline]
    fn receive(
        &self,
        state: &State,
        receive: impl FnOnce(&Socket) -> io::Result<usize>,
    ) -> Option<usize> {
        let received = match &*state.socket.borrow() {
            Some(socket) => receive(socket),
            None => return None,
        };
        match received {
            Ok(0) => self.read_eof(),
            Ok(count) => {
                state.with_traffic(|traffic| traffic.count_received(count));
                return Some(count);
            }
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
        None
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
        self.receive(state, receive)
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
