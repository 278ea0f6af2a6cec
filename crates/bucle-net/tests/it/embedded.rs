//! Protocols that live in their connection and are shared.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};

use bucle_loop::yield_now;
use bucle_net::{
    Embedded, EmbeddedProtocol, Protocol, Server, ServerOptions, Transport, create_embedded_server,
    open_connection,
};

use crate::support::*;

type Log = Rc<RefCell<Vec<String>>>;

/// Notes what it is told, and answers in capitals.
struct Shouting {
    log: Log,
    /// Outlives what is told.
    seen: Rc<RefCell<Weak<Embedded<Shouting>>>>,
    server: Rc<RefCell<Option<Server>>>,
    /// Has its server close all as soon as it is made.
    hasty: bool,
}

impl Shouting {
    fn close_all(&self) {
        if let Some(server) = &*self.server.borrow() {
            server.close_clients();
        }
    }

    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }
}

impl EmbeddedProtocol for Shouting {
    fn connection_made(this: Rc<Embedded<Self>>) {
        this.note("made");
        this.seen.replace(Rc::downgrade(&this));
        if this.hasty {
            this.close_all();
        }
    }

    fn data_received(this: Rc<Embedded<Self>>, data: &[u8]) {
        let text = String::from_utf8_lossy(data).into_owned();
        this.note(text.clone());
        match &*text {
            "close all" => this.close_all(),
            "change" => {
                this.transport().set_protocol(Quiet);
                this.transport().write(b"changed");
            }
            _ => this.transport().write(text.to_uppercase().as_bytes()),
        }
    }

    fn eof_received(this: Rc<Embedded<Self>>) -> bool {
        this.note("end");
        false
    }

    fn connection_lost(this: Rc<Embedded<Self>>, error: Option<io::Error>) {
        this.note(format!("lost {:?}", error.map(|error| error.kind())));
    }

    fn let_go(this: Rc<Embedded<Self>>) {
        this.note("let go");
    }
}

struct Quiet;

impl Protocol for Quiet {
    fn connection_made(&mut self, _: Transport) {}
    fn data_received(&mut self, _: &[u8]) {}
}

struct Served {
    log: Log,
    seen: Rc<RefCell<Weak<Embedded<Shouting>>>>,
    server: Rc<RefCell<Option<Server>>>,
    address: std::net::SocketAddr,
}

fn serve(options: ServerOptions) -> Served {
    serve_those(options, false)
}

fn serve_those(options: ServerOptions, hasty: bool) -> Served {
    let (log, seen) = (Log::default(), Rc::default());
    let server = Rc::new(RefCell::new(None));
    let made = (log.clone(), Rc::clone(&seen), server.clone());
    let listening = create_embedded_server("127.0.0.1:0", options, move |_| {
        let (log, seen, server) = made.clone();
        Some(Shouting {
            log,
            seen,
            server,
            hasty,
        })
    });
    let listening = listening.unwrap();
    let address = listening.sockets()[0].as_tcp().unwrap();
    server.replace(Some(listening));
    Served {
        log,
        seen,
        server,
        address,
    }
}

impl Served {
    /// Waits for the end of the last connection, and of what held it.
    async fn told(&self) -> Vec<String> {
        while self.server.borrow().as_ref().unwrap().connections() > 0
            || self.seen.borrow().strong_count() > 0
        {
            yield_now().await;
        }
        self.log.take()
    }
}

#[test]
fn it_is_told_what_a_protocol_is_told_and_let_go_of() {
    run(|| async {
        let served = serve(ServerOptions::default());
        let (mut reader, writer) = open_connection(served.address).await.unwrap();
        writer.write(b"hello");
        assert_eq!(reader.readexactly(5).await.unwrap(), b"HELLO");
        let held = served.seen.borrow().upgrade().unwrap();
        writer.close();
        let (log, seen) = (served.log.clone(), served.seen.clone());
        while !log.borrow().iter().any(|told| told == "let go") {
            yield_now().await;
        }
        // Whoever holds it has it still, and its transport does nothing.
        held.transport().write(b"nobody reads it");
        assert!(held.transport().is_closing());
        assert_eq!(seen.borrow().strong_count(), 1);
        drop(held);
        let told = served.told().await;
        assert_eq!(told, ["made", "hello", "end", "lost None", "let go"]);
    });
}

#[test]
fn one_that_is_replaced_is_let_go_of_and_told_no_more() {
    run(|| async {
        let served = serve(ServerOptions::default());
        let (mut reader, writer) = open_connection(served.address).await.unwrap();
        writer.write(b"change");
        assert_eq!(reader.readexactly(7).await.unwrap(), b"changed");
        writer.write(b"and more");
        writer.close();
        assert_eq!(served.told().await, ["made", "change", "let go"]);
    });
}

#[test]
fn its_server_closes_it_also_from_inside() {
    run(|| async {
        let served = serve(ServerOptions::default());
        let (mut reader, writer) = open_connection(served.address).await.unwrap();
        writer.write(b"close all");
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        let told = served.told().await;
        assert_eq!(told, ["made", "close all", "lost None", "let go"]);
    });
}

#[test]
fn its_server_closes_it_also_before_it_is_watched() {
    run(|| async {
        let served = serve_those(ServerOptions::default(), true);
        let (mut reader, _writer) = open_connection(served.address).await.unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        assert_eq!(served.told().await, ["made", "lost None", "let go"]);
    });
}

#[test]
fn a_closed_loop_lets_go_of_it() {
    within(|| {
        let (log, seen) = bucle_loop::run(async {
            let served = serve(ServerOptions::default());
            let (mut reader, writer) = open_connection(served.address).await.unwrap();
            writer.write(b"x");
            assert_eq!(reader.readexactly(1).await.unwrap(), b"X");
            (served.log.clone(), served.seen.clone())
        })
        .unwrap();
        assert_eq!(log.borrow().last().unwrap(), "let go");
        assert_eq!(seen.borrow().strong_count(), 0);
    });
}

#[cfg(feature = "tls")]
#[test]
fn over_tls_it_is_the_same() {
    use bucle_net::{ConnectOptions, open_connection_with};

    run(|| async {
        let served = serve(ServerOptions::default().tls(crate::certificates::server()));
        let options = ConnectOptions::default()
            .tls(crate::certificates::client())
            .server_hostname("localhost");
        let connected = open_connection_with(served.address, options).await;
        let (mut reader, writer) = connected.unwrap();
        writer.write(b"hello");
        assert_eq!(reader.readexactly(5).await.unwrap(), b"HELLO");
        let held = served.seen.borrow().upgrade().unwrap();
        assert!(held.transport().tls_info().is_some());
        drop(held);
        writer.write(b"close all");
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        drop(writer);
        let told = served.told().await;
        assert_eq!(told, ["made", "hello", "close all", "lost None", "let go"]);
    });
}
