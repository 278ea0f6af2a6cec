//! The load generator by TLS: as the plain one, one thread, one epoll, never asleep. It takes about as long for an answer as a
//! server does, so servers may wait for it: only their CPU time a request is theirs.
//!
//! One version, cipher and group is offered, so that all servers do the same.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};

use super::{Drive, PATIENCE};
use crate::load::{Heads, REQUESTS, Requests};
use crate::shape::{Secure, Shape};

/// The name in the certificate.
const NAME: &str = "bench.example";
/// Fewer handshakes than this share that go on from an earlier session are not what was asked for.
const RESUMED: f64 = 0.9;

/// Where the certificate and the key of every server lie: ECDSA with P-256.
pub(crate) struct Key {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Key {
    /// Those in `folder`.
    pub(crate) fn at(folder: &Path) -> Key {
        Key {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        }
    }

    /// Makes them, if they aren't there.
    pub(crate) fn make(&self) -> Result<()> {
        if self.key.is_file() {
            return Ok(());
        }
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        std::fs::write(&self.certificate, made.cert.pem())?;
        std::fs::write(&self.key, made.signing_key.serialize_pem())?;
        Ok(())
    }
}

fn config(key: &Key, secure: Secure) -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&key.certificate)?)?;
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = match secure {
        Secure::Resumed => Resumption::in_memory_sessions(256),
        Secure::KeepAlive | Secure::Handshake => Resumption::disabled(),
    };
    Ok(config.into())
}

struct Connection {
    stream: TcpStream,
    tls: ClientConnection,
    /// The request that is under way.
    at: usize,
    /// What came of its answer.
    answer: Vec<u8>,
}

impl Connection {
    /// Sends the next request; it waits inside for the handshake.
    fn ask(&mut self, requests: &Requests, next: &mut usize) -> Result<()> {
        self.at = *next;
        *next = (*next + 1) % REQUESTS;
        self.tls.writer().write_all(requests.burst(self.at, 1))?;
        flush(self)
    }
}

/// Connections by TLS to one server, with a request under way on each.
pub(crate) struct SecureLoad<'a> {
    server: SocketAddr,
    shape: &'a Shape,
    requests: &'a Requests,
    config: Arc<ClientConfig>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    heads: Heads,
    next: usize,
    /// Handshakes that were whole, and that were resumed.
    handshakes: [u64; 2],
}

impl<'a> SecureLoad<'a> {
    /// Opens `shape.connections` connections to `server`, and asks for something on each.
    pub(crate) fn open(
        server: SocketAddr,
        shape: &'a Shape,
        secure: Secure,
        requests: &'a Requests,
        key: &Key,
    ) -> Result<SecureLoad<'a>> {
        let mut load = SecureLoad {
            server,
            shape,
            requests,
            config: config(key, secure)?,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(shape.connections),
            heads: Heads::default(),
            next: 0,
            handshakes: [0; 2],
        };
        for number in 0..shape.connections {
            let connection = load.connect(number)?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    fn connect(&mut self, number: usize) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&self.server, PATIENCE)
            .with_context(|| format!("connecting to {}", self.server))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(
            &self.epoll,
            &stream,
            EventData::new_u64(number as u64),
            EventFlags::IN | EventFlags::ET,
        )?;
        let name = ServerName::try_from(NAME)?;
        let mut connection = Connection {
            stream,
            tls: ClientConnection::new(self.config.clone(), name)?,
            at: 0,
            answer: Vec::new(),
        };
        connection.ask(self.requests, &mut self.next)?;
        Ok(connection)
    }
}

/// Sends what TLS has to send. It is little, and what came before was answered: there is room for it.
fn flush(connection: &mut Connection) -> Result<()> {
    while connection.tls.wants_write() {
        match connection.tls.write_tls(&mut connection.stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The end was told before: the answer is still to be read.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error).context("sending a request"),
        }
    }
    Ok(())
}

impl Drive for SecureLoad<'_> {
    fn epoll(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    fn read(&mut self, number: usize) -> Result<u64> {
        let mut count = 0;
        loop {
            let connection = &mut self.connections[number];
            let ended = match connection.tls.read_tls(&mut connection.stream) {
                Ok(read) => read == 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("reading an answer"),
            };
            connection.tls.process_new_packets().context("TLS")?;
            match connection.tls.reader().read_to_end(&mut connection.answer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("reading an answer"),
            }
            flush(connection)?;
            let Some(head) = self.heads.read(&connection.answer)? else {
                ensure!(!ended, "closed without an answer");
                continue;
            };
            let body = self.requests.body(connection.at);
            if connection.answer.len() < head.length + head.body {
                ensure!(!ended, "closed in the middle of an answer");
                continue;
            }
            ensure!(&connection.answer[head.length..] == body, "a wrong body");
            connection.answer.clear();
            count += 1;
            if self.shape.reconnect {
                let resumed = connection.tls.handshake_kind() == Some(HandshakeKind::Resumed);
                self.handshakes[usize::from(resumed)] += 1;
                self.connections[number] = self.connect(number)?;
                break;
            }
            ensure!(!ended, "keep-alive ended by the server");
            connection.ask(self.requests, &mut self.next)?;
        }
        Ok(count)
    }

    fn check(&self) -> Result<()> {
        let [whole, resumed] = self.handshakes;
        if self.shape.secure == Some(Secure::Resumed) && whole + resumed > 200 {
            let share = resumed as f64 / (whole + resumed) as f64;
            ensure!(
                share >= RESUMED,
                "only {:.0} % of the sessions were resumed",
                share * 100.0
            );
        }
        Ok(())
    }
}
