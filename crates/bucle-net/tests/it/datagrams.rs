//! Datagrams.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, SimOptions, get_running_loop, sleep, spawn, timeout};
use bucle_net::udp::*;

use crate::support::*;

/// What an endpoint was told.
#[derive(Clone, Default)]
struct Told(Rc<RefCell<Vec<String>>>);

struct Endpoint {
    told: Told,
    transport: Option<DatagramTransport>,
    busy: bool,
}

impl Told {
    fn protocol(&self) -> Endpoint {
        Endpoint {
            told: self.clone(),
            transport: None,
            busy: false,
        }
    }

    async fn until(&self, what: &str) {
        while !self.0.borrow().iter().any(|told| told.contains(what)) {
            sleep(Duration::from_micros(200)).await;
        }
    }
}

impl Endpoint {
    fn tell(&mut self, what: String) {
        assert!(!self.busy, "callbacks entered one another");
        self.told.0.borrow_mut().push(what);
    }
}

impl DatagramProtocol for Endpoint {
    fn connection_made(&mut self, transport: DatagramTransport) {
        self.tell("made".into());
        self.transport = Some(transport);
    }

    /// Echoes, and has something to say about it.
    fn datagram_received(&mut self, data: &[u8], address: SocketAddr) {
        self.tell(format!("{} bytes", data.len()));
        self.busy = true;
        let transport = self.transport.as_ref().unwrap();
        match data {
            b"panic" => panic!("as it was asked to"),
            b"wrong" => transport.sendto(data, None),
            data if transport.peer_address().is_none() => transport.sendto(data, Some(address)),
            _ => {}
        }
        self.busy = false;
    }

    fn error_received(&mut self, error: io::Error) {
        self.tell(format!("error {:?}", error.kind()));
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.busy = false;
        self.tell(format!("lost {}", error.is_some()));
    }
}

async fn echo(told: &Told) -> (DatagramTransport, SocketAddr) {
    let options = DatagramOptions::default().local_addr("127.0.0.1:0");
    let transport = create_datagram_endpoint(options, || told.protocol()).await;
    let transport = transport.unwrap();
    let address = transport.local_address().unwrap();
    (transport, address)
}

#[test]
fn datagrams_go_to_and_fro() {
    run(|| async {
        let told = Told::default();
        let (transport, address) = echo(&told).await;
        let client_told = Told::default();
        let options = DatagramOptions::default().remote_addr(address);
        let client = create_datagram_endpoint(options, || client_told.protocol()).await;
        let client = client.unwrap();
        assert_eq!(client.peer_address(), Some(address));
        client.sendto(b"hello", None);
        client.sendto(b"", Some(address));
        client.sendto(&[7; 60_000], None);
        client_told.until("60000 bytes").await;
        for told in [&told, &client_told] {
            assert_eq!(
                *told.0.borrow(),
                ["made", "5 bytes", "0 bytes", "60000 bytes"]
            );
        }
        client.close();
        client.close();
        transport.close();
        client_told.until("lost false").await;
        told.until("lost false").await;
        assert!(client.is_closing());
        client.sendto(b"too late", None);
        assert_eq!(client.local_address(), None);
    });
}

#[test]
fn what_goes_wrong_is_told_and_others_still_go() {
    run(|| async {
        let told = Told::default();
        let (transport, address) = echo(&told).await;
        // Too long, without an address.
        transport.sendto(&[0; 70_000], Some(address));
        transport.sendto(b"x", None);
        assert_eq!(told.0.borrow().len(), 3, "{:?}", told.0);
        // From inside a callback, told after it.
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"wrong", address).await.unwrap();
        told.until("5 bytes").await;
        assert_eq!(told.0.borrow()[4], "error InvalidInput");
        socket.send_to(b"right", address).await.unwrap();
        let mut buffer = [0; 10];
        let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..count], from), (&b"right"[..], address));
        // Nobody there, and somebody else.
        let gone = socket.local_address().unwrap();
        drop(socket);
        let told = Told::default();
        let options = DatagramOptions::default().remote_addr(gone);
        let client = create_datagram_endpoint(options, || told.protocol())
            .await
            .unwrap();
        client.sendto(b"anybody?", None);
        told.until("error ConnectionRefused").await;
        client.sendto(b"you", Some(address));
        told.until("error InvalidInput").await;
        assert!(!client.is_closing());
    });
}

#[test]
fn a_panicking_protocol_is_closed() {
    run(|| async {
        let reports = Rc::new(Cell::new(0));
        get_running_loop().set_exception_handler({
            let reports = reports.clone();
            move |_, _| reports.set(reports.get() + 1)
        });
        let told = Told::default();
        let (transport, address) = echo(&told).await;
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"panic", address).await.unwrap();
        told.until("lost true").await;
        assert!(transport.is_closing());
        assert_eq!(reports.get(), 1);
    });
}

#[test]
fn ports_are_shared_when_asked_for() {
    run(|| async {
        let shared = || DatagramOptions::default().reuse_port(true);
        let first = UdpSocket::open(shared().local_addr("127.0.0.1:0"))
            .await
            .unwrap();
        let address = first.local_address().unwrap();
        let second = UdpSocket::open(shared().local_addr(address)).await.unwrap();
        assert_eq!(second.local_address().unwrap(), address);
        let error = UdpSocket::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        // One of both gets each.
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(address).await.unwrap();
        client.send(b"x").await.unwrap();
        let waiting = spawn(async move { first.recv(&mut [0; 10]).await.map(|_| ()) });
        let mut buffer = [0; 10];
        let either = timeout(Duration::from_millis(20), second.recv(&mut buffer)).await;
        assert!(either.is_ok() != waiting.done());
    });
}

#[test]
fn broadcasting_is_a_choice() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let everybody = SocketAddr::from(([127, 255, 255, 255], 9));
        let error = socket.send_to(b"x", everybody).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let options = DatagramOptions::default().allow_broadcast(true);
        let socket = UdpSocket::open(options.local_addr("127.0.0.1:0"))
            .await
            .unwrap();
        socket.send_to(b"x", everybody).await.unwrap();
    });
}

#[test]
fn both_families() {
    run(|| async {
        let Ok(socket) = UdpSocket::bind("[::1]:0").await else {
            // This machine has no IPv6.
            return;
        };
        let address = socket.local_address().unwrap();
        socket.send_to(b"to myself", address).await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(socket.recv_from(&mut buffer).await.unwrap(), (9, address));
        let mixed = DatagramOptions::default()
            .local_addr("127.0.0.1:0")
            .remote_addr(address);
        let error = UdpSocket::open(mixed).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        // Of several addresses, the pair that fits.
        let local = ["127.0.0.1:0", "[::1]:0"].as_slice();
        let fitting = DatagramOptions::default()
            .local_addr(local)
            .remote_addr(address);
        let socket = UdpSocket::open(fitting).await.unwrap();
        assert!(socket.local_address().unwrap().is_ipv6());
    });
}

#[test]
fn what_is_no_address_for_datagrams() {
    run(|| async {
        for wrong in ["127.0.0.1", "unix:/x", ""] {
            let error = UdpSocket::bind(wrong).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{wrong}");
        }
    });
}

#[test]
fn a_cancelled_receive_loses_nothing() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_address().unwrap();
        let mut buffer = [0; 10];
        for number in 0..50_u8 {
            let receive = socket.recv(&mut buffer);
            assert!(timeout(Duration::from_micros(100), receive).await.is_err());
            socket.send_to(&[number], address).await.unwrap();
            assert_eq!(socket.recv(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
    });
}

#[test]
fn several_tasks_receive_from_one_socket() {
    run(|| async {
        let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_address().unwrap();
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let socket = socket.clone();
                spawn(async move {
                    let mut buffer = [0; 10];
                    socket.recv(&mut buffer).await.unwrap();
                    buffer[0]
                })
            })
            .collect();
        sleep(Duration::from_millis(1)).await;
        for number in 0..5_u8 {
            socket.send_to(&[number], address).await.unwrap();
        }
        let mut got = Vec::new();
        for task in tasks {
            got.push(task.await.unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_refusal_is_told_to_who_waits() {
    run(|| async {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_address().unwrap();
        drop(gone);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(socket.send(b"nobody").await.is_err());
        socket.connect(address).await.unwrap();
        assert_eq!(socket.peer_address(), Some(address));
        socket.send(b"anybody?").await.unwrap();
        let error = socket.recv(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_loop_lets_go_of_endpoints() {
    within(|| {
        let event_loop = EventLoop::new().unwrap();
        let told = Told::default();
        let kept = event_loop
            .run_until_complete({
                let told = told.clone();
                async move {
                    (
                        echo(&told).await.0,
                        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
                    )
                }
            })
            .unwrap();
        event_loop.close();
        assert_eq!(Rc::strong_count(&told.0), 1);
        assert!(kept.0.is_closing());
        assert!(kept.1.local_address().is_err());
    });
}

#[test]
fn simulated_networks_carry_none() {
    within(|| {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions::default())
            .build()
            .unwrap();
        let error = event_loop
            .run_until_complete(async { UdpSocket::bind("127.0.0.1:0").await.unwrap_err() })
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("datagrams"), "{error}");
    });
}
