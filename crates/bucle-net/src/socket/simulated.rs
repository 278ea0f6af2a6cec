//! A socket of a simulated loop's network.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;

use bucle_loop::sim::SimAddress;
use bucle_loop::{AsPollable, Pollable, SimNetwork, SimSocket};

use super::Sink;
use crate::Address;

/// The most bytes of a file sent in one call, as the kernel takes about as much as it has room for.
const FILE_CHUNK: usize = 64 * 1024;

pub(super) struct Simulated(SimSocket);

fn to_simulated(address: &Address) -> io::Result<SimAddress> {
    match address {
        Address::Tcp(address) => Ok(SimAddress::Tcp(*address)),
        Address::Unix(Some(path)) => Ok(SimAddress::Unix(path.clone())),
        Address::Unix(None) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn from_simulated(address: Option<SimAddress>) -> Address {
    match address {
        Some(SimAddress::Tcp(address)) => Address::Tcp(address),
        Some(SimAddress::Unix(path)) => Address::Unix(Some(path)),
        None => Address::Unix(None),
    }
}

impl Simulated {
    pub(super) fn bind(network: &SimNetwork, address: &Address) -> io::Result<Simulated> {
        network.bind(&to_simulated(address)?).map(Simulated)
    }

    pub(super) fn connect(network: &SimNetwork, address: &Address) -> io::Result<Simulated> {
        network.connect(&to_simulated(address)?).map(Simulated)
    }

    pub(super) fn listen(&self, backlog: i32) -> io::Result<()> {
        self.0.listen(usize::try_from(backlog).unwrap_or(0))
    }

    pub(super) fn accept(&self) -> io::Result<Simulated> {
        self.0.accept().map(|(socket, _)| Simulated(socket))
    }

    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer)
    }

    pub(super) fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    pub(super) fn take_error(&self) -> io::Result<()> {
        self.0.take_error()
    }

    pub(super) fn local_address(&self) -> Option<Address> {
        self.0.local_address().ok().map(from_simulated)
    }

    pub(super) fn peer_address(&self) -> Option<Address> {
        self.0.peer_address().ok().map(from_simulated)
    }

    pub(super) fn reset_on_close(&self) {
        let _ = self.0.reset_on_close();
    }

    pub(super) fn as_pollable(&self) -> Pollable<'_> {
        self.0.as_pollable()
    }
}

impl Sink for Simulated {
    fn send(&self, bytes: &[u8], _: bool) -> io::Result<usize> {
        self.0.send(bytes)
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>], _: bool) -> io::Result<usize> {
        self.0.send_vectored(buffers)
    }

    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
        let mut chunk = vec![0; count.min(FILE_CHUNK)];
        match bucle_sys::file::read_at(file, &mut chunk, offset)? {
            0 => Ok(0),
            read => self.0.send(&chunk[..read]),
        }
    }
}
