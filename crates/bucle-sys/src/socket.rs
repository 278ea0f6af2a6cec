//! Stream sockets, TCP and Unix: made, bound, accepted, read, written.
//!
//! Every call is non-blocking. `EAGAIN` reaches the caller as [`io::ErrorKind::WouldBlock`],
//! `EINTR` never does: it is retried here.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::io::retry_on_intr;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt,
};
pub use rustix::net::{Shutdown, SocketAddrAny, SocketAddrUnix};

/// How many connections the kernel may hold for us before `accept`; it lowers this to
/// `net.core.somaxconn` by itself.
pub const BACKLOG: i32 = 4096;

/// Most buffers one vectored write passes to the kernel (`IOV_MAX` is 1024; past 64 nothing is won).
pub const MAX_IOV: usize = 64;

pub(crate) fn family(address: &SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) fn socket(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    Ok(net::socket_with(
        family,
        kind,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )?)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn socket(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    let fd = net::socket(family, kind, None)?;
    prepare(&fd)?;
    Ok(fd)
}

#[cfg(target_vendor = "apple")]
fn prepare(fd: &OwnedFd) -> io::Result<()> {
    rustix::io::ioctl_fionbio(fd, true)?;
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(())
}

/// A TCP socket that is bound but does not listen yet.
///
/// `SO_REUSEADDR` is set, so that a restart finds its port free; with `reuse_port`, several sockets
/// may share the address and the kernel spreads connections over them. An IPv6 wildcard takes
/// IPv6 alone (`IPV6_V6ONLY`), as asyncio does, so that both families can be bound side by side.
///
/// # Errors
/// `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL` and the like.
pub fn bind_tcp(address: &SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let fd = socket(family(address), SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if reuse_port {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    net::bind(&fd, address)?;
    Ok(fd)
}

/// Lets a bound socket take connections.
///
/// On Linux accepted sockets inherit `TCP_NODELAY` from a TCP listener, which saves a call for
/// each; elsewhere it is set on each of them.
///
/// # Errors
/// `EADDRINUSE` when another socket listens there.
pub fn listen(fd: impl AsFd, backlog: i32) -> io::Result<()> {
    let fd = fd.as_fd();
    if is_tcp(fd) {
        sockopt::set_tcp_nodelay(fd, true)?;
    }
    Ok(net::listen(fd, backlog)?)
}

fn is_tcp(fd: impl AsFd) -> bool {
    matches!(
        sockopt::socket_domain(fd),
        Ok(AddressFamily::INET | AddressFamily::INET6)
    )
}

/// How long the path of a Unix socket may be, in bytes, for all programs to reach it: what
/// `sockaddr_un` has room for, with a zero at the end.
#[cfg(target_os = "linux")]
pub const UNIX_PATH_BYTES: usize = 107;
/// How long the path of a Unix socket may be, in bytes, for all programs to reach it: what
/// `sockaddr_un` has room for, with a zero at the end.
#[cfg(not(target_os = "linux"))]
pub const UNIX_PATH_BYTES: usize = 103;

/// A Unix stream socket bound to `path`, which must not exist.
///
/// # Errors
/// `EADDRINUSE` when the path exists, `ENAMETOOLONG` past 107 bytes.
pub fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let fd = socket(AddressFamily::UNIX, SocketType::STREAM)?;
    net::bind(&fd, &address)?;
    Ok(fd)
}

/// Starts a TCP connection; `Ok` means done or under way (wait for writable, then look at
/// [`take_error`]).
///
/// # Errors
/// What the system says at once, `ECONNREFUSED` on loopback among them.
pub fn connect_tcp(address: &SocketAddr) -> io::Result<OwnedFd> {
    let fd = socket(family(address), SocketType::STREAM)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    in_progress(net::connect(&fd, address))?;
    Ok(fd)
}

/// Starts a connection to a Unix stream socket; see [`connect_tcp`].
///
/// # Errors
/// `ENOENT` when the path is missing, `EAGAIN` when the listener's queue is full.
pub fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let fd = socket(AddressFamily::UNIX, SocketType::STREAM)?;
    in_progress(net::connect(&fd, &address))?;
    Ok(fd)
}

fn in_progress(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A connected pair of Unix stream sockets.
///
/// # Errors
/// `EMFILE` and the like.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::empty(),
        None,
    )?;
    for fd in [&a, &b] {
        rustix::io::ioctl_fionbio(fd, true)?;
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((a, b))
}

/// Takes one connection off the listener's queue. Who the peer is, [`peer_address`] tells.
///
/// # Errors
/// `WouldBlock` when none waits; `EMFILE`/`ENFILE` when descriptors ran out; errors that belong to
/// the one connection (see [`is_connection_error`]).
pub fn accept(listener: impl AsFd) -> io::Result<OwnedFd> {
    #[cfg(not(target_vendor = "apple"))]
    {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        Ok(retry_on_intr(|| net::accept_with(&listener, flags))?)
    }
    #[cfg(target_vendor = "apple")]
    {
        let fd = retry_on_intr(|| net::accept(&listener))?;
        prepare(&fd)?;
        if is_tcp(&fd) {
            sockopt::set_tcp_nodelay(&fd, true)?;
        }
        Ok(fd)
    }
}

/// Whether an error of [`accept`] concerns the connection that was to be accepted, so that the next
/// one can be tried at once (accept(2): treat them like `EAGAIN`).
pub fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
                | Errno::PERM
        )
    )
}

/// Whether an error of making a socket says that the system lacks the address family.
pub fn is_no_family(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

/// Whether an error says that the process or the system has no more descriptors or memory for one.
pub fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Reads into `buffer`; 0 is the end of the stream.
///
/// # Errors
/// `WouldBlock`; `ECONNRESET` and the like.
#[inline]
pub fn recv(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (count, _) = retry_on_intr(|| net::recv(&fd, &mut *buffer, RecvFlags::empty()))?;
    Ok(count)
}

/// Reads into the room that `bytes` has behind its end, of which there must be some, and makes it
/// as much longer; 0 is the end of the stream.
///
/// # Errors
/// As [`recv`].
pub fn recv_append(fd: impl AsFd, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let (count, _) =
        retry_on_intr(|| net::recv(&fd, spare_capacity(&mut *bytes), RecvFlags::empty()))?;
    Ok(count)
}

/// Writes from `bytes` and returns how many were taken. No `SIGPIPE` is raised.
///
/// # Errors
/// `WouldBlock`; `EPIPE`, `ECONNRESET` and the like.
#[inline]
pub fn send(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        net::send(&fd, bytes, SendFlags::NOSIGNAL)
    })?)
}

/// Like [`send`], telling the kernel that more follows at once, so that a head and the file behind
/// it share packets.
///
/// # Errors
/// As [`send`].
pub fn send_more(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
    #[cfg(not(target_os = "linux"))]
    let flags = SendFlags::NOSIGNAL;
    Ok(retry_on_intr(|| net::send(&fd, bytes, flags))?)
}

/// Writes several buffers in one call, at most [`MAX_IOV`] of them; `more` as in [`send_more`].
///
/// # Errors
/// As [`send`].
pub fn send_vectored(fd: impl AsFd, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
    let mut flags = SendFlags::NOSIGNAL;
    #[cfg(target_os = "linux")]
    if more {
        flags |= SendFlags::MORE;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (more, &mut flags);
    let buffers = &buffers[..buffers.len().min(MAX_IOV)];
    Ok(retry_on_intr(|| {
        net::sendmsg(
            &fd,
            buffers,
            &mut net::SendAncillaryBuffer::default(),
            flags,
        )
    })?)
}

/// Sends up to `count` bytes of `file` from `offset`, without passing them through this process.
/// 0 means that the file ends before `offset`.
///
/// # Errors
/// `WouldBlock`; what [`is_no_sendfile`] knows, for a file that can't be mapped; those of [`send`].
#[cfg(target_os = "linux")]
pub fn sendfile(
    socket: impl AsFd,
    file: impl AsFd,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = offset;
    Ok(retry_on_intr(|| {
        rustix::fs::sendfile(&socket, &file, Some(&mut offset), count)
    })?)
}

/// [`sendfile`], on a system without one of this shape.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn sendfile(_: impl AsFd, _: impl AsFd, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether an error of [`sendfile`] says that this file, or this system, has to be read and written
/// instead.
pub fn is_no_sendfile(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
        )
}

/// Reads from `file` at `offset` without moving its position; 0 is the end of the file. For files
/// and systems that [`sendfile`] does not serve.
///
/// # Errors
/// `ESPIPE` for what has no positions; those of `pread`.
pub fn read_at(file: impl AsFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        rustix::io::pread(&file, &mut *buffer, offset)
    })?)
}

/// Makes a descriptor that came from elsewhere non-blocking.
///
/// # Errors
/// `EBADF` and the like.
pub fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Ends one or both directions of a connection.
///
/// # Errors
/// `ENOTCONN` when the peer has gone.
pub fn shutdown(fd: impl AsFd, how: Shutdown) -> io::Result<()> {
    Ok(net::shutdown(fd, how)?)
}

/// The error a connection has collected, cleared by looking (`SO_ERROR`).
///
/// # Errors
/// Only what `getsockopt` itself can fail with; the inner result is the connection's.
pub fn take_error(fd: impl AsFd) -> io::Result<Result<(), io::Error>> {
    Ok(sockopt::socket_error(fd)?.map_err(io::Error::from))
}

/// How many bytes the system holds that were sent and that the peer's system has not acknowledged
/// (`SIOCOUTQ`); 0 where it can't tell.
pub fn unacknowledged(fd: impl AsFd) -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: the request of this number stores one int where it is told to, on any socket, and
        // touches nothing else; on what is no socket it fails, or (a terminal) does the same.
        let getter = unsafe { rustix::ioctl::Getter::<{ libc::TIOCOUTQ as _ }, i32>::new() };
        // SAFETY: as above.
        let held = unsafe { rustix::ioctl::ioctl(fd, getter) };
        held.map_or(0, |held| usize::try_from(held).unwrap_or(0))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = fd;
        0
    }
}

/// The address a socket is bound to.
///
/// # Errors
/// `ENOTSOCK`.
pub fn local_address(fd: impl AsFd) -> io::Result<SocketAddrAny> {
    Ok(net::getsockname(fd)?)
}

/// The address of the peer, `None` for an unnamed one.
///
/// # Errors
/// `ENOTCONN`.
pub fn peer_address(fd: impl AsFd) -> io::Result<Option<SocketAddrAny>> {
    Ok(net::getpeername(fd)?)
}

/// Makes closing the socket send a reset and forget what was not sent (`SO_LINGER` of zero).
///
/// # Errors
/// `ENOTSOCK`.
pub fn reset_on_close(fd: impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(
        fd,
        Some(std::time::Duration::ZERO),
    )?)
}

/// Whether the descriptor is a stream socket that listens.
pub fn is_listening(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM)
        && sockopt::socket_acceptconn(fd).unwrap_or(false)
}

/// Whether the socket speaks TCP (as opposed to a Unix stream).
pub fn is_tcp_socket(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    is_tcp(fd) && sockopt::socket_protocol(fd).is_ok_and(|p| p.is_none() || p == Some(ipproto::TCP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_carries_bytes_both_ways() {
        let listener = bind_tcp(&"127.0.0.1:0".parse().unwrap(), false).unwrap();
        listen(&listener, BACKLOG).unwrap();
        let address = SocketAddr::try_from(local_address(&listener).unwrap()).unwrap();
        let client = connect_tcp(&address).unwrap();
        let server = accept(&listener).unwrap();
        let peer = peer_address(&server).unwrap();
        assert_eq!(
            SocketAddr::try_from(peer.unwrap()).unwrap(),
            SocketAddr::try_from(local_address(&client).unwrap()).unwrap()
        );
        assert!(sockopt::tcp_nodelay(&server).unwrap(), "inherited");
        let parts = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
        assert_eq!(send_vectored(&client, &parts, false).unwrap(), 11);
        let mut buffer = [0u8; 64];
        assert_eq!(recv(&server, &mut buffer).unwrap(), 11);
        assert_eq!(&buffer[..11], b"hello world");
        let again = recv(&server, &mut buffer).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(
            accept(&listener).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[test]
    fn a_taken_address_is_an_error() {
        let first = bind_tcp(&"127.0.0.1:0".parse().unwrap(), false).unwrap();
        listen(&first, BACKLOG).unwrap();
        let address = SocketAddr::try_from(local_address(&first).unwrap()).unwrap();
        let error = bind_tcp(&address, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
