//! TLS from here on: [`StreamWriter::start_tls`].

use std::io;

use super::{StreamProtocol, StreamWriter};
use crate::tls::{Side, upgrade};

impl StreamWriter {
    /// Has the connection speak TLS from here on, for its reader too. asyncio's
    /// `StreamWriter.start_tls`.
    ///
    /// What was written before leaves first, in plain text. Whatever is received from now on is TLS.
    ///
    /// # Errors
    /// `InvalidData` if bytes were received that the reader has not given out yet: after the word
    /// that asks for TLS there may be none, and if somebody in between has added some, they would
    /// pass for what came by TLS. The connection is as it was then.
    ///
    /// `InvalidInput` for what is no name of a server; why the handshake failed, or the connection
    /// was lost. The connection is lost then. So it is if the future is dropped before it is done.
    pub async fn start_tls(&mut self, side: impl Into<Side>) -> io::Result<()> {
        let side = side.into();
        self.drain().await?;
        let unread = self.shared.held.get() + self.shared.incoming.borrow().len();
        if unread > 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{unread} bytes were received in plain text that nobody has read yet: TLS can't \
                     be started, lest they pass for what came by it; read them first, or close the \
                     connection"
                ),
            ));
        }
        let protocol = Box::new(StreamProtocol::new(&self.shared));
        let (transport, handshake) = upgrade(&self.transport, protocol, &side)?;
        self.shared.reading_paused.set(false);
        self.shared.offered.set(0);
        self.shared.transport.replace(Some(transport.clone()));
        self.transport = transport;
        handshake.await
    }
}
