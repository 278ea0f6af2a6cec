//! UDP: [`create_datagram_endpoint`] for protocols, [`UdpSocket`] for `async` code.
//!
//! A datagram arrives whole, twice, out of order, or not at all. Real networks only: the simulated
//! one carries streams.
//!
//! | file | what |
//! |---|---|
//! | `socket` | a descriptor and its registration |
//! | `protocol`, `transport` | callbacks |
//! | `udp_socket` | awaits |

mod protocol;
mod socket;
mod transport;
mod udp_socket;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;

use bucle_loop::get_running_loop;

pub use protocol::DatagramProtocol;
pub use transport::DatagramTransport;
pub use udp_socket::UdpSocket;

use crate::resolve::resolve;
use crate::{Address, Target, ToAddresses};
use socket::DatagramSocket;

/// Where an endpoint is, and whom it speaks to. asyncio's keyword arguments of
/// `create_datagram_endpoint`.
#[derive(Debug, Default)]
#[must_use]
pub struct DatagramOptions {
    local: Option<io::Result<Vec<Target>>>,
    remote: Option<io::Result<Vec<Target>>>,
    reuse_port: bool,
    allow_broadcast: bool,
}

impl DatagramOptions {
    /// The address it is bound to; any, unless set.
    pub fn local_addr(mut self, address: impl ToAddresses) -> DatagramOptions {
        self.local = Some(address.to_targets());
        self
    }

    /// The only peer it speaks to; without one, each datagram has its own.
    pub fn remote_addr(mut self, address: impl ToAddresses) -> DatagramOptions {
        self.remote = Some(address.to_targets());
        self
    }

    /// Lets several endpoints share the local address (`SO_REUSEPORT`), among which the system
    /// spreads datagrams by their senders.
    pub fn reuse_port(mut self, on: bool) -> DatagramOptions {
        self.reuse_port = on;
        self
    }

    /// Lets it send to broadcast addresses.
    pub fn allow_broadcast(mut self, on: bool) -> DatagramOptions {
        self.allow_broadcast = on;
        self
    }

    async fn socket(self) -> io::Result<DatagramSocket> {
        let event_loop = get_running_loop();
        if event_loop.sim_network().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the simulated network carries streams, no datagrams; run the test as \
                 `#[bucle::test(real)]`",
            ));
        }
        let local = match self.local {
            Some(targets) => Some(addresses(targets?).await?),
            None => None,
        };
        let remote = match self.remote {
            Some(targets) => Some(addresses(targets?).await?),
            None => None,
        };
        // Both of one family: the first pair that works.
        let some = |list: &Option<Vec<SocketAddr>>| match list {
            Some(list) => list.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        let mut failed = None;
        for local in some(&local) {
            for remote in some(&remote) {
                if let (Some(local), Some(remote)) = (local, remote)
                    && local.is_ipv4() != remote.is_ipv4()
                {
                    continue;
                }
                let made = DatagramSocket::open(
                    &event_loop,
                    local,
                    remote,
                    self.reuse_port,
                    self.allow_broadcast,
                );
                match made {
                    Ok(socket) => return Ok(socket),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        Err(failed.unwrap_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the local and the remote address have to be of the same family",
            )
        }))
    }
}

async fn addresses(targets: Vec<Target>) -> io::Result<Vec<SocketAddr>> {
    let found = resolve(&get_running_loop(), &targets).await?;
    let inet: Vec<SocketAddr> = found.iter().filter_map(Address::as_tcp).collect();
    if inet.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "datagrams are sent over IP; give an address and a port",
        ));
    }
    Ok(inet)
}

/// A UDP endpoint on the running loop, and a protocol made by `factory` for it. asyncio's
/// `create_datagram_endpoint`.
///
/// ```
/// use std::net::SocketAddr;
///
/// use bucle_net::udp::{
///     DatagramOptions, DatagramProtocol, DatagramTransport, UdpSocket, create_datagram_endpoint,
/// };
///
/// /// Sends back what it gets.
/// #[derive(Default)]
/// struct Echo(Option<DatagramTransport>);
///
/// impl DatagramProtocol for Echo {
///     fn connection_made(&mut self, transport: DatagramTransport) {
///         self.0 = Some(transport);
///     }
///
///     fn datagram_received(&mut self, data: &[u8], address: SocketAddr) {
///         if let Some(transport) = &self.0 {
///             transport.sendto(data, Some(address));
///         }
///     }
/// }
///
/// bucle_loop::run(async {
///     let options = DatagramOptions::default().local_addr("127.0.0.1:0");
///     let echo = create_datagram_endpoint(options, Echo::default).await?;
///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
///     socket.send_to(b"hello", echo.local_address().unwrap()).await?;
///     let mut buffer = [0; 100];
///     let (count, _) = socket.recv_from(&mut buffer).await?;
///     assert_eq!(&buffer[..count], b"hello");
///     echo.close();
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` for what is no address, or when both are given and of different families; the
/// system's, with the address; `Unsupported` on a simulated loop.
///
/// # Panics
/// If no loop is running in this thread.
pub async fn create_datagram_endpoint<P, F>(
    options: DatagramOptions,
    factory: F,
) -> io::Result<DatagramTransport>
where
    P: DatagramProtocol,
    F: FnOnce() -> P,
{
    let socket = options.socket().await?;
    DatagramTransport::start(&get_running_loop(), socket, Box::new(factory()))
}
