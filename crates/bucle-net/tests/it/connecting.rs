//! Connecting by name, and to several addresses.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use bucle_loop::{EventLoop, SimOptions, sleep, timeout};
use bucle_net::{
    ConnectOptions, create_connection, create_connection_with, getaddrinfo, getnameinfo,
    open_connection,
};
use bucle_sys::socket::{bind_tcp, connect_tcp, listen, local_address};

use crate::support::*;

/// An address where nobody listens.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// An address that does not answer: its queue is full, and more is not even refused.
fn silent() -> (SocketAddr, Vec<OwnedFd>) {
    let listener = bind_tcp(&"127.0.0.1:0".parse().unwrap(), false).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(local_address(&listener).unwrap()).unwrap();
    let mut kept = vec![listener];
    for _ in 0..4 {
        kept.push(connect_tcp(&address).unwrap());
    }
    (address, kept)
}

fn patient() -> ConnectOptions {
    ConnectOptions::default().happy_eyeballs_delay(Duration::MAX)
}

#[test]
fn a_failure_starts_the_next_at_once() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let addresses = vec![refusing(), refusing(), good, refusing()];
        let record = Record::new();
        let transport = create_connection_with(addresses, patient(), || record.protocol());
        let transport = transport.await.unwrap();
        assert_eq!(transport.peer_address(), Some(good.into()));
    });
}

#[test]
fn one_that_does_not_answer_is_overtaken() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let (silent, _kept) = silent();
        let record = Record::new();
        let begun = Instant::now();
        let addresses = vec![silent, good];
        let transport = create_connection(addresses.clone(), || record.protocol()).await;
        let transport = transport.unwrap();
        assert_eq!(transport.peer_address(), Some(good.into()));
        assert!(begun.elapsed() >= bucle_net::HAPPY_EYEBALLS_DELAY);
        // Without that, it would hang.
        let hanging = create_connection_with(addresses, patient(), || record.protocol());
        assert!(timeout(Duration::from_millis(50), hanging).await.is_err());
        let soon = ConnectOptions::default().happy_eyeballs_delay(Duration::from_millis(1));
        let addresses = vec![silent, silent, silent, good];
        let transport = create_connection_with(addresses, soon, || record.protocol());
        assert_eq!(transport.await.unwrap().peer_address(), Some(good.into()));
    });
}

#[test]
fn all_failures_are_told() {
    run(|| async {
        let addresses = vec![refusing(), refusing()];
        let error = open_connection(addresses.clone()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        for address in addresses {
            let part = format!("can't connect to {address}: Connection refused");
            assert!(error.to_string().contains(&part), "{error}");
        }
        // One that has not failed yet is waited for.
        let (silent, _kept) = silent();
        let addresses = vec![silent, refusing()];
        let hanging = open_connection(addresses);
        assert!(timeout(Duration::from_millis(400), hanging).await.is_err());
    });
}

#[test]
fn names_are_looked_up() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Known to the system's resolver only.
        let (_, writer) = open_connection(("127.1", address.port())).await.unwrap();
        assert_eq!(writer.transport().peer_address(), Some(address.into()));
        let by_name = format!("localhost.:{}", address.port());
        let (_, writer) = open_connection(by_name).await.unwrap();
        assert_eq!(writer.transport().peer_address(), Some(address.into()));
        for host in ["a..b", &"x".repeat(300)] {
            let error = getaddrinfo(host, 80).await.unwrap_err();
            let part = format!("can't look up `{host}`");
            assert!(error.to_string().contains(&part), "{error}");
            assert!(open_connection((host, 80)).await.is_err());
        }
        for wrong in ["", "a b", "a/b", "http://example.com"] {
            let error = getaddrinfo(wrong, 80).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{wrong}");
        }
        let found = getaddrinfo("::1", 80).await.unwrap();
        assert_eq!(found, ["[::1]:80".parse().unwrap()]);
    });
}

#[test]
fn addresses_have_names_or_numbers() {
    run(|| async {
        for address in ["127.0.0.1:80", "[::1]:80"] {
            let (host, service) = getnameinfo(address.parse().unwrap()).await.unwrap();
            assert!(!host.is_empty() && ["http", "80"].contains(&&service[..]));
        }
    });
}

#[test]
fn a_dropped_look_up_is_given_up() {
    run(|| async {
        for _ in 0..50 {
            let look_up = getaddrinfo("127.1", 1);
            let _ = timeout(Duration::ZERO, look_up).await;
        }
        assert_eq!(getaddrinfo("127.2", 1).await.unwrap().len(), 1);
    });
}

#[test]
fn simulated_networks_have_no_names() {
    within(|| {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions::default())
            .build()
            .unwrap();
        event_loop
            .run_until_complete(async {
                for error in [
                    getaddrinfo("example.test", 80).await.unwrap_err(),
                    open_connection("example.test:80").await.unwrap_err(),
                    getnameinfo("127.0.0.1:80".parse().unwrap())
                        .await
                        .unwrap_err(),
                ] {
                    assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
                }
                assert_eq!(getaddrinfo("localhost", 80).await.unwrap().len(), 2);
            })
            .unwrap();
    });
}

#[test]
fn the_losers_are_closed() {
    run(|| async {
        // Both would answer; the second begins before the first is seen to.
        let (first, second) = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let addresses = vec![first.local_addr().unwrap(), second.local_addr().unwrap()];
        let soon = ConnectOptions::default().happy_eyeballs_delay(Duration::ZERO);
        let record = Record::new();
        let transport = create_connection_with(addresses, soon, || record.protocol());
        let won = transport.await.unwrap().peer_address();
        let other = if won == Some(first.local_addr().unwrap().into()) {
            second
        } else {
            first
        };
        other.set_nonblocking(true).unwrap();
        // If it came about at all, it has ended by now.
        if let Ok((peer, _)) = other.accept() {
            peer.set_nonblocking(true).unwrap();
            let ended = |peer: &TcpStream| match peer.peek(&mut [0]) {
                Ok(count) => count == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            };
            while !ended(&peer) {
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
}
