//! The floor of echoing: an epoll loop that sends back what it reads, and keeps only what the socket did not take.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::Result;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

use super::{BUFFER, announce};

struct Connection {
    socket: OwnedFd,
    /// What was read and not taken by the socket; nothing is read while there is any.
    left: Vec<u8>,
}

/// Serves until it is killed.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?);
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
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let key = event.data.u64();
            if key == accept_key {
                let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                while let Ok(socket) = accept_with(&listener, flags) {
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
                    let left = Vec::new();
                    connections[place] = Some(Connection { socket, left });
                }
            } else if let Some(Some(connection)) = connections.get_mut(key as usize) {
                let waited = !connection.left.is_empty();
                let goes_on = echo(connection, &mut buffer);
                let waits = !connection.left.is_empty();
                if !goes_on {
                    connections[key as usize] = None;
                } else if waited != waits {
                    let flags = if waits {
                        EventFlags::OUT
                    } else {
                        EventFlags::IN
                    };
                    epoll::modify(&poll, &connection.socket, EventData::new_u64(key), flags)?;
                }
            }
        }
    }
}

/// Sends what is left; if nothing is, reads once and sends that. False: the connection is over.
fn echo(connection: &mut Connection, buffer: &mut [u8]) -> bool {
    let sent = |bytes: &[u8]| match send(&connection.socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => Some(sent),
        Err(Errno::AGAIN) => Some(0),
        Err(_) => None,
    };
    if !connection.left.is_empty() {
        let Some(sent) = sent(&connection.left) else {
            return false;
        };
        connection.left.drain(..sent);
        return true;
    }
    let read = match recv(&connection.socket, &mut *buffer, RecvFlags::empty()) {
        Ok((0, _)) => return false,
        Ok((read, _)) => read,
        Err(error) => return error == Errno::AGAIN,
    };
    match sent(&buffer[..read]) {
        None => false,
        Some(sent) => {
            connection.left.extend_from_slice(&buffer[sent..read]);
            true
        }
    }
}
