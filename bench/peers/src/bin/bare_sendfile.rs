//! The floor of large files: an epoll loop that answers every blank line with one file, without parsing, by `sendfile`. It knows
//! no request line, no header, no cache, no limit and no timeout.
//!
//! `bare_sendfile PORT FILE` listens on 127.0.0.1.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// A blank line without its last byte.
const TAIL: usize = 3;

struct Connection {
    socket: OwnedFd,
    /// The last bytes that were read: a blank line may come in two pieces.
    tail: [u8; TAIL],
    /// Answers that are due, the one under way included.
    due: usize,
    /// Where in the file the one under way is; none before its head.
    at: Option<u64>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: bare_sendfile PORT FILE";
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or(usage)?.parse()?;
    let file = File::open(arguments.next().ok_or(usage)?)?;
    let length = file.metadata()?.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    );

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
                    // Told once: it reads and writes until it can't.
                    let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                    epoll::add(&poll, &socket, EventData::new_u64(place as u64), wanted)?;
                    if connections.len() <= place {
                        connections.resize_with(place + 1, || None);
                    }
                    connections[place] = Some(Connection {
                        socket,
                        tail: [0; TAIL],
                        due: 0,
                        at: None,
                    });
                }
            } else if let Some(Some(connection)) = connections.get_mut(key as usize)
                && !(read(connection, &mut buffer) && write(connection, &file, &head, length))
            {
                connections[key as usize] = None;
            }
        }
    }
}

/// Reads all there is, counts blank lines. False: the connection is over.
fn read(c: &mut Connection, buffer: &mut [u8]) -> bool {
    loop {
        buffer[..TAIL].copy_from_slice(&c.tail);
        let end = match net::recv(&c.socket, &mut buffer[TAIL..], RecvFlags::empty()) {
            Ok((0, _)) => return false,
            Ok((read, _)) => TAIL + read,
            Err(error) => return error == Errno::AGAIN,
        };
        c.tail.copy_from_slice(&buffer[end - TAIL..end]);
        c.due += memmem::find_iter(&buffer[..end], b"\r\n\r\n").count();
        if end < buffer.len() {
            return true;
        }
    }
}

/// Sends what is due until the socket is full. False: the connection is over.
fn write(c: &mut Connection, file: &File, head: &str, length: u64) -> bool {
    while c.due > 0 {
        let at = match &mut c.at {
            Some(at) => at,
            None => {
                // It leaves together with the first bytes of the file.
                let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
                match net::send(&c.socket, head.as_bytes(), flags) {
                    Ok(sent) if sent == head.len() => c.at.insert(0),
                    Err(Errno::AGAIN) => return true,
                    _ => return false,
                }
            }
        };
        let left = (length - *at) as usize;
        match rustix::fs::sendfile(&c.socket, file, Some(&mut *at), left) {
            Ok(0) => return false,
            Ok(_) if *at == length => {
                c.at = None;
                c.due -= 1;
            }
            Ok(_) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}
