//! [`Server`]: listening sockets, and the connections that came in by them. [`create_server`].

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use bucle_loop::{ExceptionContext, LoopRef, get_running_loop};

use crate::endpoint::{self, EmbeddedProtocol, Endpoint};
use crate::group::Group;
use crate::layer::AcceptLayer;
use crate::listener::{Listener, Made, MakeConnection};
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::unix::SocketPath;
use crate::waiters::Seat;
use crate::{Address, ProxyProtocol, ToAddresses, Traffic};

/// What a server can be told. asyncio's keyword arguments of `create_server`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// How many connections the system may hold for us; it lowers this to its own limit
    /// (`net.core.somaxconn`). 4096 unless set; asyncio has 100.
    pub backlog: i32,
    /// Lets several sockets share the address, among which the system spreads the connections
    /// (`SO_REUSEPORT`). TCP only.
    pub reuse_port: bool,
    /// Whether to accept at once; true unless set. Else [`Server::start_serving`] begins.
    pub start_serving: bool,
    /// Whether to remove the path of a Unix socket when the server closes, if it is still ours;
    /// true unless set.
    pub cleanup_socket: bool,
    /// How many descriptors of the process are kept free of connections, for the files and sockets
    /// that serving them takes: where fewer are left, accepting pauses as if there were none. At most
    /// an eighth of the limit on open files; 0 unless set.
    pub spare_descriptors: u32,
    /// Counts what comes in and leaves; nothing is counted unless set.
    pub traffic: Option<Arc<Traffic>>,
    /// Speaks the PROXY protocol with the proxies it trusts; not at all unless set.
    pub proxy_protocol: Option<ProxyProtocol>,
    pub(crate) layer: Option<Arc<dyn AcceptLayer>>,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            backlog: bucle_sys::socket::BACKLOG,
            reuse_port: false,
            start_serving: true,
            cleanup_socket: true,
            spare_descriptors: 0,
            traffic: None,
            proxy_protocol: None,
            layer: None,
        }
    }
}

impl ServerOptions {
    /// Sets [`backlog`](ServerOptions::backlog).
    #[must_use]
    pub fn backlog(mut self, backlog: i32) -> ServerOptions {
        self.backlog = backlog;
        self
    }

    /// Sets [`reuse_port`](ServerOptions::reuse_port).
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> ServerOptions {
        self.reuse_port = on;
        self
    }

    /// Sets [`start_serving`](ServerOptions::start_serving).
    #[must_use]
    pub fn start_serving(mut self, on: bool) -> ServerOptions {
        self.start_serving = on;
        self
    }

    /// Sets [`cleanup_socket`](ServerOptions::cleanup_socket).
    #[must_use]
    pub fn cleanup_socket(mut self, on: bool) -> ServerOptions {
        self.cleanup_socket = on;
        self
    }

    /// Sets [`spare_descriptors`](ServerOptions::spare_descriptors).
    #[must_use]
    pub fn spare_descriptors(mut self, count: u32) -> ServerOptions {
        self.spare_descriptors = count;
        self
    }

    /// Sets [`traffic`](ServerOptions::traffic), which is for this server and others of the same
    /// thread only.
    #[must_use]
    pub fn traffic(mut self, traffic: Arc<Traffic>) -> ServerOptions {
        self.traffic = Some(traffic);
        self
    }

    /// Sets [`proxy_protocol`](ServerOptions::proxy_protocol).
    #[must_use]
    pub fn proxy_protocol(mut self, proxies: ProxyProtocol) -> ServerOptions {
        self.proxy_protocol = Some(proxies);
        self
    }
}

/// Listens at `address`, and makes a protocol by `factory` for each connection. asyncio's
/// `create_server` and `create_unix_server`.
///
/// Several addresses (`"localhost:80"`) are all listened at; families and addresses that this
/// machine doesn't have are passed over as long as one remains. Port 0 takes any free port, the
/// same for all addresses where that can be. A Unix socket left behind by a server that is gone is
/// replaced. The soft limit on open files is raised to the hard one.
///
/// ```
/// use bucle_net::{Protocol, ServerOptions, Transport, create_server};
///
/// struct Greeter;
///
/// impl Protocol for Greeter {
///     fn connection_made(&mut self, transport: Transport) {
///         transport.write(b"hello\n");
///         transport.close();
///     }
///
///     fn data_received(&mut self, _: &[u8]) {}
/// }
///
/// bucle_loop::run(async {
///     let server = create_server("127.0.0.1:0", ServerOptions::default(), || Greeter)?;
///     let (mut reader, _writer) = bucle_net::open_connection(&server.sockets()[0]).await?;
///     assert_eq!(reader.readline().await?, b"hello\n");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` for what is no address; the system's, with the address in question.
///
/// # Panics
/// If no loop is running in this thread.
#[doc(alias = "create_unix_server")]
#[track_caller]
pub fn create_server<P, F>(
    address: impl ToAddresses,
    options: ServerOptions,
    mut factory: F,
) -> io::Result<Server>
where
    P: Protocol,
    F: FnMut() -> P + 'static,
{
    create_server_admitting(address, options, move |_| Some(factory()))
}

/// A connection that was accepted, before anything is done with it.
pub struct Incoming<'a>(&'a Socket);

impl Incoming<'_> {
    /// Where it comes from; `None` if it has gone already. The system is asked at each call.
    pub fn peer_address(&self) -> Option<Address> {
        self.0.peer_address()
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer_address();
        f.debug_struct("Incoming").field("peer", &peer).finish()
    }
}

/// [`create_server`] with a factory that is shown who comes in, and may refuse: where it returns
/// `None`, the connection is closed, before any handshake.
///
/// # Errors
/// As [`create_server`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_server_admitting<P, F>(
    address: impl ToAddresses,
    options: ServerOptions,
    factory: F,
) -> io::Result<Server>
where
    P: Protocol,
    F: FnMut(&Incoming<'_>) -> Option<P> + 'static,
{
    let make_connection = make_connection(&options, Of(factory));
    bind(address, options, make_connection)
}

/// [`create_server_admitting`] with [embedded](EmbeddedProtocol) protocols.
///
/// # Errors
/// As [`create_server`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_embedded_server<P, F>(
    address: impl ToAddresses,
    options: ServerOptions,
    factory: F,
) -> io::Result<Server>
where
    P: EmbeddedProtocol,
    F: FnMut(&Incoming<'_>) -> Option<P> + 'static,
{
    let make_connection = make_connection(&options, OfEmbedded(factory));
    bind(address, options, make_connection)
}

#[track_caller]
fn bind(
    address: impl ToAddresses,
    options: ServerOptions,
    make_connection: MakeConnection,
) -> io::Result<Server> {
    let event_loop = get_running_loop();
    let mut server = Server::new(&event_loop, &options);
    let mut passed_over = None;
    for mut address in address.to_addresses()? {
        server.share_port(&mut address);
        let socket = match Socket::bind(&event_loop, &address, options.reuse_port) {
            Ok(socket) => socket,
            Err(error) if missing_here(&error) => {
                passed_over = Some(explain(&address, error));
                continue;
            }
            Err(error) => return Err(explain(&address, error)),
        };
        if options.cleanup_socket {
            server.paths.extend(socket.path(&address));
        }
        let listener = Listener::new(
            &server.group,
            socket,
            make_connection.clone(),
            Some(options.backlog),
        );
        server.group.add(listener);
    }
    match passed_over {
        Some(error) if server.group.listeners().is_empty() => return Err(error),
        _ => {}
    }
    if options.start_serving {
        server.start_serving()?;
    }
    Ok(server)
}

/// Serves at sockets that listen already: from another process, or shared among threads. asyncio's
/// `create_server` with `sock`. They are closed with the server.
///
/// # Errors
/// `InvalidInput` for a descriptor that is no listening stream socket; the system's.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_server_from<P, F>(sockets: Vec<OwnedFd>, factory: F) -> io::Result<Server>
where
    P: Protocol,
    F: FnMut() -> P + 'static,
{
    create_server_from_with(sockets, ServerOptions::default(), factory)
}

/// [`create_server_from`] with options, as far as they concern sockets that listen already.
///
/// # Errors
/// As [`create_server_from`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_server_from_with<P, F>(
    sockets: Vec<OwnedFd>,
    options: ServerOptions,
    mut factory: F,
) -> io::Result<Server>
where
    P: Protocol,
    F: FnMut() -> P + 'static,
{
    create_server_from_admitting(sockets, options, move |_| Some(factory()))
}

/// [`create_server_from_with`] with a factory as that of [`create_server_admitting`].
///
/// # Errors
/// As [`create_server_from`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_server_from_admitting<P, F>(
    sockets: Vec<OwnedFd>,
    options: ServerOptions,
    factory: F,
) -> io::Result<Server>
where
    P: Protocol,
    F: FnMut(&Incoming<'_>) -> Option<P> + 'static,
{
    let make_connection = make_connection(&options, Of(factory));
    adopt(sockets, options, make_connection)
}

/// [`create_server_from_admitting`] with [embedded](EmbeddedProtocol) protocols.
///
/// # Errors
/// As [`create_server`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_embedded_server_from<P, F>(
    sockets: Vec<OwnedFd>,
    options: ServerOptions,
    factory: F,
) -> io::Result<Server>
where
    P: EmbeddedProtocol,
    F: FnMut(&Incoming<'_>) -> Option<P> + 'static,
{
    let make_connection = make_connection(&options, OfEmbedded(factory));
    adopt(sockets, options, make_connection)
}

#[track_caller]
fn adopt(
    sockets: Vec<OwnedFd>,
    options: ServerOptions,
    make_connection: MakeConnection,
) -> io::Result<Server> {
    let server = Server::new(&get_running_loop(), &options);
    for socket in sockets {
        let socket = Socket::from_listening(socket)?;
        let listener = Listener::new(&server.group, socket, make_connection.clone(), None);
        server.group.add(listener);
    }
    if options.start_serving {
        server.start_serving()?;
    }
    Ok(server)
}

/// Makes protocols, of either kind.
trait Factory: 'static {
    type Made;

    fn make(&mut self, incoming: &Incoming<'_>) -> Option<Self::Made>;
    /// A connection of what was made.
    fn connect(event_loop: &LoopRef, socket: Socket, made: Self::Made) -> Rc<dyn Endpoint>;
    /// The same for a layer.
    fn boxed(event_loop: &LoopRef, made: Self::Made) -> Box<dyn Protocol>;
}

/// A factory of protocols.
struct Of<F>(F);

/// A factory of embedded protocols.
struct OfEmbedded<F>(F);

impl<P: Protocol, F: FnMut(&Incoming<'_>) -> Option<P> + 'static> Factory for Of<F> {
    type Made = P;

    fn make(&mut self, incoming: &Incoming<'_>) -> Option<P> {
        self.0(incoming)
    }

    fn connect(event_loop: &LoopRef, socket: Socket, made: P) -> Rc<dyn Endpoint> {
        endpoint::connection(event_loop, socket, made)
    }

    fn boxed(_: &LoopRef, made: P) -> Box<dyn Protocol> {
        Box::new(made)
    }
}

impl<P, F> Factory for OfEmbedded<F>
where
    P: EmbeddedProtocol,
    F: FnMut(&Incoming<'_>) -> Option<P> + 'static,
{
    type Made = P;

    fn make(&mut self, incoming: &Incoming<'_>) -> Option<P> {
        self.0(incoming)
    }

    fn connect(event_loop: &LoopRef, socket: Socket, made: P) -> Rc<dyn Endpoint> {
        endpoint::embedded(event_loop, socket, made)
    }

    fn boxed(event_loop: &LoopRef, made: P) -> Box<dyn Protocol> {
        Box::new(endpoint::around(event_loop, made))
    }
}

fn make_connection<F: Factory>(options: &ServerOptions, mut factory: F) -> MakeConnection {
    let (layer, proxies) = (options.layer.clone(), options.proxy_protocol.clone());
    if layer.is_none() && proxies.is_none() {
        return Rc::new(RefCell::new(move |event_loop: &LoopRef, socket| {
            let Some(protocol) = factory.make(&Incoming(&socket)) else {
                return Ok(None);
            };
            let connection = F::connect(event_loop, socket, protocol);
            Ok(Some(Made {
                connection,
                face: None,
            }))
        }));
    }
    Rc::new(RefCell::new(move |event_loop: &LoopRef, socket| {
        let Some(protocol) = factory.make(&Incoming(&socket)) else {
            return Ok(None);
        };
        let mut protocol = F::boxed(event_loop, protocol);
        let mut face = None;
        if let Some(layer) = &layer {
            let layered = layer.accept(event_loop, protocol)?;
            protocol = layered.protocol;
            face = Some(Rc::downgrade(&layered.face));
        }
        // The header of a proxy comes before a handshake.
        let connection = match &proxies {
            Some(proxies) => endpoint::connection(event_loop, socket, proxies.around(protocol)),
            None => endpoint::connection(event_loop, socket, protocol),
        };
        Ok(Some(Made { connection, face }))
    }))
}

/// Whether an address was refused because the machine does not have it.
fn missing_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || bucle_sys::socket::is_no_family(error)
}

fn explain(address: &Address, error: io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program listens there; stop it, or choose another address (port 0 takes any \
             free port)"
        }
        io::ErrorKind::PermissionDenied if address.as_tcp().is_some() => {
            ": ports below 1024 need a privilege; choose a higher one"
        }
        io::ErrorKind::AddrNotAvailable => ": this machine has no such address",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("can't listen at {address}: {error}{hint}"),
    )
}

/// Listening sockets on the running loop, and the connections that came in by them. asyncio's
/// `Server`.
///
/// Dropping it closes the listening sockets, as [`close`](Server::close) does. Its connections live
/// on, unless they are ended by [`close_clients`](Server::close_clients) or
/// [`abort_clients`](Server::abort_clients).
#[doc(alias = "AbstractServer")]
#[must_use = "dropping a server closes it; keep it, or await `serve_forever`"]
pub struct Server {
    group: Rc<Group>,
    /// Removed when the server closes.
    paths: Vec<SocketPath>,
}

impl Server {
    fn new(event_loop: &LoopRef, options: &ServerOptions) -> Server {
        let spare = options.spare_descriptors;
        // Not worth failing for: running out is survived.
        let limit = bucle_sys::limits::raise_open_files().unwrap_or(None);
        let ceiling = match limit {
            Some(limit) if spare > 0 => limit - u64::from(spare).min(limit / 8),
            _ => u64::MAX,
        };
        Server {
            group: Group::new(event_loop.clone(), ceiling, options.traffic.clone()),
            paths: Vec::new(),
        }
    }

    /// Gives an address with port 0 the port that an address before it got.
    fn share_port(&self, address: &mut Address) {
        if let Address::Tcp(address) = address
            && address.port() == 0
        {
            let taken = self.sockets().into_iter().find_map(|taken| taken.as_tcp());
            address.set_port(taken.map_or(0, |taken| taken.port()));
        }
    }

    /// Where it listens, with the ports that were taken; nothing once closed.
    pub fn sockets(&self) -> Vec<Address> {
        let listeners = self.group.listeners();
        listeners
            .iter()
            .filter_map(|listener| listener.address())
            .collect()
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.group.len()
    }

    /// Starts to accept, if that was left for later. A second call does nothing.
    ///
    /// # Errors
    /// The system's, `AddrInUse` among them; the server being closed.
    pub fn start_serving(&self) -> io::Result<()> {
        if self.group.is_closed() {
            return Err(io::Error::other("the server was closed"));
        }
        for listener in self.group.listeners() {
            let address = listener.address();
            listener.start().map_err(|error| match address {
                Some(address) => explain(&address, error),
                None => error,
            })?;
        }
        self.group.serving.set(true);
        Ok(())
    }

    /// Whether it accepts connections.
    pub fn is_serving(&self) -> bool {
        self.group.serving.get() && !self.group.is_closed()
    }

    /// Closes the listening sockets; connections that wait to be accepted are refused, those that
    /// stand go on.
    pub fn close(&self) {
        for path in &self.paths {
            path.remove();
        }
        self.group.close();
    }

    /// [`Transport::close`](crate::Transport::close) on every connection there is.
    pub fn close_clients(&self) {
        for connection in self.group.connections() {
            connection.close();
        }
    }

    /// [`Transport::abort`](crate::Transport::abort) on every connection there is.
    pub fn abort_clients(&self) {
        for connection in self.group.connections() {
            connection.abort();
        }
    }

    /// Waits until the server is closed and the last of its connections has ended.
    pub async fn wait_closed(&self) {
        let mut seat = Seat::default();
        poll_fn(|cx| self.group.poll_over(&mut seat, cx)).await;
    }

    /// Serves until [`close`](Server::close) is called, and waits for the connections then. When
    /// this is cancelled, the server is closed.
    ///
    /// An error on the way to listening goes to the loop's exception handler, and ends this.
    pub async fn serve_forever(&self) {
        struct CloseOnDrop<'a>(&'a Server);
        impl Drop for CloseOnDrop<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        let _close = CloseOnDrop(self);
        if !self.group.is_closed()
            && let Err(error) = self.start_serving()
        {
            self.group
                .event_loop
                .call_exception_handler(ExceptionContext::new("server", error.to_string()));
            return;
        }
        let mut seat = Seat::default();
        poll_fn(|cx| self.group.poll_closed(&mut seat, cx)).await;
        self.wait_closed().await;
    }

    /// The loop it runs on. asyncio's `get_loop`.
    pub fn event_loop(&self) -> LoopRef {
        self.group.event_loop.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("sockets", &self.sockets())
            .field("serving", &self.is_serving())
            .field("connections", &self.connections())
            .finish()
    }
}
