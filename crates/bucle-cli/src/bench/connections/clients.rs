//! The other ends of the connections, on a loop of this process.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bucle::net::{Protocol, Transport};

use super::super::stop;

/// What is sent back and forth.
const MESSAGE: [u8; 64] = [b'x'; 64];

/// Without an answer for so long, a server counts as hung.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes `count` connections and sends a message over each. If one can't be made, or is not
/// answered, those before it are returned, with the reason.
pub(super) fn connect(port: u16, count: usize) -> (Vec<TcpStream>, Option<String>) {
    let mut streams = Vec::with_capacity(count);
    for number in 1..=count {
        if stop::asked() {
            return (streams, Some("a signal came".into()));
        }
        match connect_one(port) {
            Ok(stream) => streams.push(stream),
            Err(error) => return (streams, Some(format!("connection {number}: {error}"))),
        }
    }
    (streams, None)
}

fn connect_one(port: u16) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&MESSAGE)?;
    stream.read_exact(&mut [0; MESSAGE.len()])?;
    Ok(stream)
}

/// What was done while connections were busy.
pub(super) struct Busy<T> {
    pub(super) messages: u64,
    pub(super) time: Duration,
    /// What was seen when the last message had been sent.
    pub(super) seen: T,
}

/// What the connections of a load share.
#[derive(Default)]
struct Load {
    messages: Cell<u64>,
    over: Cell<bool>,
    lost: Cell<u64>,
}

/// Sends a message whenever the one before has come back.
struct Client {
    load: Rc<Load>,
    transport: Option<Transport>,
    received: usize,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(&MESSAGE);
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.received += data.len();
        while self.received >= MESSAGE.len() {
            self.received -= MESSAGE.len();
            self.load.messages.set(self.load.messages.get() + 1);
            if let Some(transport) = &self.transport
                && !self.load.over.get()
            {
                transport.write(&MESSAGE);
            }
        }
    }

    fn connection_lost(&mut self, _: Option<io::Error>) {
        if !self.load.over.get() {
            self.load.lost.set(self.load.lost.get() + 1);
        }
    }
}

/// Keeps the first `busy` of the connections busy for `time`, and holds the others. Before any of
/// them is closed, `look` is called. None if a signal came.
pub(super) fn drive<T: 'static>(
    streams: Vec<TcpStream>,
    busy: usize,
    time: Duration,
    look: impl FnOnce() -> T + 'static,
) -> Result<Option<Busy<T>>, String> {
    let outcome = bucle::run(async move {
        // Opening and closing so many takes its time, and so does looking at so many threads.
        crate::bench::may_hold_the_loop();
        let load = Rc::new(Load::default());
        let mut idle = Vec::new();
        let mut transports = Vec::new();
        for (number, stream) in streams.into_iter().enumerate() {
            if number >= busy {
                idle.push(stream);
                continue;
            }
            let client = Client {
                load: Rc::clone(&load),
                transport: None,
                received: 0,
            };
            stream.set_nonblocking(true)?;
            transports.push(Transport::from_connected(OwnedFd::from(stream), client)?);
        }
        let start = Instant::now();
        load.messages.set(0);
        while start.elapsed() < time && !stop::asked() {
            bucle::sleep(Duration::from_millis(20).min(time)).await;
        }
        load.over.set(true);
        let done = Busy {
            messages: load.messages.get(),
            time: start.elapsed(),
            seen: look(),
        };
        for transport in transports {
            transport.abort();
        }
        Ok::<_, io::Error>((done, load.lost.get()))
    });
    let (done, lost) = outcome
        .and_then(|outcome| outcome)
        .map_err(|error| format!("the clients' loop: {error}"))?;
    match lost {
        _ if stop::asked() => Ok(None),
        0 => Ok(Some(done)),
        lost => Err(format!("{lost} connections were lost while they were busy")),
    }
}
