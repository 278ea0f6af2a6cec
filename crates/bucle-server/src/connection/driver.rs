//! [`Driver`]: the transport's callbacks, as the connection takes them.

use std::io;
use std::rc::Rc;

use bucle_net::{Incoming, Protocol, Transport};

use super::{Connection, Phase, flag};
use crate::handler::Handler;
use crate::worker::{NoRoom, Worker};

/// The protocol of an HTTP connection.
pub(crate) struct Driver<H: Handler>(Rc<Connection<H>>);

impl<H: Handler> Driver<H> {
    /// Of a connection that is served in any case.
    pub(crate) fn new(worker: &Rc<Worker<H>>) -> Driver<H> {
        Driver(Connection::new(worker.clone()))
    }

    /// Of a connection that came in, if there is room for it or for telling that there is none.
    /// Over TLS, there is not: the telling would cost more than the serving.
    pub(crate) fn admit(
        worker: &Rc<Worker<H>>,
        incoming: &Incoming<'_>,
        secure: bool,
    ) -> Option<Driver<H>> {
        let driver = Driver::new(worker);
        match worker.admit(incoming) {
            Ok(ticket) => driver.0.ticket.set(ticket),
            Err(NoRoom) if !secure && worker.may_turn_away() => driver.0.set(flag::TURNED_AWAY),
            Err(NoRoom) => return None,
        }
        Some(driver)
    }
}

impl<H: Handler> Protocol for Driver<H> {
    fn connection_made(&mut self, transport: Transport) {
        let connection = &self.0;
        if let Some(rate) = connection.worker.options.limit_rate {
            transport.limit_sending(rate.max(1));
        }
        if connection.transport.set(transport).is_err() {
            return;
        }
        connection
            .key
            .set(connection.worker.add(connection.clone()));
        connection.set(flag::LISTED);
        connection.wait_for_first_head();
        if connection.any(flag::TURNED_AWAY) {
            connection.turn_away();
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
        connection.log_what_has_left();
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
