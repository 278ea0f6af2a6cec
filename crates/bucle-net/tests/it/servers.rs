//! Servers and their connections.

use std::cell::Cell;
use std::io::{self, Read};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{sleep, spawn, yield_now};
use bucle_net::{ServerOptions, create_server, create_server_admitting, create_server_from};

use crate::support::*;

fn serve_at(address: &str, options: ServerOptions) -> io::Result<bucle_net::Server> {
    create_server(address, options, || Record::new().protocol())
}

#[test]
fn all_addresses_of_a_name_share_a_port() {
    run(|| async {
        let server = serve_at("localhost:0", ServerOptions::default()).unwrap();
        let sockets = server.sockets();
        let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(sockets.len(), if has_ipv6 { 2 } else { 1 });
        let ports: Vec<_> = sockets
            .iter()
            .map(|address| address.as_tcp().unwrap().port())
            .collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
        for address in sockets {
            TcpStream::connect(address.as_tcp().unwrap()).unwrap();
        }
    });
}

#[test]
fn a_taken_address_is_told() {
    run(|| async {
        let first = serve_at("127.0.0.1:0", ServerOptions::default()).unwrap();
        let address = first.sockets()[0].to_string();
        let error = serve_at(&address, ServerOptions::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let told = error.to_string();
        assert!(told.contains(&address) && told.contains("port 0"), "{told}");
        // Shared only where both want it.
        let options = ServerOptions::default().reuse_port(true);
        assert!(serve_at(&address, options.clone()).is_err());
        let first = serve_at("127.0.0.1:0", options.clone()).unwrap();
        let address = first.sockets()[0].to_string();
        let _second = serve_at(&address, options).unwrap();
        assert!(serve_at("203.0.113.1:0", ServerOptions::default()).is_err());
    });
}

#[test]
fn serving_can_begin_later() {
    run(|| async {
        let options = ServerOptions::default().start_serving(false).backlog(16);
        let server = serve_at("127.0.0.1:0", options).unwrap();
        let address = server.sockets()[0].as_tcp().unwrap();
        assert!(!server.is_serving());
        assert!(TcpStream::connect(address).is_err());
        server.start_serving().unwrap();
        server.start_serving().unwrap();
        assert!(server.is_serving());
        TcpStream::connect(address).unwrap();
        server.close();
        server.close();
        assert!(!server.is_serving());
        assert!(server.sockets().is_empty());
        assert!(TcpStream::connect(address).is_err());
        assert!(server.start_serving().is_err());
    });
}

#[test]
fn closing_leaves_connections_alone_and_waits_for_them() {
    run(|| async {
        let record = Record::new();
        let (server, address) = serve(&record);
        let mut client = TcpStream::connect(address).unwrap();
        let transport = record.made().await;
        server.close();
        let server = Rc::new(server);
        let waiting = spawn({
            let server = server.clone();
            async move { server.wait_closed().await }
        });
        sleep(Duration::from_millis(10)).await;
        assert!(!waiting.done());
        assert_eq!(server.connections(), 1);
        transport.write(b"still here");
        transport.close();
        waiting.await.unwrap();
        assert_eq!(server.connections(), 0);
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"still here");
    });
}

#[test]
fn clients_are_closed_or_aborted_together() {
    run(|| async {
        for abort in [false, true] {
            let record = Record::new();
            let (server, address) = serve(&record);
            let clients: Vec<_> = (0..5)
                .map(|_| TcpStream::connect(address).unwrap())
                .collect();
            while server.connections() < 5 {
                yield_now().await;
            }
            if abort {
                server.abort_clients();
            } else {
                server.close_clients();
            }
            server.close();
            server.wait_closed().await;
            for mut client in clients {
                let result = client.read(&mut [0]);
                if abort {
                    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
                } else {
                    assert_eq!(result.unwrap(), 0);
                }
            }
        }
    });
}

#[test]
fn serve_forever_ends_with_close_and_closes_when_cancelled() {
    run(|| async {
        let options = ServerOptions::default().start_serving(false);
        let server = Rc::new(serve_at("127.0.0.1:0", options).unwrap());
        let serving = spawn({
            let server = server.clone();
            async move { server.serve_forever().await }
        });
        while !server.is_serving() {
            yield_now().await;
        }
        let closer = server.clone();
        server.event_loop().call_soon(move || closer.close());
        serving.await.unwrap();

        let server = Rc::new(serve_at("127.0.0.1:0", ServerOptions::default()).unwrap());
        let serving = spawn({
            let server = server.clone();
            async move { server.serve_forever().await }
        });
        yield_now().await;
        yield_now().await;
        serving.cancel("enough");
        assert!(serving.await.is_err());
        assert!(!server.is_serving());
    });
}

#[test]
fn sockets_that_listen_already() {
    run(|| async {
        let record = Record::new();
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let sockets = vec![
            first.into(),
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
        ];
        let factory = record.clone();
        let server = create_server_from(sockets, move || factory.protocol()).unwrap();
        assert_eq!(server.sockets().len(), 2);
        assert!(server.is_serving());
        let _client = TcpStream::connect(address).unwrap();
        record.made().await;
        // Something else.
        let connected = TcpStream::connect(address).unwrap();
        let error =
            create_server_from(vec![connected.into()], || Record::new().protocol()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("listen"), "{error}");
    });
}

#[test]
fn more_connections_than_one_event_takes() {
    run(|| async {
        let made = Rc::new(Cell::new(0));
        let record = Record::new().on_made({
            let made = made.clone();
            move |_| made.set(made.get() + 1)
        });
        let (server, address) = serve(&record);
        let clients: Vec<_> = (0..150)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        record.until(|_| made.get() == 150).await;
        drop(clients);
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_protocol_may_close_its_server() {
    run(|| async {
        let server: Rc<std::cell::RefCell<Option<bucle_net::Server>>> = Rc::default();
        let record = Record::new().on_made({
            let server = server.clone();
            move |_| drop(server.take())
        });
        let (made, address) = serve(&record);
        server.replace(Some(made));
        let _clients: Vec<_> = (0..3)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        record.made().await;
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn a_factory_that_panics_costs_its_connection() {
    run(|| async {
        let told = Rc::new(Cell::new(0));
        bucle_loop::get_running_loop().set_exception_handler({
            let told = told.clone();
            move |_, _| told.set(told.get() + 1)
        });
        let record = Record::new();
        let factory = record.clone();
        let mut count = 0;
        let server = create_server("127.0.0.1:0", ServerOptions::default(), move || {
            count += 1;
            assert!(count != 1, "the first one");
            factory.protocol()
        })
        .unwrap();
        let address = server.sockets()[0].as_tcp().unwrap();
        let mut first = TcpStream::connect(address).unwrap();
        while told.get() == 0 {
            yield_now().await;
        }
        assert_eq!(first.read(&mut [0]).unwrap(), 0);
        let _second = TcpStream::connect(address).unwrap();
        record.made().await;
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn a_factory_may_refuse_by_who_comes() {
    run(|| async {
        let record = Record::new();
        let factory = record.clone();
        let seen = Rc::new(Cell::new(None));
        let told = seen.clone();
        let options = ServerOptions::default();
        let mut count = 0;
        let server = create_server_admitting("127.0.0.1:0", options, move |incoming| {
            told.set(incoming.peer_address());
            count += 1;
            (count > 1).then(|| factory.protocol())
        })
        .unwrap();
        let address = server.sockets()[0].as_tcp().unwrap();
        let mut first = TcpStream::connect(address).unwrap();
        let second = TcpStream::connect(address).unwrap();
        record.made().await;
        assert_eq!(first.read(&mut [0]).unwrap(), 0);
        assert_eq!(server.connections(), 1);
        let from = seen.take().unwrap().as_tcp();
        assert_eq!(from, Some(second.local_addr().unwrap()));
    });
}
