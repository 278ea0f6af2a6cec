//! How many connections may come in, in all and from one address.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use bucle_server::{Options, Outcome, Request, Response, TrustedProxies};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::support::{Answer, Running, WATCHDOG, read_answers, read_to_end, serve};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

async fn hello(_: Request) -> Response {
    Response::text("hello")
}

fn limited(most: Option<u32>, per_address: Option<u32>) -> Running {
    let mut options = Options::default();
    options.max_connections = most;
    options.max_connections_per_address = per_address;
    serve(options, || hello)
}

/// A connection from another address of this machine.
fn connect_from(server: &Running, from: [u8; 4]) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &server.address).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

fn is_served(stream: &mut TcpStream) -> bool {
    stream.write_all(GET).unwrap();
    read_answers(stream, 1)[0].status == 200
}

/// What a client is told that has said nothing.
fn told(mut stream: TcpStream) -> Vec<u16> {
    let answers = Answer::all(&read_to_end(&mut stream));
    answers.iter().map(|answer| answer.status).collect()
}

/// Connects until there is room, which comes when the server has seen that somebody went.
fn connect_when_there_is_room(server: &Running) -> TcpStream {
    let end = Instant::now() + WATCHDOG;
    loop {
        let mut stream = server.connect();
        // The server may have closed before it reads this.
        let mut answer = [0; 12];
        if stream.write_all(GET).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer.ends_with(b"200")
        {
            return stream;
        }
        assert!(Instant::now() < end, "there is never any room");
    }
}

#[test]
fn so_many_and_not_one_more() {
    let server = limited(Some(3), None);
    let mut inside: Vec<_> = (0..3).map(|_| server.connect()).collect();
    assert!(inside.iter_mut().all(is_served));
    assert_eq!(told(server.connect()), [503]);
    // One that asks gets the same answer, once, and is not destroyed by a reset.
    let mut asking = server.connect();
    let _ = asking.write_all(&GET.repeat(2));
    let _ = asking.shutdown(Shutdown::Write);
    assert_eq!(told(asking), [503]);
    assert!(inside.iter_mut().all(is_served));
    drop(inside.pop());
    let again = connect_when_there_is_room(&server);
    assert_eq!(told(server.connect()), [503]);
    drop((inside, again));
    assert_eq!(server.stop(), Outcome::Drained);
}

#[test]
fn those_that_are_turned_away_are_bounded_too() {
    let server = limited(Some(1), None);
    let mut inside = server.connect();
    assert!(is_served(&mut inside));
    // Each keeps its side open, and so its place among those that are told.
    let mut outside = Vec::new();
    let unheard = loop {
        let mut stream = server.connect();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        if answer.is_empty() {
            break end;
        }
        assert!(answer.starts_with(b"HTTP/1.1 503 "));
        outside.push(stream);
        assert!(outside.len() < 1000, "there is no bound");
    };
    assert_eq!(unheard.unwrap(), 0);
    assert_eq!(outside.len(), 64);
    assert!(is_served(&mut inside));
    drop(outside);
    // There is room for telling again.
    let end = Instant::now() + WATCHDOG;
    while told(server.connect()).is_empty() {
        assert!(Instant::now() < end, "nobody is told any more");
    }
}

#[test]
fn so_many_from_each_address() {
    let server = limited(None, Some(2));
    let mut inside: Vec<_> = (0..2).map(|_| server.connect()).collect();
    assert!(inside.iter_mut().all(is_served));
    assert_eq!(told(server.connect()), [503]);
    for host in 2..5 {
        let mut others = [(); 2].map(|()| connect_from(&server, [127, 0, 0, host]));
        assert!(others.iter_mut().all(is_served));
        assert_eq!(told(connect_from(&server, [127, 0, 0, host])), [503]);
    }
    drop(inside);
    connect_when_there_is_room(&server);
}

#[test]
fn without_a_limit_nobody_is_turned_away() {
    let server = limited(None, None);
    let mut inside: Vec<_> = (0..200).map(|_| server.connect()).collect();
    assert!(inside.iter_mut().all(is_served));
}

#[test]
fn places_are_given_back_however_a_connection_ends() {
    let server = limited(Some(5), Some(4));
    for number in 0..200 {
        let mut stream = connect_when_there_is_room(&server);
        let ending: &[u8] = match number % 4 {
            0 => b"BAD\r\n\r\n",
            1 => b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            2 => b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
            _ => b"",
        };
        let _: io::Result<()> = stream.write_all(ending);
    }
    connect_when_there_is_room(&server);
}

#[test]
fn a_trusted_proxy_is_not_one_client() {
    let mut options = Options::default();
    options.max_connections = Some(5);
    options.max_connections_per_address = Some(1);
    let proxies = TrustedProxies::nobody();
    options.trusted_proxies = proxies.and("127.0.0.1").unwrap();
    let server = serve(options, || hello);
    let mut inside: Vec<_> = (0..4).map(|_| server.connect()).collect();
    inside.push(connect_from(&server, [127, 0, 0, 2]));
    assert!(inside.iter_mut().all(is_served));
    drop(inside.remove(0));
    let again = connect_when_there_is_room(&server);
    // There may be as many as that in all.
    assert_eq!(told(server.connect()), [503]);
    drop((again, inside.remove(0)));
    connect_when_there_is_room(&server);
    assert_eq!(told(connect_from(&server, [127, 0, 0, 2])), [503]);
}
