//! [`Options`]: what a server can be told, with its defaults.

use std::time::Duration;

use bucle_http::Limits;

use crate::proxies::TrustedProxies;

/// How long a client may take from the opening of the connection, or from the first byte of a
/// later request, to the end of the head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may be idle between two requests.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a TLS handshake may take, from the opening of the connection. As Kestrel.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may send nothing in the middle of a body; and how long it may go without a
/// single byte while it keeps [`MIN_RECEIVE_RATE`] on the whole.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How fast a body has to come, in bytes a second; a slower one is answered with 408. A client begins
/// with [`BODY_TIMEOUT`] in hand; what it sends adds to that at this rate, never to more than
/// [`BODY_TIMEOUT`]. Time in which we don't read doesn't count. As Kestrel; Apache has 500.
pub const MIN_RECEIVE_RATE: u64 = 240;

/// How long a handler may take to its answer, once it waits for nobody but itself: from when the
/// request is whole, or was read as far as the handler lets it be. Then it is dropped and the answer
/// is 503. Once an answer has begun, it may take as long as it likes. nginx waits as long for who is
/// behind it.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(60);

/// In which time a client has to read some of an answer that waits for it: as much as
/// [`MIN_SEND_RATE`] asks for.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How fast an answer that waits for the client has to be read, in bytes a second, each
/// [`WRITE_TIMEOUT`] taken by itself; who is slower is cut. As Kestrel. What counts is what the
/// client's system has taken, which is ahead of the client, and in pieces of some kilobytes.
pub const MIN_SEND_RATE: u64 = 240;

/// Bytes of a request's body; a longer one is answered with 413. As Apache; nginx has 1 MiB, Kestrel
/// 30 MB. A body is handed on as it comes, and takes no memory by its length.
pub const MAX_BODY: u64 = 1024 * 1024 * 1024;

/// How long the rest of a refused request is read and thrown away, so that the client gets to see
/// the answer instead of a reset.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a body that its handler did not read is thrown away to keep the connection, in
/// bytes; what is longer closes it.
pub const DISCARD_LIMIT: u64 = 256 * 1024;

/// How long a stopping server waits for the answers that are under way.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a server can be told, to be changed field by field. `None` is no limit.
///
/// Times count in steps of at most a second, and never less than asked.
///
/// ```
/// use std::time::Duration;
///
/// let mut options = bucle_server::Options::default();
/// options.idle_timeout = Duration::from_secs(5);
/// options.max_connections_per_address = Some(100);
/// options.limits.fields = 50;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The parser's limits.
    pub limits: Limits,
    /// See [`HEADER_TIMEOUT`].
    pub header_timeout: Duration,
    /// See [`TLS_HANDSHAKE_TIMEOUT`].
    pub tls_handshake_timeout: Duration,
    /// See [`IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// See [`BODY_TIMEOUT`].
    pub body_timeout: Duration,
    /// See [`MIN_RECEIVE_RATE`].
    pub min_receive_rate: Option<u64>,
    /// See [`HANDLER_TIMEOUT`].
    pub handler_timeout: Option<Duration>,
    /// See [`WRITE_TIMEOUT`].
    pub write_timeout: Duration,
    /// See [`MIN_SEND_RATE`].
    pub min_send_rate: Option<u64>,
    /// See [`MAX_BODY`].
    pub max_body: Option<u64>,
    /// How many connections there may be at a time, over all threads, from the moment they are
    /// accepted. `None` unless set: then open files are the limit. One more is answered with 503 and
    /// closed, unasked; over TLS, and where a server is busy with such answers, it is closed without a
    /// word. Those given to [`Server::serve_connection`](crate::Server::serve_connection) don't
    /// count.
    pub max_connections: Option<u32>,
    /// The same from one address; an IPv6 address counts as its /64, and Unix sockets have none.
    /// `None` unless set: behind a proxy, all come from the same. Those of
    /// [`trusted_proxies`](Options::trusted_proxies) don't count, whomever they are for.
    pub max_connections_per_address: Option<u32>,
    /// How fast answers leave, in bytes a second and connection, heads included; over TLS, encrypted.
    /// `None` unless set. A connection that was quiet may send as much as a second's at once. nginx's
    /// `limit_rate`.
    pub limit_rate: Option<u64>,
    /// How many requests a connection may make; the answer to the last one says `Connection: close`.
    /// `None` unless set: nothing here grows with their number. At least 1.
    pub max_requests: Option<u32>,
    /// See [`LINGER_TIMEOUT`].
    pub linger_timeout: Duration,
    /// See [`DRAIN_TIMEOUT`].
    pub drain_timeout: Duration,
    /// Who may say for whom a request is, by `X-Forwarded-For`: nobody unless set. See
    /// [`Request::client_addr`](crate::Request::client_addr).
    pub trusted_proxies: TrustedProxies,
    /// Whether these proxies say it by the PROXY protocol, versions 1 and 2, with which each of their
    /// connections has to begin then, within the header timeout; off unless set. It comes before TLS.
    /// From anybody else such a beginning is refused as the malformed request or handshake it is.
    pub proxy_protocol: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            limits: Limits::default(),
            header_timeout: HEADER_TIMEOUT,
            tls_handshake_timeout: TLS_HANDSHAKE_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            min_receive_rate: Some(MIN_RECEIVE_RATE),
            handler_timeout: Some(HANDLER_TIMEOUT),
            write_timeout: WRITE_TIMEOUT,
            min_send_rate: Some(MIN_SEND_RATE),
            max_body: Some(MAX_BODY),
            max_connections: None,
            max_connections_per_address: None,
            limit_rate: None,
            max_requests: None,
            linger_timeout: LINGER_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
            trusted_proxies: TrustedProxies::nobody(),
            proxy_protocol: false,
        }
    }
}

impl Options {
    /// The step in which deadlines are looked at: short enough for the shortest of them.
    pub(crate) fn tick(&self) -> Duration {
        [
            self.header_timeout,
            self.idle_timeout,
            self.body_timeout,
            self.write_timeout,
            self.linger_timeout,
        ]
        .into_iter()
        .chain(self.handler_timeout)
        .map(|timeout| timeout / 4)
        .fold(Duration::from_secs(1), Duration::min)
        .max(Duration::from_millis(1))
    }

    /// `timeout` in ticks, rounded up, with one more for the tick that is under way.
    pub(crate) fn ticks(&self, timeout: Duration) -> u32 {
        let ticks = timeout.as_nanos().div_ceil(self.tick().as_nanos()) + 1;
        // Ticks wrap around: half the range is the future.
        u32::try_from(ticks).unwrap_or(u32::MAX).min(u32::MAX / 4)
    }
}
