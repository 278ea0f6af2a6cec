//! Two servers that send back what they get: on one loop, and with a thread for every connection.
//! Each prints its port, and lives as long as its standard input.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bucle::net::{Protocol, ServerOptions, Transport, create_server};

use super::super::child::{tell, until_let_go};
use super::super::os::STACK;

/// The longest message, in bytes.
const MESSAGE: usize = 4 * 1024;

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

/// All connections on one loop.
pub(crate) fn loop_server() -> Result<(), String> {
    let served = bucle::run(async {
        let server = create_server("127.0.0.1:0", ServerOptions::default(), Echo::default)
            .map_err(|error| error.to_string())?;
        let port = server
            .sockets()
            .iter()
            .find_map(|address| Some(address.as_tcp()?.port()));
        tell(port.ok_or("no port")?)?;
        bucle::to_thread(until_let_go)
            .await
            .map_err(|error| error.to_string())
    });
    served.map_err(|error| error.to_string())?
}

/// A thread for every connection.
pub(crate) fn thread_server() -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    tell(port)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            // If there can be no more threads, the connection is closed, which its client sees.
            let _ = thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || serve(stream));
        }
    });
    until_let_go();
    // Without waiting for anybody.
    std::process::exit(0);
}

fn serve(mut stream: TcpStream) {
    let mut message = [0; MESSAGE];
    while let Ok(length @ 1..) = stream.read(&mut message) {
        if stream.write_all(&message[..length]).is_err() {
            break;
        }
    }
}
