//! Echo on Bucle as a protocol that is called back.
//!
//! It listens on any free port of 127.0.0.1 and prints `http://127.0.0.1:PORT`, as the servers of the other part do.

#![forbid(unsafe_code)]

use bucle::net::{Protocol, ServerOptions, Transport, create_server};

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

#[bucle::main]
async fn main() -> std::io::Result<()> {
    let server = create_server("127.0.0.1:0", ServerOptions::default(), Echo::default)?;
    println!("http://{}", server.sockets()[0]);
    server.serve_forever().await;
    Ok(())
}
