//! TCP as it loses, sends again and gives up.

use super::*;

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
