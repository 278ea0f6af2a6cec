//! What knows rustls, with `anybody` and `pem`: [`ServerContext`] and [`ClientContext`], and the [`Session`] of a
//! connection, which turns bytes into other bytes and does no I/O.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, Connection, HandshakeKind, InvalidMessage};
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::TlsInfo;
use super::anybody::Anybody;
use super::pem;
use super::transport::Patience;
use crate::Address;

/// How long a handshake may take unless another time is set; asyncio's.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a peer's end is waited for after [`close`](crate::Transport::close) unless another time
/// is set; asyncio's.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

const PATIENCE: Patience = Patience {
    handshake: HANDSHAKE_TIMEOUT,
    shutdown: SHUTDOWN_TIMEOUT,
};

/// Where systems keep the certificates they trust: Debian, Fedora, SUSE, Alpine and the BSDs.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(ring::default_provider()))
        .clone()
}

/// Why a certificate and its key can't be used.
fn unusable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the private key is not that of the first certificate".to_owned()
        }
        // It would speak of a peer's, and this one is our own.
        rustls::Error::InvalidCertificate(why) => {
            format!("the first certificate can't be used: {why}")
        }
        rustls::Error::General(why) => format!("certificate and key can't be used: {why}"),
        error => format!("certificate and key can't be used: {error}"),
    }
}

pub(super) fn invalid(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

/// A chain of certificates with its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<Identity> {
        Ok(Identity {
            key: pem::private_key(key)?,
            chain: pem::certificates(certificates)?,
        })
    }

    fn certified(self) -> io::Result<Arc<CertifiedKey>> {
        let certified = CertifiedKey::from_der(self.chain, self.key, &provider())
            .map_err(|error| invalid(unusable(&error)))?;
        Ok(Arc::new(certified))
    }
}

/// The certificate that a server shows now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(shown.clone())
    }
}

fn roots_from(pem: &[u8], roots: &mut RootCertStore) -> io::Result<()> {
    for certificate in pem::certificates(pem)? {
        roots
            .add(certificate)
            .map_err(|error| invalid(format!("a root certificate can't be used: {error}")))?;
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("can't read {}: {error}", path.display()),
        )
    })
}

fn check(patience: Patience) -> io::Result<()> {
    if patience.handshake.is_zero() || patience.shutdown.is_zero() {
        return Err(invalid(
            "the times for a handshake and for a shutdown must be longer than nothing",
        ));
    }
    Ok(())
}

fn names(protocols: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    for name in protocols {
        if name.is_empty() || name.len() > 255 {
            return Err(invalid(format!(
                "an ALPN name has 1 to 255 bytes, not {} (RFC 7301, 3.1)",
                name.len()
            )));
        }
    }
    Ok(protocols.to_vec())
}

/// What a server needs to speak TLS. asyncio's `ssl.create_default_context(CLIENT_AUTH)`. Cheap to
/// clone, and can be shared among threads.
///
/// TLS 1.2 and 1.3, with the cipher suites that are safe.
#[derive(Clone)]
pub struct ServerContext {
    shared: Arc<ServerShared>,
}

struct ServerShared {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    patience: Patience,
    plain_text_answer: Option<PlainTextAnswer>,
    on_handshake_error: Option<OnHandshakeError>,
}

/// What is said to who speaks no TLS.
type PlainTextAnswer = Box<dyn Fn() -> Vec<u8> + Send + Sync>;

/// What is done about a handshake that failed.
type OnHandshakeError = Box<dyn Fn(Option<Address>, &io::Error) + Send + Sync>;

/// Builds a [`ServerContext`].
pub struct ServerContextBuilder {
    identity: Option<Identity>,
    client_roots: Option<RootCertStore>,
    clients_may_be_anonymous: bool,
    alpn: Vec<Vec<u8>>,
    patience: Patience,
    plain_text_answer: Option<PlainTextAnswer>,
    on_handshake_error: Option<OnHandshakeError>,
}

impl ServerContext {
    /// A context with a chain of certificates, the server's own first, and its private key, both
    /// PEM. asyncio's `load_cert_chain`.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read, or doesn't belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<ServerContext> {
        ServerContext::builder()
            .certificate_pem(certificates, key)?
            .build()
    }

    /// [`from_pem`](ServerContext::from_pem) of two files.
    ///
    /// # Errors
    /// The system's, with the name of the file; those of [`from_pem`](ServerContext::from_pem).
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> io::Result<ServerContext> {
        ServerContext::from_pem(&read(certificates.as_ref())?, &read(key.as_ref())?)
    }

    /// Settings to change before the context is made.
    pub fn builder() -> ServerContextBuilder {
        ServerContextBuilder {
            identity: None,
            client_roots: None,
            clients_may_be_anonymous: false,
            alpn: Vec::new(),
            patience: PATIENCE,
            plain_text_answer: None,
            on_handshake_error: None,
        }
    }

    /// Shows another chain of certificates, with its key, from now on: to new connections, in all
    /// threads. Those that stand keep what they have.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read, or doesn't belong together; the certificate from
    /// before stays then.
    pub fn replace_certificate_pem(&self, certificates: &[u8], key: &[u8]) -> io::Result<()> {
        let certified = Identity::from_pem(certificates, key)?.certified()?;
        let shown = &self.shared.shown.0;
        *shown.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    pub(super) fn patience(&self) -> Patience {
        self.shared.patience
    }

    pub(super) fn plain_text_answer(&self) -> Option<Vec<u8>> {
        let answer = self.shared.plain_text_answer.as_ref()?;
        Some(answer())
    }

    pub(super) fn tell_handshake_error(&self, peer: Option<Address>, error: &io::Error) {
        if let Some(tell) = &self.shared.on_handshake_error {
            tell(peer, error);
        }
    }
}

impl ServerContextBuilder {
    /// The server's chain of certificates, its own first, and its private key, both PEM.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read.
    pub fn certificate_pem(mut self, certificates: &[u8], key: &[u8]) -> io::Result<Self> {
        self.identity = Some(Identity::from_pem(certificates, key)?);
        Ok(self)
    }

    /// Asks clients for a certificate that one of these roots (PEM) has signed, and refuses those
    /// that have none, unless
    /// [`clients_may_be_anonymous`](ServerContextBuilder::clients_may_be_anonymous).
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read.
    pub fn client_roots_pem(mut self, roots: &[u8]) -> io::Result<Self> {
        roots_from(
            roots,
            self.client_roots.get_or_insert_with(RootCertStore::empty),
        )?;
        Ok(self)
    }

    /// Lets clients without a certificate in, all the same.
    #[must_use]
    pub fn clients_may_be_anonymous(mut self) -> Self {
        self.clients_may_be_anonymous = true;
        self
    }

    /// The protocols that are offered by ALPN (RFC 7301), the best one first. A client that offers
    /// some, but none of these, is refused.
    #[must_use]
    pub fn alpn_protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.alpn = protocols.into_iter().map(|p| p.as_ref().to_vec()).collect();
        self
    }

    /// How long a handshake may take; [`HANDSHAKE_TIMEOUT`] unless set.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.patience.handshake = timeout;
        self
    }

    /// How long the peer may take nothing of what is left, and how long its end is waited for, after
    /// [`close`](crate::Transport::close), before the
    /// connection is closed all the same; [`SHUTDOWN_TIMEOUT`] unless set.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.patience.shutdown = timeout;
        self
    }

    /// What is sent, as it is, to a client that doesn't speak TLS but sends text: the answer of a
    /// protocol whose clients may have mistaken the port. Such a client's connection is then
    /// closed, with or without an answer.
    #[must_use]
    pub fn plain_text_answer(self, answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        self.plain_text_answer_with(move || answer.clone())
    }

    /// [`plain_text_answer`](ServerContextBuilder::plain_text_answer) that is made for each such client,
    /// with what time it is, for one. It is called in the middle of the loop's work, and should be short.
    #[must_use]
    pub fn plain_text_answer_with(
        mut self,
        answer: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        self.plain_text_answer = Some(Box::new(answer));
        self
    }

    /// Has `told` called for each accepted connection whose handshake fails, with who it was, if
    /// that is known, and why. Such connections are otherwise dropped without a word: on an open
    /// port they are everyday noise. It is called in the middle of the loop's work, and should only
    /// count or write down.
    #[must_use]
    pub fn on_handshake_error(
        mut self,
        told: impl Fn(Option<Address>, &io::Error) + Send + Sync + 'static,
    ) -> Self {
        self.on_handshake_error = Some(Box::new(told));
        self
    }

    /// Makes the context. Clients can resume their sessions, by tickets (RFC 8446, 2.2).
    ///
    /// # Errors
    /// `InvalidInput` without a certificate, for a key that is not the certificate's, for ALPN names
    /// that are none, for a time-out of nothing.
    pub fn build(self) -> io::Result<ServerContext> {
        check(self.patience)?;
        let identity = self
            .identity
            .ok_or_else(|| invalid("a server needs a certificate: give `certificate_pem`"))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?;
        let builder = match self.client_roots {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
                if self.clients_may_be_anonymous {
                    verifier = verifier.allow_unauthenticated();
                }
                builder.with_client_cert_verifier(verifier.build().map_err(invalid)?)
            }
        };
        let shown = Arc::new(Shown(RwLock::new(identity.certified()?)));
        let mut config = builder.with_cert_resolver(shown.clone());
        config.alpn_protocols = names(&self.alpn)?;
        // All that a session needs is with the client: nothing is kept here, and nothing locked.
        config.ticketer = ring::Ticketer::new().map_err(invalid)?;
        let shared = ServerShared {
            config: Arc::new(config),
            shown,
            patience: self.patience,
            plain_text_answer: self.plain_text_answer,
            on_handshake_error: self.on_handshake_error,
        };
        Ok(ServerContext {
            shared: Arc::new(shared),
        })
    }
}

/// What a client needs to speak TLS. asyncio's `ssl.create_default_context()`: the server's
/// certificate and name are always checked. Cheap to clone, and can be shared among threads;
/// connections of one context resume one another's sessions.
#[derive(Clone)]
pub struct ClientContext {
    config: Arc<ClientConfig>,
    pub(super) patience: Patience,
}

/// Builds a [`ClientContext`].
pub struct ClientContextBuilder {
    roots: RootCertStore,
    unverified: bool,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    patience: Patience,
}

impl ClientContext {
    /// A context that trusts whom the system trusts.
    ///
    /// # Errors
    /// As [`ClientContextBuilder::system_roots`].
    pub fn with_system_roots() -> io::Result<ClientContext> {
        ClientContext::builder().system_roots()?.build()
    }

    /// A context that trusts these certificates (PEM) and what they have signed. asyncio's
    /// `create_default_context(cadata=..)`.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read.
    pub fn from_roots_pem(roots: &[u8]) -> io::Result<ClientContext> {
        ClientContext::builder().roots_pem(roots)?.build()
    }

    /// Settings to change before the context is made.
    pub fn builder() -> ClientContextBuilder {
        ClientContextBuilder {
            roots: RootCertStore::empty(),
            unverified: false,
            identity: None,
            alpn: Vec::new(),
            patience: PATIENCE,
        }
    }
}

impl ClientContextBuilder {
    /// Takes any certificate, whoever made it, for whatever name, however old: what is sent is
    /// encrypted, but to nobody knows whom. For measurements and tests of servers that one has
    /// started oneself; anywhere else name whom to trust by [`roots_pem`](Self::roots_pem). Python's
    /// `check_hostname = False` with `ssl.CERT_NONE`.
    #[must_use]
    pub fn dangerously_trust_anybody(mut self) -> Self {
        self.unverified = true;
        self
    }

    /// Trusts whom the system trusts: the file that `SSL_CERT_FILE` names, or the system's own.
    /// Certificates in it that can't be used are passed over.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, or nothing in it.
    pub fn system_roots(mut self) -> io::Result<Self> {
        let named = std::env::var_os("SSL_CERT_FILE");
        let places = match &named {
            Some(path) => vec![Path::new(path)],
            None => SYSTEM_ROOTS.iter().map(Path::new).collect(),
        };
        for place in &places {
            let Ok(certificates) = CertificateDer::pem_file_iter(place) else {
                continue;
            };
            let readable = certificates.filter_map(Result::ok);
            let (added, _) = self.roots.add_parsable_certificates(readable);
            if added > 0 {
                return Ok(self);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "no certificates to trust in {places:?}; install them (ca-certificates), name a \
                 file by SSL_CERT_FILE, or give `roots_pem`"
            ),
        ))
    }

    /// Trusts these certificates (PEM), and what they have signed, too.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read.
    pub fn roots_pem(mut self, roots: &[u8]) -> io::Result<Self> {
        roots_from(roots, &mut self.roots)?;
        Ok(self)
    }

    /// The client's own chain of certificates and its private key (PEM), for servers that ask.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be read.
    pub fn certificate_pem(mut self, certificates: &[u8], key: &[u8]) -> io::Result<Self> {
        self.identity = Some(Identity::from_pem(certificates, key)?);
        Ok(self)
    }

    /// The protocols that are offered by ALPN (RFC 7301), the best one first.
    #[must_use]
    pub fn alpn_protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.alpn = protocols.into_iter().map(|p| p.as_ref().to_vec()).collect();
        self
    }

    /// How long a handshake may take; [`HANDSHAKE_TIMEOUT`] unless set.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.patience.handshake = timeout;
        self
    }

    /// How long the peer may take nothing of what is left, and how long its end is waited for, after
    /// [`close`](crate::Transport::close), before the
    /// connection is closed all the same; [`SHUTDOWN_TIMEOUT`] unless set.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.patience.shutdown = timeout;
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// `InvalidInput` if nobody is trusted, for a key that is not the certificate's, for ALPN names
    /// that are none, for a time-out of nothing.
    pub fn build(self) -> io::Result<ClientContext> {
        check(self.patience)?;
        if self.roots.is_empty() && !self.unverified {
            return Err(invalid(
                "nobody is trusted: give `system_roots`, or `roots_pem` with the certificates that \
                 sign your servers'",
            ));
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?;
        let builder = if self.unverified {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody))
        } else {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(self.roots.into(), provider())
                    .build()
                    .map_err(invalid)?;
            builder.with_webpki_verifier(verifier)
        };
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain, identity.key)
                .map_err(|error| invalid(unusable(&error)))?,
        };
        config.alpn_protocols = names(&self.alpn)?;
        Ok(ClientContext {
            config: Arc::new(config),
            patience: self.patience,
        })
    }
}

/// The TLS of one connection.
pub(super) struct Session {
    connection: Connection,
}

/// Whether what was received begins like no record of TLS.
pub(super) fn is_no_record(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
        ))
    )
}

/// What can be read of what was received.
pub(super) enum Plaintext<'a> {
    Some(&'a [u8]),
    /// Nothing until more is received.
    None,
    /// The peer has said that it sends no more.
    End,
}

impl Session {
    pub(super) fn server(context: &ServerContext) -> io::Result<Session> {
        let connection = ServerConnection::new(context.shared.config.clone()).map_err(invalid)?;
        Ok(Session::new(connection.into()))
    }

    pub(super) fn client(context: &ClientContext, host: &str) -> io::Result<Session> {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
            invalid(format!(
                "`{host}` can't be the name of a TLS server; a DNS name or an IP address can"
            ))
        })?;
        let connection = ClientConnection::new(context.config.clone(), name).map_err(invalid)?;
        Ok(Session::new(connection.into()))
    }

    fn new(mut connection: Connection) -> Session {
        // Whoever sends keeps measure.
        connection.set_buffer_limit(None);
        Session { connection }
    }

    /// Takes from what was received, and returns how much; nothing once the peer has ended its side.
    /// What there is to read is read before more is given.
    pub(super) fn receive(&mut self, mut data: &[u8]) -> io::Result<usize> {
        let data: &mut dyn Read = &mut data;
        let taken = self.connection.read_tls(data)?;
        self.connection
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(taken)
    }

    pub(super) fn plaintext(&mut self) -> Plaintext<'_> {
        match self.connection.reader().into_first_chunk() {
            Ok([]) => Plaintext::End,
            Ok(chunk) => Plaintext::Some(chunk),
            Err(_) => Plaintext::None,
        }
    }

    /// Forgets the first bytes of what can be read.
    pub(super) fn consume(&mut self, count: usize) {
        self.connection.reader().consume(count);
    }

    /// Encrypts.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.writer().write(bytes)
    }

    /// Ends our side.
    pub(super) fn send_close_notify(&mut self) {
        self.connection.send_close_notify();
    }

    /// Appends what is to be sent.
    pub(super) fn take_output(&mut self, output: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // A vector takes everything.
            if self.connection.write_tls(output).is_err() {
                return;
            }
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(super) fn info(&self) -> TlsInfo {
        let connection = &self.connection;
        let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
        TlsInfo {
            version: text(connection.protocol_version().and_then(|v| v.as_str())),
            cipher: text(
                connection
                    .negotiated_cipher_suite()
                    .and_then(|suite| suite.suite().as_str()),
            ),
            alpn_protocol: connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name: match connection {
                Connection::Server(connection) => connection.server_name().map(str::to_owned),
                Connection::Client(_) => None,
            },
            session_reused: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            peer_certificates: connection
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect(),
        }
    }
}

macro_rules! debug {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext")
            .field("patience", &self.shared.patience)
            .finish_non_exhaustive()
    }
}

debug! {
    ServerContextBuilder { patience }
    ClientContext { patience }
    ClientContextBuilder { patience }
}
