//! The network of a seed: latency, partial reads, connections that are refused, reset or cut off, and names.

use super::*;

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
