//! Transports and protocols over TCP.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, get_running_loop, sleep, yield_now};
use bucle_net::{
    HIGH_WATER, LOW_WATER, Protocol, SEND_LIMIT, ServerOptions, Transport, create_connection,
    create_server,
};
use bytes::Bytes;

use crate::support::*;

const BIG: usize = 8 * 1024 * 1024;

fn reset_on_close(peer: &TcpStream) {
    bucle_sys::socket::reset_on_close(peer).unwrap();
}

#[test]
fn an_echo_and_its_end() {
    run(|| async {
        let record = Record::new().on_data(|transport, data| transport.write(data));
        let (server, address) = serve(&record);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        record.until(|record| record.bytes() == 5).await;
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        client.shutdown(Shutdown::Write).unwrap();
        record.lost().await;
        assert_eq!(
            record.told(),
            [
                Told::Made,
                Told::Data(b"hello".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
        assert_eq!(client.read(&mut answer).unwrap(), 0);
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_slow_reader_gets_everything_and_writing_is_paused() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let content = pattern(BIG);
        transport.write(&content);
        assert!(transport.get_write_buffer_size() >= BIG - SEND_LIMIT);
        assert!(record.saw(&Told::Pause), "told from inside the write");
        let reader = std::thread::spawn(move || {
            let mut peer = peer;
            let mut all = Vec::new();
            let mut buffer = vec![0; 100_000];
            loop {
                let count = peer.read(&mut buffer).unwrap();
                if count == 0 {
                    return all;
                }
                all.extend_from_slice(&buffer[..count]);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        record.until(|record| record.saw(&Told::Resume)).await;
        assert!(transport.get_write_buffer_size() <= LOW_WATER);
        transport.close();
        record.lost().await;
        assert_eq!(
            record.told(),
            [Told::Made, Told::Pause, Told::Resume, Told::Lost(None)]
        );
        assert!(reader.join().unwrap() == content);
    });
}

#[test]
fn both_ways_at_once() {
    run(|| async {
        let received = Rc::new(RefCell::new(Vec::new()));
        let record = Record::new().keep_open().on_data({
            let received = received.clone();
            move |_, data| received.borrow_mut().extend_from_slice(data)
        });
        let (transport, peer) = pair(&record).await;
        let feeding = feed(peer.try_clone().unwrap(), pattern(BIG));
        let draining = drain(peer);
        for chunk in pattern(BIG).chunks(100_000) {
            transport.write(chunk);
            record
                .until(|record| record.transport().get_write_buffer_size() <= HIGH_WATER)
                .await;
            if transport.get_write_buffer_size() > 0 {
                yield_now().await;
            }
        }
        transport.write_eof();
        record.until(|record| record.saw(&Told::Eof)).await;
        let joined = std::thread::spawn(move || {
            feeding.join().unwrap().unwrap();
            draining.join().unwrap().unwrap()
        });
        while !joined.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(joined.join().unwrap() == pattern(BIG));
        assert!(*received.borrow() == pattern(BIG));
        transport.close();
        record.lost().await;
    });
}

#[test]
fn the_first_write_of_a_turn_leaves_at_once_and_the_rest_together() {
    run(|| async {
        let sizes = Rc::new(RefCell::new(Vec::new()));
        let record = Record::new().on_data({
            let sizes = sizes.clone();
            move |transport, _| {
                for piece in [&b"a"[..], b"b", b"c"] {
                    transport.write(piece);
                    sizes.borrow_mut().push(transport.get_write_buffer_size());
                }
            }
        });
        let (_, mut peer) = pair(&record).await;
        let mut answer = [0; 3];
        for _ in 0..3 {
            peer.write_all(b"?").unwrap();
            record.until(|record| record.bytes() > 0).await;
            yield_now().await;
            yield_now().await;
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"abc");
            assert_eq!(sizes.take(), [0, 1, 2]);
            assert_eq!(record.transport().get_write_buffer_size(), 0);
            record.reset_bytes();
        }
    });
}

#[test]
fn all_kinds_of_writes_keep_their_order() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let big = pattern(400_000);
        transport.writelines([&b"one "[..], b"", b"two "]);
        transport.write(b"three ");
        transport.write_bytes(Bytes::from_static(b"four "));
        transport.write_bytes(Bytes::from(big.clone()));
        yield_now().await;
        transport.writelines(vec![big.clone(), b"five".to_vec()]);
        transport.close();
        transport.write(b"never");
        let received = drain(peer);
        record.lost().await;
        let received = received.join().unwrap().unwrap();
        let expected = [&b"one two three four "[..], &big, &big, b"five"].concat();
        assert!(received == expected);
    });
}

#[test]
fn water_marks_are_the_protocols_choice() {
    run(|| async {
        let record = Record::new();
        let (transport, _peer) = pair(&record).await;
        assert_eq!(transport.get_write_buffer_limits(), (LOW_WATER, HIGH_WATER));
        // Fill the system's buffers first.
        while transport.get_write_buffer_size() == 0 {
            transport.write(&[0; 100_000]);
            yield_now().await;
        }
        let queued = transport.get_write_buffer_size();
        record.told();
        transport.set_write_buffer_limits(queued, usize::MAX);
        assert_eq!(transport.get_write_buffer_limits(), (queued, queued));
        record.told();
        transport.write(&[0]);
        assert_eq!(record.told(), [Told::Pause], "over, not at, the mark");
        transport.set_write_buffer_limits(queued + 1, queued + 1);
        assert_eq!(record.told(), [Told::Resume]);
        transport.set_write_buffer_limits(0, 0);
        assert_eq!(record.told(), [Told::Pause]);
        transport.abort();
        record.lost().await;
    });
}

#[test]
fn a_pause_inside_a_callback_is_told_after_it() {
    run(|| async {
        let record = Record::new().on_data(|transport, _| {
            transport.write(&vec![0; BIG]);
            assert!(transport.get_write_buffer_size() > HIGH_WATER);
        });
        let (transport, mut peer) = pair(&record).await;
        peer.write_all(b"x").unwrap();
        record.until(|record| record.saw(&Told::Pause)).await;
        assert_eq!(
            record.told(),
            [Told::Made, Told::Data(b"x".to_vec()), Told::Pause]
        );
        transport.abort();
        record.lost().await;
    });
}

#[test]
fn reading_can_be_paused() {
    run(|| async {
        let record = Record::new().on_data(|transport, _| transport.pause_reading());
        let (transport, mut peer) = pair(&record).await;
        peer.write_all(b"a").unwrap();
        record.until(|record| record.bytes() == 1).await;
        assert!(!transport.is_reading());
        peer.write_all(b"b").unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(record.bytes(), 1);
        transport.resume_reading();
        assert!(transport.is_reading());
        record.until(|record| record.bytes() == 2).await;
        transport.close();
        record.lost().await;
    });
}

#[test]
fn a_half_closed_connection_can_still_write() {
    run(|| async {
        let record = Record::new().keep_open();
        let (transport, mut peer) = pair(&record).await;
        peer.write_all(b"question").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        record.until(|record| record.saw(&Told::Eof)).await;
        assert!(!transport.is_closing());
        let turns = get_running_loop().counters().turns;
        sleep(Duration::from_millis(50)).await;
        let turns = get_running_loop().counters().turns - turns;
        assert!(
            turns < 100,
            "an end that was seen is not seen again: {turns}"
        );
        transport.write(&pattern(BIG));
        transport.write_eof();
        assert!(transport.can_write_eof());
        let received = drain(peer);
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(received.join().unwrap().unwrap() == pattern(BIG));
        assert!(!record.is_lost());
        transport.close();
        record.lost().await;
    });
}

#[test]
fn a_write_after_write_eof_is_told() {
    run(|| async {
        let told = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let told = told.clone();
            move |_, context| told.borrow_mut().push(context.to_string())
        });
        let record = Record::new();
        let (transport, mut peer) = pair(&record).await;
        transport.write(b"x");
        transport.write_eof();
        transport.write_eof();
        transport.write(b"y");
        assert_eq!(told.borrow().len(), 1);
        assert!(told.borrow()[0].contains("after write_eof()"), "{told:?}");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"x");
        transport.close();
        record.lost().await;
        transport.write(b"z");
        assert_eq!(told.borrow().len(), 1);
    });
}

#[test]
fn a_reset_while_writing_ends_the_connection_once() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        transport.write(&vec![0; BIG]);
        reset_on_close(&peer);
        drop(peer);
        record.lost().await;
        let error = record.error().expect("a reason");
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
            "{error}"
        );
        transport.write(b"more");
        transport.close();
        transport.abort();
        assert_eq!(transport.get_write_buffer_size(), 0);
        sleep(Duration::from_millis(5)).await;
        let told = record.told();
        let lost = told.iter().filter(|told| matches!(told, Told::Lost(_)));
        assert_eq!(lost.count(), 1);
    });
}

#[test]
fn a_reset_while_paused_is_seen_later_and_spins_nowhere() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        transport.pause_reading();
        reset_on_close(&peer);
        drop(peer);
        sleep(Duration::from_millis(10)).await;
        let turns = get_running_loop().counters().turns;
        sleep(Duration::from_millis(50)).await;
        let turns = get_running_loop().counters().turns - turns;
        assert!(turns < 100, "{turns} turns in which nothing happened");
        assert!(!record.is_lost());
        transport.resume_reading();
        record.lost().await;
        assert!(record.saw(&Told::Lost(Some(io::ErrorKind::ConnectionReset))));
    });
}

#[test]
fn a_reset_while_paused_with_something_queued_is_seen_at_once() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        transport.pause_reading();
        transport.write(&vec![0; BIG]);
        reset_on_close(&peer);
        drop(peer);
        record.lost().await;
        assert!(record.error().is_some());
    });
}

#[test]
fn closing_sends_what_is_queued_first() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        transport.write(&pattern(BIG));
        transport.close();
        assert!(transport.is_closing());
        assert!(!transport.is_reading());
        assert!(transport.get_write_buffer_size() > 0);
        let received = drain(peer);
        record.lost().await;
        assert!(received.join().unwrap().unwrap() == pattern(BIG));
        assert!(record.saw(&Told::Lost(None)));
        assert_eq!(transport.peer_address(), None);
        assert_eq!(transport.with_socket(|_| ()), None);
    });
}

#[test]
fn aborting_resets_the_peer() {
    run(|| async {
        let record = Record::new();
        let (transport, mut peer) = pair(&record).await;
        transport.write(&vec![0; BIG]);
        transport.abort();
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert!(!record.is_lost(), "not from inside abort");
        record.lost().await;
        assert!(record.saw(&Told::Lost(None)));
        let error = peer.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_abort_overtakes_a_close() {
    run(|| async {
        let record = Record::new();
        let (transport, mut peer) = pair(&record).await;
        transport.write(&vec![0; BIG]);
        transport.close();
        transport.abort();
        record.lost().await;
        assert!(peer.read_to_end(&mut Vec::new()).is_err());
    });
}

#[test]
fn everything_may_be_called_from_inside_callbacks() {
    run(|| async {
        let calls: [fn(&Transport); 6] = [
            |transport| transport.close(),
            |transport| transport.abort(),
            |transport| {
                transport.write(b"x");
                transport.close();
                transport.abort();
                transport.close();
            },
            |transport| {
                transport.pause_reading();
                transport.write(&vec![0; BIG]);
                transport.abort();
            },
            |transport| {
                transport.resume_reading();
                transport.write_eof();
                transport.close();
            },
            |transport| {
                transport.set_write_buffer_limits(0, 0);
                transport.write(&vec![0; BIG]);
                transport.close();
                transport.abort();
            },
        ];
        for call in calls {
            // In `connection_made`.
            let record = Record::new().on_made(call);
            let (_, _peer) = pair(&record).await;
            record.lost().await;
            assert_eq!(record.told(), [Told::Made, Told::Lost(None)]);
            // In `data_received`.
            let record = Record::new().on_data(move |transport, _| call(transport));
            let (_, mut peer) = pair(&record).await;
            peer.write_all(b"x").unwrap();
            record.lost().await;
            assert_eq!(
                record.told(),
                [Told::Made, Told::Data(b"x".to_vec()), Told::Lost(None)]
            );
        }
    });
}

#[test]
fn one_connection_may_abort_another_from_its_callback() {
    run(|| async {
        let other = Record::new();
        let (other_transport, mut other_peer) = pair(&other).await;
        let record = Record::new().on_data(move |_, _| other_transport.abort());
        let (_, mut peer) = pair(&record).await;
        peer.write_all(b"x").unwrap();
        other_peer.write_all(b"y").unwrap();
        other.lost().await;
        assert!(other.saw(&Told::Lost(None)));
    });
}

/// Every connection hears only what its own peer says, while connections are aborted from other
/// connections' callbacks and their descriptor numbers are given to new ones in the same turns.
#[test]
fn a_recycled_descriptor_hears_nothing_of_its_predecessor() {
    run(|| async {
        #[derive(Default)]
        struct Shared {
            alive: RefCell<Vec<Transport>>,
            heard: Cell<usize>,
            numbers: RefCell<HashSet<i32>>,
            recycled: Cell<usize>,
        }
        struct Checker {
            shared: Rc<Shared>,
            transport: Option<Transport>,
            expected: String,
        }
        impl Protocol for Checker {
            fn connection_made(&mut self, transport: Transport) {
                // A client that was gone before it was accepted has no address, and says nothing.
                let Some(peer) = transport.peer_address() else {
                    return transport.abort();
                };
                let peer = peer.as_tcp().unwrap();
                self.expected = format!("{:05}", peer.port());
                self.shared.alive.borrow_mut().push(transport.clone());
                let number = transport.with_socket(|fd| fd.as_raw_fd()).unwrap();
                if !self.shared.numbers.borrow_mut().insert(number) {
                    self.shared.recycled.set(self.shared.recycled.get() + 1);
                }
                self.transport = Some(transport);
            }
            fn data_received(&mut self, data: &[u8]) {
                assert_eq!(data, self.expected.as_bytes());
                self.shared.heard.set(self.shared.heard.get() + 1);
                // Every second one ends everybody else.
                if self.shared.heard.get().is_multiple_of(2) {
                    for other in self.shared.alive.take() {
                        if Some(&other) != self.transport.as_ref() {
                            other.abort();
                        }
                    }
                }
            }
        }
        let failed = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let failed = failed.clone();
            move |_, context| failed.borrow_mut().push(context.to_string())
        });
        let shared = Rc::new(Shared::default());
        let factory = shared.clone();
        let server = create_server("127.0.0.1:0", ServerOptions::default(), move || Checker {
            shared: factory.clone(),
            transport: None,
            expected: String::new(),
        })
        .unwrap();
        let address = server.sockets()[0].as_tcp().unwrap();
        for _ in 0..60 {
            let mut clients = Vec::new();
            for _ in 0..8 {
                let mut client = TcpStream::connect(address).unwrap();
                let port = client.local_addr().unwrap().port();
                client.write_all(format!("{port:05}").as_bytes()).unwrap();
                clients.push(client);
            }
            // Some turns with connections standing, arriving and ending.
            for _ in 0..3 {
                sleep(Duration::from_micros(50)).await;
            }
            for client in &clients {
                reset_on_close(client);
            }
        }
        assert!(failed.borrow().is_empty(), "{failed:?}");
        assert!(shared.heard.get() > 60, "{}", shared.heard.get());
        assert!(shared.recycled.get() > 60, "{}", shared.recycled.get());
    });
}

#[test]
fn a_panic_in_a_callback_ends_its_connection_alone() {
    run(|| async {
        let told = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let told = told.clone();
            move |_, context| told.borrow_mut().push(context.to_string())
        });
        let record = Record::new().on_data(|_, _| panic!("ouch"));
        let (server, address) = serve(&record);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        record.lost().await;
        let error = record.error().unwrap();
        assert!(error.to_string().contains("data_received panicked: ouch"));
        assert_eq!(told.borrow().len(), 1);
        assert!(told.borrow()[0].contains("ouch"));
        let ends = format!(
            "transport `{address} with {}`",
            client.local_addr().unwrap()
        );
        assert!(told.borrow()[0].contains(&ends), "{told:?}");
        assert!(client.read(&mut [0]).is_err());
        // The server goes on.
        record.told();
        let _client = TcpStream::connect(address).unwrap();
        record.until(|record| record.saw(&Told::Made)).await;
        server.abort_clients();
        record.lost().await;
    });
}

#[test]
fn a_protocol_can_be_replaced_from_its_own_callback() {
    struct Dropped(Rc<Cell<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    struct First {
        transport: Option<Transport>,
        second: Record,
        dropped: Dropped,
    }
    impl Protocol for First {
        fn connection_made(&mut self, transport: Transport) {
            self.transport = Some(transport);
        }
        fn data_received(&mut self, data: &[u8]) {
            assert_eq!(data, b"upgrade");
            let transport = self.transport.as_ref().unwrap();
            transport.set_protocol(self.second.protocol());
            assert!(!self.dropped.0.get());
        }
    }
    run(|| async {
        let second = Record::new();
        let dropped = Rc::new(Cell::new(false));
        let first = First {
            transport: None,
            second: second.clone(),
            dropped: Dropped(dropped.clone()),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let transport = create_connection(listener.local_addr().unwrap(), || first)
            .await
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"upgrade").unwrap();
        while !dropped.get() {
            sleep(Duration::from_millis(1)).await;
        }
        peer.write_all(b"to the second").unwrap();
        second.until(|record| record.bytes() == 13).await;
        drop(peer);
        second.lost().await;
        assert_eq!(
            second.told(),
            [
                Told::Data(b"to the second".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
        drop(transport);
    });
}

#[test]
fn a_closed_loop_lets_go_of_its_connections() {
    struct Holder {
        transport: Option<Transport>,
        dropped: Rc<Cell<u32>>,
    }
    impl Protocol for Holder {
        fn connection_made(&mut self, transport: Transport) {
            self.transport = Some(transport);
        }
        fn data_received(&mut self, _: &[u8]) {}
        fn connection_lost(&mut self, _: Option<io::Error>) {
            panic!("the loop is closed");
        }
    }
    impl Drop for Holder {
        fn drop(&mut self) {
            self.dropped.set(self.dropped.get() + 1);
        }
    }
    within(|| {
        let event_loop = EventLoop::new().unwrap();
        let dropped = Rc::new(Cell::new(0));
        let (held, mut peers) = event_loop
            .run_until_complete({
                let dropped = dropped.clone();
                async move {
                    let factory = {
                        let dropped = dropped.clone();
                        move || Holder {
                            transport: None,
                            dropped: dropped.clone(),
                        }
                    };
                    let server =
                        create_server("127.0.0.1:0", ServerOptions::default(), factory).unwrap();
                    let address = server.sockets()[0].as_tcp().unwrap();
                    let peers: Vec<_> = (0..3)
                        .map(|_| TcpStream::connect(address).unwrap())
                        .collect();
                    while server.connections() < 3 {
                        yield_now().await;
                    }
                    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                    let closing = create_connection(listener.local_addr().unwrap(), || Holder {
                        transport: None,
                        dropped,
                    })
                    .await
                    .unwrap();
                    (closing, peers)
                }
            })
            .unwrap();
        assert_eq!(dropped.get(), 0);
        // Its end is scheduled, and never comes.
        held.close();
        event_loop.close();
        assert_eq!(dropped.get(), 4);
        held.write(b"into the void");
        assert_eq!(held.local_address(), None);
        for peer in &mut peers {
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        }
    });
}

#[test]
fn a_connected_socket_from_elsewhere() {
    run(|| async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let record = Record::new();
        let transport = Transport::from_connected(ours.into(), record.protocol()).unwrap();
        theirs.write_all(b"x").unwrap();
        record.until(|record| record.bytes() == 1).await;
        transport.close();
        record.lost().await;
        let unconnected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Transport::from_connected(unconnected.into(), record.protocol()).is_err());
    });
}

#[test]
fn refused_and_given_up_connections() {
    run(|| async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let record = Record::new();
        let error = create_connection(address, || record.protocol())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(record.told().is_empty());
        assert!(
            create_connection("nowhere", || record.protocol())
                .await
                .is_err()
        );
        // All addresses are tried.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let transport = create_connection(vec![address, open], || record.protocol())
            .await
            .unwrap();
        assert_eq!(transport.peer_address().unwrap().as_tcp(), Some(open));
        transport.abort();
        record.lost().await;
    });
}
