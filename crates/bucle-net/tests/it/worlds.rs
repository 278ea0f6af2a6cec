//! The same programs in two worlds: on the system's network, and on simulated ones of several seeds,
//! with delays, splits, small buffers and tasks in any order. Then what only a simulated one can
//! show: faults, at will and by the seed.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::sim::{SimEvent, SimOptions};
use bucle_loop::{EventLoop, get_running_loop, sleep, spawn, spawn_named, timeout, yield_now};
use bucle_net::{
    Address, ServerOptions, StreamReader, StreamWriter, Transport, create_connection,
    create_server, create_server_from, open_connection, start_server,
};

use crate::support::*;
use crate::transports_model::check_order;

fn simulate(options: SimOptions, body: impl Future<Output = ()> + 'static) -> EventLoop {
    let event_loop = EventLoop::builder().simulated(options).build().unwrap();
    event_loop.run_until_complete(body).unwrap();
    event_loop
}

/// A network that is as unpleasant as one without faults can be.
fn rough(seed: u64) -> SimOptions {
    SimOptions {
        max_segment: 500,
        partial_probability: 0.7,
        send_buffer: 3_000,
        shuffle_ready_tasks: true,
        ..SimOptions::seeded(seed)
    }
}

/// Runs the body in the real world and in simulated ones.
pub(crate) fn in_both<F>(body: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    within(move || {
        bucle_loop::run(body()).unwrap();
        simulate(SimOptions::calm(), body());
        for seed in 0..10 {
            simulate(SimOptions::seeded(seed), body());
            simulate(rough(seed), body());
            simulate(SimOptions::varied(100 + seed), body());
        }
    });
}

async fn connect(address: &Address, record: &Record) -> Transport {
    create_connection(address, || record.protocol())
        .await
        .unwrap()
}

/// The last bytes come whole, and the end after them: where they leave at once, where they do not
/// all fit, behind others that are queued, and where there are none.
#[test]
fn the_last_bytes_and_the_end() {
    in_both(|| async {
        for size in [0, 1, 1_000, 400_000] {
            for before in [0, 10] {
                let served = Record::new().on_data(move |transport, _| {
                    transport.write(&pattern(before));
                    transport.close_after(&pattern(size));
                    assert!(transport.is_closing());
                    transport.close_after(b"too late");
                });
                let (_server, address) = serve(&served);
                let client = Record::new();
                let transport = connect(&address.into(), &client).await;
                transport.write(b"?");
                client.lost().await;
                served.lost().await;
                let mut told = vec![Told::Made];
                if before + size > 0 {
                    let bytes = [pattern(before), pattern(size)].concat();
                    told.push(Told::Data(bytes));
                }
                told.extend([Told::Eof, Told::Lost(None)]);
                assert_eq!(client.told(), told, "{before} and {size} bytes");
            }
        }
    });
}

/// Accepted connections are read from before they are watched: whoever speaks only later, or is not
/// to be heard yet, is watched then.
#[test]
fn an_accepted_connection_is_heard_early_and_late() {
    in_both(|| async {
        for pauses in [false, true] {
            for late in [false, true] {
                let served = Record::new().on_made(move |transport| {
                    if pauses {
                        transport.pause_reading();
                    }
                });
                let (_server, address) = serve(&served);
                let client = Record::new();
                let transport = connect(&address.into(), &client).await;
                if late {
                    served.made().await;
                    sleep(Duration::from_millis(5)).await;
                }
                transport.write(b"first");
                let accepted = served.made().await;
                if pauses {
                    sleep(Duration::from_millis(5)).await;
                    assert_eq!(served.bytes(), 0);
                    accepted.resume_reading();
                }
                served.until(|served| served.bytes() == 5).await;
                transport.write(b"second");
                served.until(|served| served.bytes() == 11).await;
                transport.close();
                served.lost().await;
                client.lost().await;
            }
        }
    });
}

#[test]
fn an_echo_and_its_end() {
    in_both(|| async {
        let served = Record::new().on_data(|transport, data| transport.write(data));
        let (server, address) = serve(&served);
        let client = Record::new();
        let transport = connect(&address.into(), &client).await;
        assert_eq!(transport.peer_address(), Some(address.into()));
        transport.write(b"hel");
        transport.write(b"lo");
        client.until(|client| client.bytes() == 5).await;
        let ours = transport.local_address();
        assert_eq!(served.transport().peer_address(), ours);
        transport.write_eof();
        client.lost().await;
        served.lost().await;
        for record in [&served, &client] {
            assert_eq!(
                record.told(),
                [
                    Told::Made,
                    Told::Data(b"hello".to_vec()),
                    Told::Eof,
                    Told::Lost(None)
                ]
            );
        }
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_peer_that_does_not_read_pauses_the_writer() {
    in_both(|| async {
        // More than the buffers on the way hold; the system's are large.
        let simulated = get_running_loop().sim_network().is_some();
        let size = if simulated { 300_000 } else { 8_000_000 };
        let served = Record::new().on_made(move |transport| {
            transport.write(&pattern(size));
            transport.close();
        });
        let (_server, address) = serve(&served);
        let received = Rc::new(RefCell::new(Vec::new()));
        let client = Record::new()
            .on_made(|transport| transport.pause_reading())
            .on_data({
                let received = received.clone();
                move |_, data| received.borrow_mut().extend_from_slice(data)
            });
        let transport = connect(&address.into(), &client).await;
        served.until(|served| served.saw(&Told::Pause)).await;
        sleep(Duration::from_millis(20)).await;
        assert!(!served.saw(&Told::Resume));
        assert_eq!(client.bytes(), 0);
        transport.resume_reading();
        client.lost().await;
        served.lost().await;
        assert!(*received.borrow() == pattern(size));
        assert_eq!(
            served.told(),
            [Told::Made, Told::Pause, Told::Resume, Told::Lost(None)]
        );
    });
}

#[test]
fn both_directions_at_once_and_each_ends_by_itself() {
    in_both(|| async {
        let size = 300_000;
        let end = || {
            Record::new().keep_open().on_made(move |transport| {
                for piece in pattern(size).chunks(7_001) {
                    transport.write(piece);
                }
                transport.write_eof();
            })
        };
        let (served, client) = (end(), end());
        let (_server, address) = serve(&served);
        let transport = connect(&address.into(), &client).await;
        for record in [&served, &client] {
            record.until(|record| record.saw(&Told::Eof)).await;
            assert_eq!(record.bytes(), size);
        }
        transport.close();
        served.transport().close();
        served.lost().await;
        client.lost().await;
    });
}

#[test]
fn an_abort_is_a_reset_for_the_peer() {
    in_both(|| async {
        let served = Record::new();
        let (_server, address) = serve(&served);
        let client = Record::new();
        let transport = connect(&address.into(), &client).await;
        served.made().await;
        transport.write(b"dropped, or not");
        transport.abort();
        client.lost().await;
        served.lost().await;
        assert_eq!(client.told(), [Told::Made, Told::Lost(None)]);
        let lost = Told::Lost(Some(io::ErrorKind::ConnectionReset));
        assert_eq!(served.told().last(), Some(&lost));
    });
}

#[test]
fn files_keep_their_place_among_the_writes() {
    in_both(|| async {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&pattern(200_000)).unwrap();
        let file = Rc::new(file);
        let served = Record::new().on_made(move |transport| {
            transport.send_file_after(b"head", file.clone(), 100, 150_000);
            transport.write(b"tail");
            transport.close();
        });
        let (_server, address) = serve(&served);
        let (mut reader, _writer) = open_connection(address).await.unwrap();
        let expected = [b"head", &pattern(200_000)[100..150_100], b"tail"].concat();
        assert!(reader.read_to_end().await.unwrap() == expected);
    });
}

#[test]
fn streams_read_and_write_in_every_way() {
    async fn upper(mut reader: StreamReader, writer: StreamWriter) {
        loop {
            let line = reader.readline().await.unwrap();
            if line.is_empty() {
                break;
            }
            writer.write(&line.to_ascii_uppercase());
            writer.drain().await.unwrap();
        }
        writer.write(b"bye");
        writer.close();
        writer.wait_closed().await.unwrap();
    }
    in_both(|| async {
        let server = start_server("127.0.0.1:0", upper).unwrap();
        let address = server.sockets()[0].clone();
        let clients: Vec<_> = (0..5)
            .map(|n| {
                let address = address.clone();
                spawn(async move {
                    let (mut reader, writer) = open_connection(address).await.unwrap();
                    writer.write(format!("client {n}\nkey=value;").as_bytes());
                    let answer = reader.readline().await.unwrap();
                    assert_eq!(answer, format!("CLIENT {n}\n").as_bytes());
                    writer.write(format!("{}\n", "x".repeat(5_000)).as_bytes());
                    assert_eq!(reader.readuntil(b";").await.unwrap(), b"KEY=VALUE;");
                    let most = reader.readexactly(5_000).await.unwrap();
                    assert!(most.iter().all(|byte| *byte == b'X'));
                    writer.write_eof();
                    assert_eq!(reader.read_to_end().await.unwrap(), b"\nbye");
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_write_is_awaited_until_the_peer_has_made_room() {
    in_both(|| async {
        let content = pattern(200_000);
        let expected = content.clone();
        let read = Rc::new(Cell::new(false));
        let flag = read.clone();
        let server = start_server("127.0.0.1:0", move |mut reader: StreamReader, writer| {
            let (flag, expected) = (flag.clone(), expected.clone());
            async move {
                assert!(reader.readexactly(expected.len()).await.unwrap() == expected);
                flag.set(true);
                drop(writer);
            }
        })
        .unwrap();
        let (mut reader, writer) = open_connection(&server.sockets()[0]).await.unwrap();
        for piece in content.chunks(33_333) {
            writer.write(piece);
            writer.drain().await.unwrap();
        }
        writer.write_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        assert!(read.get());
    });
}

#[test]
fn addresses_are_taken_refused_and_freed() {
    in_both(|| async {
        let record = Record::new();
        let (server, address) = serve(&record);
        assert_ne!(address.port(), 0);
        let options = ServerOptions::default;
        let again = create_server(address, options(), || Record::new().protocol());
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        server.close();
        server.wait_closed().await;
        let error = open_connection(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // Bound, but not listening yet.
        let options = options().start_serving(false);
        let server = create_server(address, options, || Record::new().protocol()).unwrap();
        assert!(open_connection(address).await.is_err());
        server.start_serving().unwrap();
        open_connection(address).await.unwrap();
    });
}

#[test]
fn a_server_lets_its_connections_end() {
    in_both(|| async {
        let served = Record::new().on_data(|transport, data| transport.write(data));
        let (server, address) = serve(&served);
        let client = Record::new();
        let transport = connect(&address.into(), &client).await;
        served.made().await;
        server.close();
        let early = timeout(Duration::from_millis(5), server.wait_closed()).await;
        assert!(early.is_err(), "a connection stands");
        transport.write(b"still here");
        client.until(|client| client.bytes() == 10).await;
        server.close_clients();
        server.wait_closed().await;
        client.lost().await;
    });
}

/// What it would take hours to see on a real network.
#[test]
fn whatever_is_lost_is_told_in_order_and_what_arrives_is_right() {
    within(|| {
        let mut lost = 0;
        for seed in 0..60 {
            let options = SimOptions {
                reset_probability: 0.01,
                loss_probability: 0.05,
                ..rough(seed)
            };
            let failed = Rc::new(Cell::new(0));
            let count = failed.clone();
            let event_loop = simulate(options, async move {
                let size = 20_000;
                let served = Record::new()
                    .on_made(move |transport| transport.write(&pattern(size)))
                    .on_data(|transport, data| transport.write(data));
                let (server, address) = serve(&served);
                let client = Record::new().on_made(move |transport| {
                    transport.write(&pattern(size));
                    transport.write_eof();
                });
                if let Err(error) = create_connection(address, || client.protocol()).await {
                    // What the server sent at once was lost.
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                    count.set(1);
                    return;
                }
                client.lost().await;
                let told = client.told();
                check_order(&told);
                let received: Vec<u8> = told
                    .iter()
                    .filter_map(|told| match told {
                        Told::Data(data) => Some(&data[..]),
                        _ => None,
                    })
                    .flatten()
                    .copied()
                    .collect();
                let expected = [pattern(size), pattern(size)].concat();
                assert!(expected.starts_with(&received));
                if !matches!(told.last(), Some(Told::Lost(None))) {
                    count.set(1);
                } else {
                    assert!(received == expected);
                }
                server.close();
                server.wait_closed().await;
            });
            let network = event_loop.sim_network().unwrap();
            drop(event_loop);
            assert_eq!(network.open_sockets(), 0);
            lost += failed.get();
        }
        assert!((10..60).contains(&lost), "{lost} of 60 were lost");
    });
}

#[test]
fn a_silent_network_is_outlasted_by_a_time_out() {
    simulate(SimOptions::default(), async {
        let served = Record::new().on_data(|transport, data| transport.write(data));
        let (_server, address) = serve(&served);
        let client = Record::new();
        let transport = connect(&address.into(), &client).await;
        let network = get_running_loop().sim_network().unwrap();
        network.partition();
        transport.write(b"anybody there?");
        let answer = timeout(
            Duration::from_secs(3600),
            client.until(|client| client.bytes() > 0),
        );
        assert!(answer.await.is_err());
        network.heal();
        client.until(|client| client.bytes() == 14).await;
        network.reset_all();
        client.lost().await;
        let lost = Told::Lost(Some(io::ErrorKind::ConnectionReset));
        assert_eq!(client.told().last(), Some(&lost));
    });
}

#[test]
fn paths_are_names_and_leave_no_file() {
    simulate(SimOptions::default(), async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        // A real file of that name is none of this network's business.
        std::fs::write(&path, "precious").unwrap();
        let serve = || {
            create_server(path.as_path(), ServerOptions::default(), || {
                Record::new().protocol()
            })
        };
        let server = serve().unwrap();
        assert_eq!(server.sockets(), [Address::Unix(Some(path.clone()))]);
        assert_eq!(serve().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let client = Record::new();
        let transport = connect(&path.clone().into(), &client).await;
        assert_eq!(
            transport.peer_address(),
            Some(Address::Unix(Some(path.clone())))
        );
        assert_eq!(transport.local_address(), Some(Address::Unix(None)));
        assert!(transport.with_socket(|_| ()).is_none(), "no descriptor");
        drop(server);
        let error = open_connection(path.as_path()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    });
}

#[test]
fn real_sockets_are_refused_by_name() {
    simulate(SimOptions::default(), async {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let record = Record::new();
        Transport::from_connected(ours.into(), record.protocol()).unwrap();
        record.lost().await;
        let told = record.error().unwrap().to_string();
        assert!(told.contains("a simulated loop has none"), "{told}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error =
            create_server_from(vec![listener.into()], || Record::new().protocol()).unwrap_err();
        assert!(
            error.to_string().contains("a simulated loop has none"),
            "{error}"
        );
    });
}

#[test]
fn running_out_of_sockets_pauses_accepting() {
    let options = SimOptions {
        max_sockets: 6,
        ..SimOptions::default()
    };
    simulate(options, async {
        let complaints = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let complaints = complaints.clone();
            move |_, context| complaints.borrow_mut().push(context.to_string())
        });
        let served = Record::new().on_data(|transport, data| transport.write(data));
        let (_server, address) = serve(&served);
        // One listener, three clients, and room for two of their peers.
        let clients: Vec<_> = (0..3).map(|_| Record::new()).collect();
        for client in &clients {
            connect(&address.into(), client).await.write(b"x");
        }
        sleep(Duration::from_secs(5)).await;
        let answered = || clients.iter().filter(|client| client.bytes() == 1);
        assert_eq!(answered().count(), 2);
        answered().next().unwrap().transport().close();
        for client in &clients {
            client
                .until(|client| client.bytes() == 1 || client.is_lost())
                .await;
        }
        assert_eq!(answered().count(), 3);
        let complaints = complaints.borrow();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("accepting at "), "{complaints:?}");
    });
}

#[test]
fn a_seed_replays_everything() {
    fn trace(seed: u64) -> Vec<SimEvent> {
        let options = SimOptions {
            trace: true,
            ..rough(seed)
        };
        let event_loop = simulate(options, async {
            let served = Record::new().on_data(|transport, data| transport.write(data));
            let (_server, address) = serve(&served);
            let clients: Vec<_> = (0..4).map(|_| Record::new()).collect();
            for client in &clients {
                connect(&address.into(), client)
                    .await
                    .write(&pattern(5_000));
                yield_now().await;
            }
            for client in &clients {
                client.until(|client| client.bytes() == 5_000).await;
            }
        });
        event_loop.sim_network().unwrap().take_trace()
    }
    let first = trace(1);
    assert!(first.len() > 200);
    assert_eq!(first, trace(1));
    assert_ne!(first, trace(2));
}

#[test]
fn who_waits_for_a_connection_that_says_nothing_is_named() {
    within(|| {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions::calm())
            .build()
            .unwrap();
        event_loop.set_exception_handler(|_, _| {});
        let result = event_loop.run_until_complete(async {
            let served = Record::new();
            let (server, address) = serve(&served);
            let reading = spawn_named("reading", async move {
                let (mut reader, _writer) = open_connection(address).await.unwrap();
                reader.read(1).await.is_ok()
            });
            let _ = reading.await;
            drop(server);
        });
        let why = result.unwrap_err().cancelled().unwrap().clone();
        assert!(why.is_deadlock());
        let report = why.reason();
        let line = report.lines().find(|line| line.contains("`reading` from"));
        let line = line.unwrap_or_default();
        assert!(line.contains(" waits for fd "), "{report}");
        assert!(line.contains(" to be readable, of "), "{report}");
        assert!(report.contains("watched: fd "), "{report}");
        assert!(report.contains("listener at "), "{report}");
    });
}
