//! The transport's callbacks, as the connection takes them.

use std::io;
use std::rc::Rc;

use bucle_net::{Embedded, EmbeddedProtocol, Incoming};

use super::{Connection, Inner, Phase, flag};
use crate::handler::Handler;
use crate::worker::{NoRoom, Worker};

impl<H: Handler> Inner<H> {
    /// A connection that came in, if there is room for it or for telling that there is none.
    /// Over TLS, there is not: the telling would cost more than the serving.
    pub(crate) fn admit(
        worker: &Rc<Worker<H>>,
        incoming: &Incoming<'_>,
        secure: bool,
    ) -> Option<Inner<H>> {
        let connection = Inner::new(worker);
        match worker.admit(incoming) {
            Ok(ticket) => connection.ticket.set(ticket),
            Err(NoRoom) if !secure && worker.may_turn_away() => connection.set(flag::TURNED_AWAY),
            Err(NoRoom) => return None,
        }
        Some(connection)
    }
}

impl<H: Handler> EmbeddedProtocol for Inner<H> {
    fn connection_made(this: Rc<Embedded<Self>>) {
        let connection = Connection(this);
        if let Some(rate) = connection.worker.options.limit_rate {
            connection.transport().limit_sending(rate.max(1));
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
    fn data_received(this: Rc<Embedded<Self>>, data: &[u8]) {
        Connection(this).drive(data);
    }

    fn eof_received(this: Rc<Embedded<Self>>) -> bool {
        let connection = Connection(this);
        connection.set(flag::EOF);
        // A client may end its side and still wait for the answers to all that it has asked.
        connection.drive(&[]);
        connection.look_for_client();
        !matches!(connection.phase.get(), Phase::Lingering | Phase::Closed)
    }

    fn connection_lost(this: Rc<Embedded<Self>>, _error: Option<io::Error>) {
        Connection(this).lost();
    }

    fn pause_writing(this: Rc<Embedded<Self>>) {
        let connection = Connection(this);
        connection.set(flag::BLOCKED);
        connection.settle();
    }

    fn resume_writing(this: Rc<Embedded<Self>>) {
        let connection = Connection(this);
        connection.clear(flag::BLOCKED);
        connection.log_what_has_left();
        let drained = connection.if_exchange(|exchange| exchange.drained.take());
        if let Some(waker) = drained.flatten() {
            waker.wake();
        }
        connection.drive(&[]);
    }

    /// Where the loop is closed, this is all that is told of the end.
    fn let_go(this: Rc<Embedded<Self>>) {
        let connection = Connection(this);
        if connection.phase.get() != Phase::Upgraded {
            connection.lost();
        }
    }
}

impl<H: Handler> Drop for Inner<H> {
    /// The place of one that never was a connection.
    fn drop(&mut self) {
        self.give_back_place();
    }
}
