//! The floor: an epoll loop that answers without parsing. It counts blank lines, and sends one canned answer for each.
//! It knows no request line, no header, no body, no limit and no timeout: no server can do less and still answer.
//!
//! `bare PORT [BODY_FILE] [--close]` listens on 127.0.0.1; the body is `Hello, World!` unless a file is named. With `--close`
//! a connection is over after its first answers.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use memchr::memmem::Finder;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// How many answers one write may carry; more blank lines in one read than this take several writes.
const MOST_AT_ONCE: usize = 64;

/// A blank line without its last byte.
const TAIL: usize = 3;

/// A connection, and the last bytes it read, since a blank line may arrive in two pieces.
struct Connection {
    socket: OwnedFd,
    tail: [u8; TAIL],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, arguments): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument == "--close");
    let closes = !flags.is_empty();
    let mut arguments = arguments.into_iter();
    let port: u16 = arguments
        .next()
        .ok_or("usage: bare PORT [BODY_FILE] [--close]")?
        .parse()?;
    let body = match arguments.next() {
        Some(path) => std::fs::read(path)?,
        None => b"Hello, World!".to_vec(),
    };
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    net::bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    net::listen(&listener, 1024)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let accept_key = listener.as_raw_fd() as u64;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(accept_key),
        EventFlags::IN,
    )?;

    let blank_line = Finder::new(b"\r\n\r\n");
    let answers = answer.repeat(MOST_AT_ONCE);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let key = event.data.u64();
            if key == accept_key {
                while let Ok(socket) = net::accept_with(&listener, flags) {
                    sockopt::set_tcp_nodelay(&socket, true)?;
                    let place = socket.as_raw_fd() as usize;
                    epoll::add(
                        &poll,
                        &socket,
                        EventData::new_u64(place as u64),
                        EventFlags::IN,
                    )?;
                    if connections.len() <= place {
                        connections.resize_with(place + 1, || None);
                    }
                    connections[place] = Some(Connection {
                        socket,
                        tail: [0; TAIL],
                    });
                }
            } else if let Some(Some(connection)) = connections.get_mut(key as usize)
                && match serve(connection, &mut buffer, &blank_line, &answers) {
                    None => true,
                    Some(count) => closes && count > 0,
                }
            {
                connections[key as usize] = None;
            }
        }
    }
}

/// Reads once, answers every blank line read; how many there were. None: the connection is over.
fn serve(
    c: &mut Connection,
    buffer: &mut [u8],
    blank_line: &Finder,
    answers: &[u8],
) -> Option<usize> {
    buffer[..TAIL].copy_from_slice(&c.tail);
    let end = match net::recv(&c.socket, &mut buffer[TAIL..], RecvFlags::empty()) {
        Ok((0, _)) => return None,
        Ok((read, _)) => TAIL + read,
        Err(error) => return (error == Errno::AGAIN).then_some(0),
    };
    c.tail.copy_from_slice(&buffer[end - TAIL..end]);
    let found = blank_line.find_iter(&buffer[..end]).count();
    let mut count = found;
    while count > 0 {
        let now = count.min(MOST_AT_ONCE);
        let bytes = &answers[..now * (answers.len() / MOST_AT_ONCE)];
        // A peer that does not read its answers is dropped: this server keeps no queue.
        if net::send(&c.socket, bytes, SendFlags::NOSIGNAL) != Ok(bytes.len()) {
            return None;
        }
        count -= now;
    }
    Some(found)
}
