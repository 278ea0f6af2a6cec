//! Echo on Bucle as a protocol that is called back.

use anyhow::Result;
use bucle::net::{Protocol, ServerOptions, Transport, create_server};

use super::announce;

#[derive(Default)]
struct Echo(Option<Transport>);

impl Protocol for Echo {
    fn connection_made(&mut self, transport: Transport) {
        self.0 = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(transport) = &self.0 {
            transport.write(data);
        }
    }
}

/// Serves until it is killed.
pub(crate) fn serve() -> Result<()> {
    bucle::run(async {
        let server = create_server("127.0.0.1:0", ServerOptions::default(), Echo::default)?;
        announce(&server.sockets()[0]);
        server.serve_forever().await;
        Ok(())
    })?
}
