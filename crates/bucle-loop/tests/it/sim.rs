//! The simulated world: time that jumps, a network decided by a seed, replay.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bucle_loop::sim::{SimAddress, SimEvent, SimEventKind, SimNetwork, SimOptions, SimSocket};
use bucle_loop::{
    EventLoop, Interest, LoopBuilder, Readiness, Source, get_running_loop, sleep, spawn, timeout,
    yield_now,
};

use crate::{WATCHDOG, new_loop, within};

fn simulated(options: SimOptions) -> EventLoop {
    EventLoop::builder().simulated(options).build().unwrap()
}

fn run<T: 'static>(options: SimOptions, body: impl Future<Output = T> + 'static) -> T {
    simulated(options).run_until_complete(body).unwrap()
}

fn network() -> SimNetwork {
    get_running_loop().sim_network().unwrap()
}

fn address(text: &str) -> SimAddress {
    text.parse().unwrap()
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 % 251) as u8).collect()
}

#[derive(Default)]
struct Waiting {
    seen: Cell<Option<Readiness>>,
    waker: RefCell<Option<Waker>>,
}

impl Source for Waiting {
    fn ready(&self, readiness: Readiness) {
        self.seen.set(Some(readiness));
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

async fn wait(socket: &SimSocket, interest: Interest) -> Readiness {
    let event_loop = get_running_loop();
    let waiting = Rc::new(Waiting::default());
    let registration = event_loop
        .register(socket, interest, waiting.clone())
        .unwrap();
    let readiness = poll_fn(|cx| match waiting.seen.get() {
        Some(readiness) => Poll::Ready(readiness),
        None => {
            *waiting.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }
    })
    .await;
    event_loop.deregister(socket, registration);
    readiness
}

async fn retry<T>(
    socket: &SimSocket,
    interest: Interest,
    mut call: impl FnMut(&SimSocket) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match call(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(socket, interest).await,
            result => return result,
        };
    }
}

async fn accept(listener: &SimSocket) -> SimSocket {
    let accepted = retry(listener, Interest::READ, SimSocket::accept).await;
    accepted.unwrap().0
}

async fn connect(address: &SimAddress) -> io::Result<SimSocket> {
    let socket = network().connect(address)?;
    wait(&socket, Interest::WRITE).await;
    socket.take_error()?;
    Ok(socket)
}

async fn send_all(socket: &SimSocket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = retry(socket, Interest::WRITE, |socket| socket.send(bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

async fn recv_to_end(socket: &SimSocket) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match retry(socket, Interest::READ, |socket| socket.recv(&mut buffer)).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A server that sends back what it reads, and clients that check it.
async fn echo_among_many(clients: usize, bytes: usize) {
    let address = address("127.0.0.1:7");
    let listener = network().listen(&address, 64).unwrap();
    let server = spawn(async move {
        loop {
            let connection = accept(&listener).await;
            spawn(async move {
                let all = recv_to_end(&connection).await.unwrap();
                send_all(&connection, &all).await.unwrap();
            })
            .detach();
        }
    })
    .cancel_on_drop();
    let clients: Vec<_> = (0..clients)
        .map(|n| {
            let address = address.clone();
            spawn(async move {
                let socket = connect(&address).await.unwrap();
                let sent = pattern(bytes + n);
                send_all(&socket, &sent).await.unwrap();
                socket.shutdown(Shutdown::Write).unwrap();
                assert_eq!(recv_to_end(&socket).await.unwrap(), sent);
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    drop(server);
}

#[test]
fn a_builder_is_send() {
    fn check<T: Send>() {}
    check::<LoopBuilder>();
}

#[test]
fn a_day_passes_at_once_and_to_the_nanosecond() {
    within(WATCHDOG, || {
        run(SimOptions::default(), async {
            let event_loop = get_running_loop();
            assert_eq!(event_loop.selector_name(), "sim");
            let begun = event_loop.time();
            let day = Duration::from_secs(86_400) + Duration::from_nanos(1);
            sleep(day).await;
            assert_eq!(event_loop.time() - begun, day);
            let early = timeout(Duration::from_secs(5), sleep(day)).await;
            assert!(early.is_err());
            assert_eq!(event_loop.time() - begun, day + Duration::from_secs(5));
        });
    });
}

#[test]
fn timers_and_traffic_come_in_the_order_of_their_times() {
    run(
        SimOptions {
            latency: Duration::from_millis(5)..=Duration::from_millis(5),
            ..SimOptions::calm()
        },
        async {
            let (a, b) = network().pair().unwrap();
            let log = Rc::new(RefCell::new(Vec::new()));
            let note = |what: &'static str, millis| {
                let log = log.clone();
                async move {
                    sleep(Duration::from_millis(millis)).await;
                    log.borrow_mut().push(what);
                }
            };
            spawn(note("before", 4)).detach();
            spawn(note("after", 6)).detach();
            a.send(b"x").unwrap();
            wait(&b, Interest::READ).await;
            log.borrow_mut().push("arrival");
            sleep(Duration::from_millis(9)).await;
            assert_eq!(*log.borrow(), ["before", "arrival", "after"]);
        },
    );
}

#[test]
fn what_was_sent_arrives_in_order_between_the_least_and_the_greatest_latency() {
    let (least, most) = (Duration::from_millis(1), Duration::from_millis(50));
    run(
        SimOptions {
            latency: least..=most,
            max_segment: 1,
            ..SimOptions::calm()
        },
        async move {
            let (a, b) = network().pair().unwrap();
            let begun = get_running_loop().time();
            a.send(&pattern(100)).unwrap();
            drop(a);
            assert!(b.recv(&mut [0; 9]).is_err(), "nothing arrives at once");
            assert_eq!(recv_to_end(&b).await.unwrap(), pattern(100));
            let took = get_running_loop().time() - begun;
            assert!(took > least && took <= most, "{took:?}");
        },
    );
}

#[test]
fn partial_reads_and_writes_lose_nothing() {
    within(WATCHDOG, || {
        for seed in 0..20 {
            let options = SimOptions {
                max_segment: 100,
                partial_probability: 0.8,
                send_buffer: 777,
                ..SimOptions::seeded(seed)
            };
            run(options, echo_among_many(3, 10_000));
        }
    });
}

fn trace_of(options: SimOptions) -> Vec<SimEvent> {
    let event_loop = simulated(SimOptions {
        trace: true,
        ..options
    });
    event_loop
        .run_until_complete(echo_among_many(5, 5_000))
        .unwrap();
    event_loop.sim_network().unwrap().take_trace()
}

#[test]
fn the_same_seed_is_the_same_run() {
    within(WATCHDOG, || {
        let mut traces = Vec::new();
        for seed in 0..8 {
            let options = SimOptions {
                shuffle_ready_tasks: seed % 2 == 1,
                ..SimOptions::seeded(seed)
            };
            let trace = trace_of(options.clone());
            assert!(trace.len() > 50);
            assert!(trace == trace_of(options), "seed {seed}");
            traces.push(trace);
        }
        for (n, trace) in traces.iter().enumerate() {
            assert!(!traces[..n].contains(trace), "seed {n} is like another");
        }
    });
}

#[test]
fn what_a_program_draws_is_the_seeds_and_does_not_disturb_the_network() {
    let draw = |seed| {
        run(SimOptions::seeded(seed), async {
            let event_loop = get_running_loop();
            (0..4).map(|_| event_loop.random_u64()).collect::<Vec<_>>()
        })
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let real = new_loop();
    assert_ne!(real.random_u64(), real.random_u64());

    let with_draws = simulated(SimOptions {
        trace: true,
        ..SimOptions::seeded(3)
    });
    with_draws.random_u64();
    with_draws
        .run_until_complete(echo_among_many(5, 5_000))
        .unwrap();
    let network = with_draws.sim_network().unwrap();
    let trace = network.take_trace();
    assert!(matches!(trace[0].kind, SimEventKind::Drew(_)));
    let of_network = |trace: Vec<SimEvent>| {
        let events = trace.into_iter();
        let events = events.filter(|event| event.connection.is_some());
        events.collect::<Vec<_>>()
    };
    let without = trace_of(SimOptions::seeded(3));
    assert!(of_network(trace) == of_network(without));
}

#[test]
fn ready_tasks_run_in_order_unless_the_seed_is_to_decide() {
    let order = |options| {
        run(options, async {
            let log = Rc::new(RefCell::new(Vec::new()));
            for n in 0..8 {
                let log = log.clone();
                spawn(async move { log.borrow_mut().push(n) }).detach();
            }
            sleep(Duration::from_millis(1)).await;
            log.take()
        })
    };
    assert_eq!(order(SimOptions::seeded(9)), (0..8).collect::<Vec<_>>());
    let shuffled = |seed| {
        order(SimOptions {
            shuffle_ready_tasks: true,
            ..SimOptions::seeded(seed)
        })
    };
    assert_eq!(shuffled(1), shuffled(1));
    assert!((0..8).any(|seed| shuffled(seed) != shuffled(8)));
    let mut all = shuffled(5);
    all.sort_unstable();
    assert_eq!(all, (0..8).collect::<Vec<_>>());
}

#[test]
fn callbacks_keep_their_order_under_any_seed() {
    for seed in 0..20 {
        let event_loop = simulated(SimOptions {
            shuffle_ready_tasks: true,
            ..SimOptions::seeded(seed)
        });
        let log = Rc::new(RefCell::new(Vec::new()));
        for n in 0..10 {
            let log = log.clone();
            event_loop.call_soon(move || log.borrow_mut().push(n));
            event_loop.spawn(async {}).detach();
        }
        event_loop.turn();
        assert_eq!(*log.borrow(), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn connections_that_are_ready_together_come_in_an_order_of_the_seed() {
    let order = |seed| {
        run(
            SimOptions {
                reorder_ready_sockets: true,
                seed,
                ..SimOptions::calm()
            },
            async {
                let log = Rc::new(RefCell::new(Vec::new()));
                let mut peers = Vec::new();
                for n in 0..6 {
                    let (a, b) = network().pair().unwrap();
                    let log = log.clone();
                    spawn(async move {
                        wait(&b, Interest::READ).await;
                        log.borrow_mut().push(n);
                    })
                    .detach();
                    peers.push(a);
                }
                yield_now().await;
                for peer in &peers {
                    peer.send(b"x").unwrap();
                }
                sleep(Duration::from_secs(1)).await;
                log.take()
            },
        )
    };
    assert_eq!(order(4), order(4));
    assert!((0..8).any(|seed| order(seed) != order(8)));
}

#[test]
fn a_peer_that_does_not_read_stops_the_sender() {
    run(SimOptions::calm(), async {
        let (a, b) = network().pair().unwrap();
        let mut sent = 0;
        let error = loop {
            match a.send(&[0; 10_000]) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(sent, SimOptions::calm().send_buffer);
        let blocked = timeout(Duration::from_secs(60), wait(&a, Interest::WRITE)).await;
        assert!(blocked.is_err(), "it is not writable while nobody reads");
        let mut read = 0;
        while read < sent / 2 {
            read += b.recv(&mut [0; 5_000]).unwrap();
        }
        wait(&a, Interest::WRITE).await;
        assert_eq!(a.send(&vec![0; sent]).unwrap(), read);
    });
}

#[test]
fn a_lost_segment_resets_both_ends() {
    run(
        SimOptions {
            reset_probability: 1.0,
            ..SimOptions::default()
        },
        async {
            let address = address("[::1]:80");
            let listener = network().listen(&address, 1).unwrap();
            let client = connect(&address).await.unwrap();
            let server = accept(&listener).await;
            client.send(b"hello").unwrap();
            for end in [&client, &server] {
                assert_eq!(wait(end, Interest::READ).await, Readiness::BOTH);
                let error = end.recv(&mut [0; 9]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                assert_eq!(end.recv(&mut [0; 9]).unwrap(), 0, "the error is told once");
                let error = end.send(b"x").unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            }
        },
    );
}

#[test]
fn all_connections_can_be_reset_at_once() {
    run(SimOptions::default(), async {
        let (a, b) = network().pair().unwrap();
        network().reset_all();
        for end in [&a, &b] {
            let error = end.take_error().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert!(end.take_error().is_ok());
        }
    });
}

#[test]
fn a_partition_holds_everything_back_until_it_heals() {
    run(SimOptions::default(), async {
        let (a, b) = network().pair().unwrap();
        a.send(b"before").unwrap();
        network().partition();
        let nothing = timeout(Duration::from_secs(3600), wait(&b, Interest::READ)).await;
        assert!(nothing.is_err());
        network().heal();
        wait(&b, Interest::READ).await;
        assert!(b.recv(&mut [0; 9]).unwrap() > 0);
    });
}

#[test]
fn nothing_that_can_happen_is_a_deadlock_and_says_who_waits() {
    let event_loop = simulated(SimOptions::default());
    let told = Rc::new(RefCell::new(String::new()));
    event_loop.set_exception_handler({
        let told = told.clone();
        move |_, context| *told.borrow_mut() = context.to_string()
    });
    let (_a, b) = event_loop.sim_network().unwrap().pair().unwrap();
    event_loop
        .spawn_named("reader", async move {
            wait(&b, Interest::READ).await;
        })
        .detach();
    let line = line!() - 4;
    let error = event_loop
        .run_until_complete(std::future::pending::<()>())
        .unwrap_err();
    let why = error.cancelled().unwrap().reason().to_owned();
    assert!(why.contains("deadlock"), "{why}");
    let told = told.borrow();
    assert!(told.contains("deadlock"), "{told}");
    assert!(told.contains("`reader`"), "{told}");
    assert!(told.contains(&format!("sim.rs:{line}")), "{told}");
    // The loop is as usable as before.
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
}

#[test]
fn what_is_real_is_refused_by_name() {
    let event_loop = simulated(SimOptions::default());
    let (a, _b) = UnixStream::pair().unwrap();
    let errors = [
        event_loop.add_reader(&a, || {}).unwrap_err(),
        event_loop.add_writer(&a, || {}).unwrap_err(),
        event_loop.add_signal_handler(10, || {}).unwrap_err(),
        event_loop
            .register(&a, Interest::NONE, Rc::new(Waiting::default()))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(text.contains("real; a simulated loop has none"), "{text}");
    }
    assert_eq!(event_loop.watched_fds(), 0);
    let (sim, _peer) = event_loop.sim_network().unwrap().pair().unwrap();
    let real = new_loop();
    assert!(real.sim_network().is_none());
    let error = real.add_reader(&sim, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let other = simulated(SimOptions::default());
    let error = other.add_reader(&sim, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn addresses_are_taken_given_out_and_freed() {
    run(SimOptions::default(), async {
        let network = network();
        let first = network.listen(&address("127.0.0.1:0"), 1).unwrap();
        let taken = first.local_address().unwrap().unwrap();
        assert_ne!(taken, address("127.0.0.1:0"));
        let any = taken.to_string().replace("127.0.0.1", "0.0.0.0");
        for again in [taken.clone(), address(&any)] {
            let error = network.listen(&again, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
        }
        let v6 = any.replace("0.0.0.0", "[::]");
        network.listen(&address(&v6), 1).unwrap();
        drop(first);
        let any = network.listen(&address(&any), 1).unwrap();
        let client = connect(&taken).await.unwrap();
        let (server, peer) = any.accept().unwrap();
        assert_eq!(peer, client.local_address().unwrap());
        assert_eq!(server.peer_address().unwrap(), peer);
        assert_eq!(client.peer_address().unwrap(), Some(taken));

        let name = address("unix:/run/x");
        let error = network.connect(&name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let listener = network.listen(&name, 1).unwrap();
        assert_eq!(
            network.listen(&name, 1).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        let client = network.connect(&name).unwrap();
        let error = network.connect(&name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "the queue is full");
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(peer, None);
        assert_eq!(client.peer_address().unwrap(), Some(name));
        server.send(b"hi").unwrap();
        assert!(
            retry(&client, Interest::READ, |s| s.recv(&mut [0; 9]))
                .await
                .unwrap()
                > 0
        );
    });
}

#[test]
fn nobody_there_refuses_and_nobody_answering_times_out() {
    run(SimOptions::default(), async {
        let error = connect(&address("10.0.0.9:80")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let full = address("10.0.0.9:81");
        let listener = network().listen(&full, 1).unwrap();
        let _first = connect(&full).await.unwrap();
        let begun = get_running_loop().time();
        let error = connect(&full).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let took = get_running_loop().time() - begun;
        assert!(took > Duration::from_secs(60), "{took:?}");
        // With room in time, it is one of the repeated attempts that gets through.
        let late = spawn(async move { connect(&full).await });
        sleep(Duration::from_secs(2)).await;
        accept(&listener).await;
        late.await.unwrap().unwrap();
    });
}

#[test]
fn a_listener_that_closes_resets_who_waits_in_its_queue() {
    run(SimOptions::default(), async {
        let address = address("127.0.0.1:80");
        let listener = network().listen(&address, 4).unwrap();
        let client = connect(&address).await.unwrap();
        drop(listener);
        wait(&client, Interest::READ).await;
        let error = client.recv(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_client_that_gives_up_early_is_accepted_and_has_ended() {
    for seed in 0..50 {
        run(SimOptions::seeded(seed), async {
            let address = address("127.0.0.1:80");
            let listener = network().listen(&address, 4).unwrap();
            let client = network().connect(&address).unwrap();
            let micros = get_running_loop().random_u64() % 4_000;
            sleep(Duration::from_micros(micros)).await;
            drop(client);
            let Ok(server) = timeout(Duration::from_secs(1), accept(&listener)).await else {
                return;
            };
            assert_eq!(recv_to_end(&server).await.unwrap(), b"");
            drop((server, listener));
            assert_eq!(network().open_sockets(), 0);
        });
    }
}

#[test]
fn running_out_of_sockets_leaves_the_connection_in_the_queue() {
    run(
        SimOptions {
            max_sockets: 3,
            ..SimOptions::default()
        },
        async {
            let address = address("127.0.0.1:80");
            let listener = network().listen(&address, 4).unwrap();
            let one = connect(&address).await.unwrap();
            let two = connect(&address).await.unwrap();
            let error = listener.accept().unwrap_err();
            assert!(bucle_sys::socket::is_exhausted(&error), "{error}");
            assert!(network().pair().is_err());
            drop(two);
            listener.accept().unwrap();
            drop(one);
        },
    );
}

/// What an epoll loop has to get right with descriptors (see `fds`): here it can be told exactly.
#[test]
fn a_recycled_number_gets_no_event_of_its_predecessor() {
    let event_loop = simulated(SimOptions::calm());
    let network = event_loop.sim_network().unwrap();
    let (first, first_peer) = network.pair().unwrap();
    let (second, second_peer) = network.pair().unwrap();
    let second = Rc::new(RefCell::new(Some(second)));
    let kept = Rc::new(RefCell::new(Vec::new()));
    let waiting = Rc::new(Waiting::default());
    event_loop
        .add_reader(&first, {
            let (event_loop, second, kept) = (event_loop.clone(), second.clone(), kept.clone());
            let (network, waiting) = (network.clone(), waiting.clone());
            move || {
                let Some(old) = second.borrow_mut().take() else {
                    return;
                };
                let number = format!("{old:?}");
                event_loop.remove_reader(&old);
                drop(old);
                let (new, peer) = network.pair().unwrap();
                assert_eq!(format!("{new:?}"), number, "the lowest free number");
                event_loop
                    .register(&new, Interest::READ, waiting.clone())
                    .unwrap();
                kept.borrow_mut().extend([new, peer]);
            }
        })
        .unwrap();
    event_loop
        .add_reader(second.borrow().as_ref().unwrap(), || {
            panic!("its socket was closed before")
        })
        .unwrap();
    first_peer.send(b"x").unwrap();
    second_peer.send(b"x").unwrap();
    event_loop.call_soon(|| {});
    event_loop.turn();
    assert_eq!(event_loop.counters().stale_events, 1);
    assert_eq!(event_loop.counters().exceptions, 0);
    assert_eq!(waiting.seen.get(), None);
}

#[test]
fn a_socket_closed_while_watched_is_forgotten() {
    let event_loop = simulated(SimOptions::calm());
    let network = event_loop.sim_network().unwrap();
    let (a, b) = network.pair().unwrap();
    event_loop.add_reader(&a, || panic!("closed")).unwrap();
    b.send(b"x").unwrap();
    drop(a);
    event_loop.call_soon(|| {});
    event_loop.turn();
    assert_eq!(event_loop.counters().exceptions, 0);
    // The number's next owner can be watched at once.
    let (c, _d) = network.pair().unwrap();
    event_loop.add_reader(&c, || {}).unwrap();
    assert!(event_loop.remove_reader(&c));
}

#[test]
fn who_spins_sees_time_pass() {
    within(WATCHDOG, || {
        run(SimOptions::default(), async {
            let done = Rc::new(Cell::new(false));
            let flag = done.clone();
            let (a, b) = network().pair().unwrap();
            spawn(async move {
                sleep(Duration::from_millis(1)).await;
                a.send(b"x").unwrap();
                flag.set(true);
            })
            .detach();
            while !done.get() {
                yield_now().await;
            }
            while b.recv(&mut [0; 1]).is_err() {
                yield_now().await;
            }
        });
    });
}

#[test]
fn messages_of_other_threads_are_taken() {
    let event_loop = simulated(SimOptions::default());
    let remote = event_loop.remote();
    std::thread::spawn(move || {
        remote
            .call_soon_threadsafe(|| get_running_loop().stop())
            .unwrap();
    })
    .join()
    .unwrap();
    event_loop.run_forever();
    assert_eq!(event_loop.counters().exceptions, 0, "and it is no deadlock");
}

#[test]
fn the_trace_reads_as_what_happened() {
    let event_loop = simulated(SimOptions {
        trace: true,
        ..SimOptions::calm()
    });
    let network = event_loop.sim_network().unwrap();
    let (a, b) = network.pair().unwrap();
    a.send(b"hello").unwrap();
    event_loop.call_soon(|| {});
    event_loop.turn();
    b.recv(&mut [0; 9]).unwrap();
    drop(a);
    event_loop.call_soon(|| {});
    event_loop.turn();
    let trace = network.take_trace();
    let of_network = trace.iter().filter(|event| event.connection.is_some());
    let kinds: Vec<_> = of_network.map(|event| event.kind.clone()).collect();
    let to_server = true;
    assert_eq!(
        kinds,
        [
            SimEventKind::Established,
            SimEventKind::Sent {
                to_server,
                bytes: 5
            },
            SimEventKind::Arrived {
                to_server,
                bytes: 5
            },
            SimEventKind::Received {
                to_server,
                bytes: 5
            },
            SimEventKind::Eof { to_server },
        ]
    );
    let lines: Vec<String> = trace.iter().map(ToString::to_string).collect();
    assert!(lines[1].ends_with(" #1 -> sent 5"), "{lines:?}");
    let callback = format!(" callback of {}:", file!());
    assert!(lines[3].contains(&callback), "{lines:?}");
}

#[test]
fn the_trace_tells_what_ran_in_which_order() {
    let event_loop = simulated(SimOptions {
        trace: true,
        ..SimOptions::calm()
    });
    let named = event_loop.spawn_named("reader", async {
        let (a, b) = network().pair().unwrap();
        a.send(b"x").unwrap();
        wait(&b, Interest::READ).await;
    });
    event_loop.call_soon(|| {}).cancel();
    event_loop.run_until_complete(named).unwrap().unwrap();
    let trace = event_loop.sim_network().unwrap().take_trace();
    let lines: Vec<String> = trace.iter().map(ToString::to_string).collect();
    let place = format!("from {}:", file!());
    assert!(lines[0].contains("task `reader` "), "{lines:#?}");
    assert!(lines[0].contains(&place), "{lines:#?}");
    // Numbers begin anew in each simulated loop.
    assert!(lines[3].contains("task `Task-2` "), "{lines:#?}");
    assert!(lines[5].ends_with("socket 1 is readable"), "{lines:#?}");
    let tasks = lines.iter().filter(|line| line.contains("`reader`"));
    assert_eq!(
        tasks.count(),
        2,
        "the cancelled callback ran not: {lines:#?}"
    );
}

#[test]
fn of_a_long_trace_the_end_can_be_kept() {
    let of = |trace_limit| {
        let event_loop = simulated(SimOptions {
            trace: true,
            trace_limit,
            ..SimOptions::default()
        });
        event_loop
            .run_until_complete(echo_among_many(2, 100))
            .unwrap();
        event_loop.sim_network().unwrap().take_trace()
    };
    let all = of(usize::MAX);
    assert!(all.len() > 20);
    assert_eq!(of(10), all[all.len() - 10..]);
    assert_eq!(of(0), []);
}

#[test]
fn two_simulated_loops_have_each_a_first_task_and_it_is_not_the_same() {
    let (one, two) = (simulated(SimOptions::calm()), simulated(SimOptions::calm()));
    let (first, second) = (one.spawn(async {}), two.spawn(async {}));
    assert_eq!(first.tag().id(), 1);
    assert_eq!(second.tag().id(), 1);
    assert!(first.handle() == first.handle());
    assert!(first.handle() != second.handle());
}

/// A connection over TCP, client's end first.
async fn tcp_pair() -> (SimSocket, SimSocket) {
    let address = address("127.0.0.1:80");
    let listener = network().listen(&address, 1).unwrap();
    let client = connect(&address).await.unwrap();
    (client, accept(&listener).await)
}

#[test]
fn what_is_lost_is_sent_again_later() {
    for seed in 0..20 {
        let options = SimOptions {
            loss_probability: 0.5,
            ..SimOptions::seeded(seed)
        };
        run(options, async {
            let begun = get_running_loop().time();
            let (client, server) = tcp_pair().await;
            for _ in 0..10 {
                send_all(&client, &pattern(3_000)).await.unwrap();
            }
            drop(client);
            let all = recv_to_end(&server).await.unwrap();
            assert_eq!(all, pattern(3_000).repeat(10));
            let took = get_running_loop().time() - begun;
            assert!(took > Duration::from_millis(200), "{took:?}");
        });
    }
}

#[test]
fn what_is_lost_again_and_again_is_given_up() {
    let options = SimOptions {
        loss_probability: 1.0,
        ..SimOptions::default()
    };
    run(options, async {
        let begun = get_running_loop().time();
        let error = connect(&address("127.0.0.1:80")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let took = (get_running_loop().time() - begun).as_secs();
        assert_eq!(took, 127);
        // Not of a Unix socket, nor of a pair: there is no wire between them.
        let (a, b) = network().pair().unwrap();
        a.send(b"x").unwrap();
        wait(&b, Interest::READ).await;
    });
}

#[test]
fn when_the_way_is_cut_who_sends_learns_it_and_who_waits_does_not() {
    let event_loop = simulated(SimOptions {
        cut_probability: 0.5,
        trace: true,
        // One under which the attempt to connect gets through.
        seed: 2,
        ..SimOptions::default()
    });
    event_loop
        .run_until_complete(async {
            let (client, server) = tcp_pair().await;
            let begun = get_running_loop().time();
            // Until the seed has cut it.
            for _ in 0..20 {
                client.send(b"anybody there?").unwrap();
            }
            wait(&client, Interest::READ).await;
            let error = client.take_error().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let took = (get_running_loop().time() - begun).as_millis();
            assert_eq!(took, 924_600);
            assert!(client.send(b"x").is_err());
            let mut arrived = [0; 1_000];
            while server.recv(&mut arrived).is_ok() {}
            let silence = timeout(Duration::from_secs(86_400), wait(&server, Interest::READ));
            assert!(silence.await.is_err());
            // Its own words get nowhere either.
            server.send(b"anybody there?").unwrap();
            wait(&server, Interest::READ).await;
            let error = server.take_error().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        })
        .unwrap();
    let trace = event_loop.sim_network().unwrap().take_trace();
    let count = |kind| trace.iter().filter(|event| event.kind == kind).count();
    assert_eq!(count(SimEventKind::Cut), 1);
    assert_eq!(count(SimEventKind::GaveUp { to_server: true }), 1);
    assert_eq!(count(SimEventKind::GaveUp { to_server: false }), 1);
}

#[test]
fn an_attempt_that_finds_the_way_cut_times_out() {
    let options = SimOptions {
        cut_probability: 1.0,
        ..SimOptions::default()
    };
    run(options, async {
        let address = address("127.0.0.1:80");
        let _listener = network().listen(&address, 1).unwrap();
        let begun = get_running_loop().time();
        let error = connect(&address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let took = (get_running_loop().time() - begun).as_secs();
        assert_eq!(took, 127);
    });
}

#[test]
fn the_worlds_of_a_sweep_differ_and_the_first_is_the_default() {
    assert_eq!(SimOptions::varied(0), SimOptions::default());
    assert_eq!(SimOptions::faulty(0), SimOptions::default());
    let worlds: Vec<SimOptions> = (1..200).map(SimOptions::faulty).collect();
    let default = SimOptions::default();
    for (seed, world) in (1..).zip(&worlds) {
        assert_eq!(*world, SimOptions::faulty(seed));
        assert!(world.shuffle_ready_tasks);
        assert!(world.latency.end() <= default.latency.end());
    }
    let some = |what: fn(&SimOptions) -> bool| {
        let count = worlds.iter().filter(|world| what(world)).count();
        assert!((10..190).contains(&count), "{count} of 199");
    };
    some(|world| world.reset_probability == 0.0);
    some(|world| world.loss_probability == 0.0);
    some(|world| world.cut_probability == 0.0);
    some(|world| world.latency.end().is_zero());
    some(|world| world.partial_probability == 0.0);
    some(|world| world.send_buffer < 64 * 1024);
}
