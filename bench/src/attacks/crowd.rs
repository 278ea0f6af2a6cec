//! Many connections in one thread, each of which does little: what an attacker has.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, sockopt,
};

use crate::stop;

/// What became of a send or a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// So many bytes went.
    Some(usize),
    /// None could go now.
    Nothing,
    /// The server has ended the connection.
    Ended,
}

/// One connection, without blocking.
pub(super) struct Member(OwnedFd);

impl Member {
    /// Connects, from an address of its own if one is given.
    pub(super) fn connect(server: SocketAddr, from: Option<Ipv4Addr>) -> Result<Member> {
        let flags = SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        if let Some(from) = from {
            net::bind(&socket, &SocketAddrV4::new(from, 0))
                .with_context(|| format!("binding {from}"))?;
        }
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(super::PATIENCE))?;
        net::connect(&socket, &server).with_context(|| format!("connecting to {server}"))?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Member(socket))
    }

    /// Makes the system take in few bytes that nobody reads.
    pub(super) fn take_in_little(&self) -> Result<()> {
        sockopt::set_socket_recv_buffer_size(&self.0, 4096)?;
        Ok(())
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Done {
        match send(&self.0, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => Done::Some(sent),
            Err(Errno::AGAIN | Errno::INTR) => Done::Nothing,
            Err(_) => Done::Ended,
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> Done {
        match recv(&self.0, buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => Done::Ended,
            Ok((received, _)) => Done::Some(received),
            Err(Errno::AGAIN | Errno::INTR) => Done::Nothing,
            Err(_) => Done::Ended,
        }
    }

    /// Goes with a reset, and leaves nothing behind in the system.
    pub(super) fn reset(self) {
        let _ = sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }

    /// Waits for bytes; whether they came in time.
    pub(super) fn wait(&self, buffer: &mut [u8]) -> Result<Done> {
        let end = Instant::now() + super::PATIENCE;
        loop {
            stop::check()?;
            match self.receive(buffer) {
                Done::Nothing if Instant::now() < end => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                done => return Ok(done),
            }
        }
    }
}

/// A crowd that goes without a trace.
#[derive(Default)]
pub(super) struct Crowd(pub(super) Vec<Member>);

impl Crowd {
    /// So many connections, made in steps between which others get their turn.
    pub(super) fn gather(server: SocketAddr, count: usize) -> Result<Crowd> {
        let mut crowd = Crowd::default();
        for number in 0..count {
            crowd.0.push(Member::connect(server, None)?);
            if number % 20 == 19 {
                breathe()?;
            }
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Member::reset);
    }
}

/// Lets others have the CPU: an attacker that takes it all from the honest client shows nothing of the
/// server.
pub(super) fn breathe() -> Result<()> {
    stop::check()?;
    std::thread::sleep(Duration::from_millis(2));
    Ok(())
}
