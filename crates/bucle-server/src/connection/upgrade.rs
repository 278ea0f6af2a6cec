//! A connection leaves HTTP: the head of 101 is written, and once all that belongs to it has left,
//! the transport gets another protocol, which feeds streams. The connection stays in the worker's
//! table, so that the server's end is its end too.

use std::io;

use bucle_http::StatusCode;
use bucle_net::{DEFAULT_LIMIT, Protocol, StreamProtocol, Transport};

use super::{Connection, Phase, Waits, flag};
use crate::Response;
use crate::handler::Handler;
use crate::response::Content;
use crate::upgrade::{Draining, Start, Upgraded};

/// What an exchange holds of an upgrade.
pub(super) struct Upgrade {
    /// Until the streams are made.
    start: Option<Start>,
    draining: Draining,
}

impl<H: Handler> Connection<H> {
    /// Answers with 101. No more requests are taken; what was sent behind this one is left for the
    /// streams.
    #[cold]
    pub(super) fn switch(&self, response: &mut Response, out: &mut Vec<u8>) {
        let whole = self.any(flag::RECEIVED) && !self.any(flag::HTTP_10);
        self.clear(flag::KEEP_ALIVE);
        if !whole {
            // Made for another request.
            *response = Response::error(StatusCode::INTERNAL_SERVER_ERROR);
            return self.answer(response, out);
        }
        self.set(flag::BEGUN | flag::ANSWERED);
        let tally = &self.worker.tally;
        tally.answered(self.asked.get().method, response.status());
        // Not by the way of other heads, which is short because it has one caller.
        bucle_http::write_status_line(out, response.status());
        self.worker
            .with_date(|date| out.extend_from_slice(date.line()));
        out.extend_from_slice(response.lines());
        out.extend_from_slice(b"\r\n");
        if self.worker.log.is_some() {
            self.with_record(|record| record.answered(response.status().as_u16(), 0));
        }
        let Content::Upgrade(start) = response.take_content() else {
            return;
        };
        let draining = Draining::default();
        if self.worker.draining.get() {
            draining.begin();
        }
        self.with_exchange(|exchange| {
            exchange.upgrade = Some(Upgrade {
                start: Some(start),
                draining,
            });
        });
        self.phase.set(Phase::Upgraded);
    }

    /// Gives the connection to the streams, once.
    #[cold]
    pub(super) fn hand_over(&self) {
        let upgrade = self.with_exchange(|exchange| {
            let upgrade = exchange.upgrade.as_mut()?;
            Some((upgrade.start.take()?, upgrade.draining.clone()))
        });
        let Some((start, draining)) = upgrade else {
            return;
        };
        let transport = self.transport();
        // Before the streams get anything: what was carried may be as much as they take.
        if self.any(flag::PAUSED) {
            self.clear(flag::PAUSED);
            transport.resume_reading();
        }
        let (mut streams, reader, writer) = StreamProtocol::attach(&transport, DEFAULT_LIMIT);
        if let Some(carried) = self.take_carry() {
            streams.data_received(&carried);
        }
        if self.any(flag::BLOCKED) {
            streams.pause_writing();
        }
        if self.any(flag::EOF) {
            streams.eof_received();
        }
        self.waits.set(Waits::Nobody);
        transport.set_protocol(Switched {
            streams,
            connection: self.clone(),
        });
        let upgraded = Upgraded {
            reader,
            writer,
            draining,
        };
        // Called in the task, so that a panic is the task's.
        let task = self
            .worker
            .event_loop
            .spawn_named("http upgrade", async move { start(upgraded).await });
        self.with_exchange(|exchange| exchange.task = Some(task.handle()));
        task.detach();
    }

    /// Tells the upgraded connection that the server is stopping.
    pub(super) fn tell_draining(&self) {
        let draining = self.if_exchange(|exchange| {
            let upgrade = exchange.upgrade.as_ref();
            upgrade.map(|upgrade| upgrade.draining.clone())
        });
        if let Some(draining) = draining.flatten() {
            draining.begin();
        }
    }
}

/// The protocol of an upgraded connection.
struct Switched<H: Handler> {
    streams: StreamProtocol,
    connection: Connection<H>,
}

impl<H: Handler> Protocol for Switched<H> {
    /// It was made long ago.
    fn connection_made(&mut self, _: Transport) {}

    fn data_received(&mut self, data: &[u8]) {
        self.streams.data_received(data);
    }

    fn eof_received(&mut self) -> bool {
        self.streams.eof_received()
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let connection = &self.connection;
        if error.is_none() && connection.phase.get() == Phase::Upgraded {
            // Closed by the streams' owner, who may have more to do.
            connection.with_exchange(|exchange| exchange.task = None);
        }
        self.streams.connection_lost(error);
        connection.lost();
    }

    fn pause_writing(&mut self) {
        self.streams.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.streams.resume_writing();
    }
}

impl<H: Handler> Drop for Switched<H> {
    /// Where the loop is closed, this is all that is told of the end.
    fn drop(&mut self) {
        self.connection.lost();
    }
}
