//! [`Options`]: what a server can be told, with its defaults.

use std::time::Duration;

use bucle_http::Limits;

use crate::proxies::TrustedProxies;

/// How long a client may take from the opening of the connection, or from the first byte of a
/// later request, to the end of the head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may be idle between two requests.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a client may send nothing in the middle of a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may read nothing of an answer that waits for it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the rest of a refused request is read and thrown away, so that the client gets to see
/// the answer instead of a reset.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a body that its handler did not read is thrown away to keep the connection, in
/// bytes; what is longer closes it.
pub const DISCARD_LIMIT: u64 = 256 * 1024;

/// How long a stopping server waits for the answers that are under way.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a server can be told, to be changed field by field.
///
/// Times count in steps of at most a second, and never less than asked.
///
/// ```
/// use std::time::Duration;
///
/// let mut options = bucle_server::Options::default();
/// options.idle_timeout = Duration::from_secs(5);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The parser's limits.
    pub limits: Limits,
    /// See [`HEADER_TIMEOUT`].
    pub header_timeout: Duration,
    /// See [`IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// See [`BODY_TIMEOUT`].
    pub body_timeout: Duration,
    /// See [`WRITE_TIMEOUT`].
    pub write_timeout: Duration,
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
            idle_timeout: IDLE_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
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
