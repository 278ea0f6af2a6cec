//! The paths of Unix sockets: stale ones replaced, our own removed at the end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bucle_sys::socket as sys;

/// Binds to `path`; a Unix socket nobody listens at is replaced.
pub(crate) fn bind(path: &Path) -> io::Result<OwnedFd> {
    match sys::bind_unix(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path)?;
            sys::bind_unix(path)
        }
        result => result,
    }
}

/// Removes a socket nobody listens at; anything else stays, and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the path exists and is no socket; remove it, or choose another",
        ));
    }
    match sys::connect_unix(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The path of a socket of ours, with what tells it from another one of the same name.
pub(crate) struct SocketPath {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl SocketPath {
    pub(crate) fn new(path: &Path) -> SocketPath {
        SocketPath {
            path: path.to_owned(),
            identity: identity(path),
        }
    }

    /// Removes it, if it is still ours.
    pub(crate) fn remove(&self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}
