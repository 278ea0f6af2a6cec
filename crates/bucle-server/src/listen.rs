//! Listening sockets for several loops, taken before any loop runs.
//!
//! A TCP address is bound and listened at without `SO_REUSEPORT` first, so that a taken one is an
//! error, also if it was taken with it. Only then is the socket opened for sharing, and the other
//! workers' sockets join it; there is no moment in which the address is free. A Unix socket is one
//! socket for all.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bucle_net::Address;
use bucle_sys::socket::{self, UNIX_PATH_BYTES};
use rustix::io::Errno;
use rustix::net::sockopt;

/// The sockets of all workers.
#[derive(Debug)]
pub(crate) struct Listening {
    /// With the ports that were taken.
    pub(crate) addresses: Vec<Address>,
    /// One list a worker.
    pub(crate) sockets: Vec<Vec<OwnedFd>>,
    /// Removed at the end.
    pub(crate) paths: Vec<SocketPath>,
}

impl Listening {
    /// Listens at all `addresses`, for so many workers; `taken` is where this program listens already.
    pub(crate) fn at(
        addresses: &[Address],
        workers: usize,
        taken: &[Address],
    ) -> io::Result<Listening> {
        let mut listening = Listening {
            addresses: Vec::new(),
            sockets: (0..workers).map(|_| Vec::new()).collect(),
            paths: Vec::new(),
        };
        for address in addresses {
            match address {
                Address::Tcp(wanted) => listening.tcp(*wanted),
                Address::Unix(Some(path)) => listening.unix(path),
                Address::Unix(None) => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a Unix socket without a name can't be listened at; say unix:PATH",
                )),
            }
            .map_err(|error| {
                let ours = taken.iter().chain(&listening.addresses);
                explain(address, error, ours)
            })?;
        }
        Ok(listening)
    }

    fn tcp(&mut self, wanted: SocketAddr) -> io::Result<()> {
        let first = socket::bind_tcp(&wanted, false)?;
        socket::listen(&first, socket::BACKLOG)?;
        let taken = SocketAddr::try_from(socket::local_address(&first)?).unwrap_or(wanted);
        if self.sockets.len() > 1 {
            sockopt::set_socket_reuseport(&first, true)?;
        }
        let mut others = Vec::new();
        for _ in 1..self.sockets.len() {
            let other = socket::bind_tcp(&taken, true)?;
            socket::listen(&other, socket::BACKLOG)?;
            others.push(other);
        }
        let sockets = std::iter::once(first).chain(others);
        for (worker, socket) in self.sockets.iter_mut().zip(sockets) {
            worker.push(socket);
        }
        self.addresses.push(Address::Tcp(taken));
        Ok(())
    }

    fn unix(&mut self, path: &Path) -> io::Result<()> {
        let socket = match socket::bind_unix(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path)?;
                socket::bind_unix(path)?
            }
            result => result?,
        };
        self.paths.push(SocketPath::new(path));
        socket::listen(&socket, socket::BACKLOG)?;
        for worker in &mut self.sockets {
            worker.push(socket.try_clone()?);
        }
        self.addresses.push(Address::Unix(Some(path.to_owned())));
        Ok(())
    }
}

fn explain<'a>(
    address: &Address,
    error: io::Error,
    mut ours: impl Iterator<Item = &'a Address>,
) -> io::Error {
    if error.kind() == io::ErrorKind::AddrInUse
        && let Some(ours) = ours.find(|ours| overlap(address, ours))
    {
        let message = match ours == address {
            true => format!("{address} was given twice; leave one of the two out"),
            false => format!(
                "can't listen at {address}: {ours} was given too, which is the same port; leave one \
                 of them out, or choose another port"
            ),
        };
        return io::Error::new(error.kind(), message);
    }
    if error.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error())
        && let Address::Unix(Some(path)) = address
    {
        let length = path.as_os_str().len();
        return io::Error::new(
            error.kind(),
            format!(
                "can't listen at {address}: its path has {length} bytes, and that of a Unix socket \
                 {UNIX_PATH_BYTES} at most; choose a shorter one"
            ),
        );
    }
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it, or choose another address"
        }
        io::ErrorKind::AlreadyExists => {
            "the path exists and is no socket; remove it, or choose another"
        }
        io::ErrorKind::PermissionDenied if address.as_tcp().is_some() => {
            "ports below 1024 need a privilege; choose a higher one"
        }
        io::ErrorKind::PermissionDenied => {
            "its folder can't be written to; choose another, or change its permissions"
        }
        io::ErrorKind::NotFound => "its folder does not exist; make it, or choose another",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 127.0.0.1 is itself, 0.0.0.0 is all it has"
        }
        _ => "choose another address",
    };
    let kind = error.kind();
    // What the system said; the others are our own, and say nothing more.
    let said = match error.raw_os_error() {
        Some(_) => format!(" ({error})"),
        None => String::new(),
    };
    io::Error::new(kind, format!("can't listen at {address}: {hint}{said}"))
}

/// Whether who listens at one of these listens at the other.
fn overlap(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            let (a, b) = (one.ip(), other.ip());
            one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
        }
        (one, other) => one == other,
    }
}

/// Removes a socket that nobody listens at; anything else stays, and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // Who has a full queue is there, and is not waited for.
    match socket::connect_unix(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// A Unix socket's path, removed at the end if it is still ours.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl SocketPath {
    fn new(path: &Path) -> SocketPath {
        SocketPath {
            path: path.to_owned(),
            identity: identity(path),
        }
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> Vec<Address> {
        vec![Address::Tcp("127.0.0.1:0".parse().unwrap())]
    }

    #[test]
    fn a_taken_address_is_an_error_however_it_was_taken() {
        for workers in [1, 3] {
            let first = Listening::at(&any(), workers, &[]).unwrap();
            assert_eq!(first.sockets.len(), workers);
            for others in [1, 3] {
                let error = Listening::at(&first.addresses, others, &[]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
                let text = error.to_string();
                assert!(text.contains(&first.addresses[0].to_string()), "{text}");
                assert!(text.contains("choose another"), "{text}");
            }
        }
    }

    #[test]
    fn an_address_that_is_given_twice_is_told_from_one_that_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let unix = Address::Unix(Some(folder.path().join("x.sock")));
        let error = Listening::at(&[unix.clone(), unix.clone()], 1, &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("given twice"), "{error}");

        let first = Listening::at(&any(), 2, &[]).unwrap();
        let error = Listening::at(&first.addresses, 1, &first.addresses).unwrap_err();
        assert!(error.to_string().contains("given twice"), "{error}");
        let Address::Tcp(address) = first.addresses[0] else {
            unreachable!("it is one of TCP")
        };
        let all = SocketAddr::from(([0, 0, 0, 0], address.port()));
        let error = Listening::at(&[Address::Tcp(all)], 1, &first.addresses).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{address} was given too")), "{text}");
    }

    #[test]
    fn a_path_that_is_too_long_is_told_the_limit() {
        let path = format!("/tmp/{}", "x".repeat(UNIX_PATH_BYTES));
        let error = Listening::at(&[Address::Unix(Some(path.into()))], 1, &[]).unwrap_err();
        let text = error.to_string();
        let length = UNIX_PATH_BYTES + 5;
        assert!(text.contains(&format!("has {length} bytes")), "{text}");
        assert!(text.contains("107 at most"), "{text}");
    }

    #[test]
    fn a_unix_socket_left_behind_is_replaced_and_ours_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let address = vec![Address::Unix(Some(path.clone()))];
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listening = Listening::at(&address, 2, &[]).unwrap();
        let error = Listening::at(&address, 1, &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(listening);
        assert!(!path.exists());

        fs::write(&path, "precious").unwrap();
        let error = Listening::at(&address, 1, &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().ends_with("or choose another"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    /// Its queue is full because nobody accepts any more, and asking it must not wait for that.
    #[test]
    fn a_path_whose_server_hangs_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let hangs = socket::bind_unix(&path).unwrap();
        socket::listen(&hangs, 0).unwrap();
        let waiting: Vec<_> = std::iter::from_fn(|| socket::connect_unix(&path).ok()).collect();
        assert!(!waiting.is_empty());
        let (sender, told) = std::sync::mpsc::channel();
        let theirs = path.clone();
        std::thread::spawn(move || {
            let listening = Listening::at(&[Address::Unix(Some(theirs))], 1, &[]);
            sender.send(listening.map(drop).map_err(|error| error.kind()))
        });
        let listening = told.recv_timeout(std::time::Duration::from_secs(10));
        assert_eq!(listening, Ok(Err(io::ErrorKind::AddrInUse)));
        assert!(path.exists());
    }
}
