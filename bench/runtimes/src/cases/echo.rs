//! Bucle's own echo, client and server on one loop: for counting instructions, since it does the same every time. What an echo
//! costs beside others is measured on servers in processes of their own.

use std::cell::Cell;
use std::rc::Rc;

use bucle::net::{Protocol, ServerOptions, Transport, create_connection, create_server};

use crate::peers::bucle::Bucle;
use crate::plan::{Figures, Plan};
use crate::runtime::Runtime;

/// The message, in bytes.
const MESSAGE: [u8; 1_024] = [b'm'; 1_024];

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

/// Sends a message as often as it came back, and counts down.
struct Client {
    transport: Option<Transport>,
    left: Rc<Cell<u64>>,
    done: bucle::Future<()>,
    back: usize,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(&MESSAGE);
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.back += data.len();
        if self.back < MESSAGE.len() {
            return;
        }
        self.back = 0;
        self.left.set(self.left.get().saturating_sub(1));
        if let Some(transport) = self.transport.take() {
            if self.left.get() > 0 {
                transport.write(&MESSAGE);
                self.transport = Some(transport);
            } else {
                transport.close();
            }
        }
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        self.done.set_result(()).expect("it is lost once");
    }
}

/// Messages there and back over one connection.
pub(crate) fn protocol(plan: Plan) -> Figures {
    Bucle::block_on(async move {
        plan.best(async || {
            let server = create_server("127.0.0.1:0", ServerOptions::default(), Echo::default)
                .expect("a port");
            let left = Rc::new(Cell::new(plan.count));
            let done = bucle::Future::new();
            let client = {
                let (left, done) = (left.clone(), done.clone());
                move || Client {
                    transport: None,
                    left,
                    done,
                    back: 0,
                }
            };
            let address = server.sockets()[0].clone();
            create_connection(&address, client)
                .await
                .expect("a connection");
            done.await.expect("the connection ends");
            assert_eq!(left.get(), 0);
            server.close();
        })
        .await
    })
}
