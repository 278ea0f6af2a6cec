//! UDP sockets: made, bound, connected; datagrams sent and received.
//!
//! Every call is non-blocking. `EAGAIN` reaches the caller as [`io::ErrorKind::WouldBlock`], `EINTR`
//! never does.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, RecvFlags, SendFlags, SocketType, sockopt};

use crate::socket;

/// A UDP socket of the family that `address` is of.
///
/// # Errors
/// `EAFNOSUPPORT`, `EMFILE` and the like.
pub fn open(address: &SocketAddr) -> io::Result<OwnedFd> {
    let fd = socket::socket(socket::family(address), SocketType::DGRAM)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    Ok(fd)
}

/// Binds it. With `reuse_port`, several sockets may share the address, and the kernel spreads
/// datagrams over them by their senders.
///
/// # Errors
/// `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL` and the like.
pub fn bind(fd: impl AsFd, address: &SocketAddr, reuse_port: bool) -> io::Result<()> {
    if reuse_port {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    Ok(net::bind(fd, address)?)
}

/// Fixes the peer: datagrams go to it and come from it alone, and it is told of when it can't be
/// reached.
///
/// # Errors
/// `ENETUNREACH`, `EACCES` for a broadcast address, `EAFNOSUPPORT` for another family.
pub fn connect(fd: impl AsFd, address: &SocketAddr) -> io::Result<()> {
    Ok(retry_on_intr(|| net::connect(&fd, address))?)
}

/// Allows sending to broadcast addresses.
///
/// # Errors
/// `ENOTSOCK`.
pub fn set_broadcast(fd: impl AsFd, on: bool) -> io::Result<()> {
    Ok(sockopt::set_socket_broadcast(fd, on)?)
}

/// Receives one datagram, and where it came from. What does not fit into `buffer` is lost.
///
/// # Errors
/// `WouldBlock`; of a connected socket `ECONNREFUSED` and what else its peer's network answered.
pub fn recv_from(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let (count, _, address) =
        retry_on_intr(|| net::recvfrom(&fd, &mut *buffer, RecvFlags::empty()))?;
    let address = address.ok_or(Errno::AFNOSUPPORT)?;
    Ok((count, SocketAddr::try_from(address)?))
}

/// Sends one datagram, to the peer of a connected socket if no address is given.
///
/// # Errors
/// `WouldBlock`; `EMSGSIZE` when it is too long; `EDESTADDRREQ` without any address; what an earlier
/// one came to, of a connected socket.
pub fn send_to(fd: impl AsFd, bytes: &[u8], address: Option<&SocketAddr>) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL;
    Ok(match address {
        Some(address) => retry_on_intr(|| net::sendto(&fd, bytes, flags, address))?,
        None => retry_on_intr(|| net::send(&fd, bytes, flags))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_go_both_ways() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (a, b) = (open(&any).unwrap(), open(&any).unwrap());
        bind(&a, &any, false).unwrap();
        let place = SocketAddr::try_from(socket::local_address(&a).unwrap()).unwrap();
        connect(&b, &place).unwrap();
        assert_eq!(send_to(&b, b"one", None).unwrap(), 3);
        assert_eq!(send_to(&b, b"", None).unwrap(), 0);
        let mut buffer = [0; 10];
        let (count, from) = recv_from(&a, &mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"one");
        assert_eq!(recv_from(&a, &mut buffer).unwrap(), (0, from));
        let error = recv_from(&a, &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        send_to(&a, b"two", Some(&from)).unwrap();
        assert_eq!(recv_from(&b, &mut buffer).unwrap(), (3, place));
        let error = send_to(&a, &[0; 70_000], Some(&from)).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::MSGSIZE));
        assert!(send_to(&a, b"three", None).is_err());
    }
}
