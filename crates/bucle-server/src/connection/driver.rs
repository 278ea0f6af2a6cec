//! [`Driver`]: the transport's callbacks, as the connection takes them.

use std::io;
use std::rc::Rc;

use bucle_net::{Protocol, Transport};

use super::{Connection, Phase, flag};
use crate::handler::Handler;

/// The protocol of an HTTP connection.
pub(crate) struct Driver<H: Handler>(Rc<Connection<H>>);

impl<H: Handler> Driver<H> {
    pub(crate) fn new(connection: Rc<Connection<H>>) -> Driver<H> {
        Driver(connection)
    }
}

impl<H: Handler> Protocol for Driver<H> {
    fn connection_made(&mut self, transport: Transport) {
        let connection = &self.0;
        if connection.transport.set(transport).is_err() {
            return;
        }
        connection
            .key
            .set(connection.worker.add(connection.clone()));
        connection.set(flag::LISTED);
        connection.wait_for_first_head();
        if connection.worker.draining.get() {
            connection.drain();
        }
    }

    #[inline]
    fn data_received(&mut self, data: &[u8]) {
        self.0.drive(data);
    }

    fn eof_received(&mut self) -> bool {
        let connection = &self.0;
        connection.set(flag::EOF);
        // A client may end its side and still wait for the answers to all that it has asked.
        connection.drive(&[]);
        !matches!(connection.phase.get(), Phase::Lingering | Phase::Closed)
    }

    fn connection_lost(&mut self, _error: Option<io::Error>) {
        self.0.lost();
    }

    fn pause_writing(&mut self) {
        self.0.set(flag::BLOCKED);
        self.0.settle();
    }

    fn resume_writing(&mut self) {
        let connection = &self.0;
        connection.clear(flag::BLOCKED);
        let drained = match &mut *connection.exchange.borrow_mut() {
            Some(exchange) => exchange.drained.take(),
            None => None,
        };
        if let Some(waker) = drained {
            waker.wake();
        }
        connection.drive(&[]);
    }
}

impl<H: Handler> Drop for Driver<H> {
    /// Where the loop is closed, this is all that is told of the end.
    fn drop(&mut self) {
        if self.0.phase.get() != Phase::Upgraded {
            self.0.lost();
        }
    }
}
