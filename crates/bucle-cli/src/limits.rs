//! The limits of `bucle serve`: one flag each.

use bucle::server::limits::{
    CHUNK_EXTENSION_BYTES, FIELDS, HEAD_BYTES, TARGET_BYTES, TRAILER_BYTES,
};
use bucle::server::{
    BODY_TIMEOUT, DRAIN_TIMEOUT, HANDLER_TIMEOUT, HEADER_TIMEOUT, IDLE_TIMEOUT, LINGER_TIMEOUT,
    MAX_BODY, MIN_RECEIVE_RATE, MIN_SEND_RATE, Options, TLS_HANDSHAKE_TIMEOUT, WRITE_TIMEOUT,
};
use clap::Args;

use crate::units::{Limit, Rate, Size, Time, count, or_off, rate, size, time, time_or_none};

/// The slowest that `--limit-rate` can be, in bytes a second.
const MIN_LIMIT_RATE: u64 = 1024;

/// How long a client may take, and how much it may ask for.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// How long a client may take to send the head of a request, whole: from the opening of the
    /// connection, or from the first byte of a later request. Then it is 408.
    #[arg(long, value_name = "TIME", default_value_t = Time(HEADER_TIMEOUT), value_parser = time, allow_hyphen_values = true)]
    header_timeout: Time,

    /// How long a TLS handshake may take.
    #[arg(long, value_name = "TIME", default_value_t = Time(TLS_HANDSHAKE_TIMEOUT), value_parser = time, allow_hyphen_values = true)]
    tls_handshake_timeout: Time,

    /// How long a connection may be idle between two requests.
    #[arg(long, value_name = "TIME", default_value_t = Time(IDLE_TIMEOUT), value_parser = time, allow_hyphen_values = true)]
    idle_timeout: Time,

    /// How long a client may send nothing in the middle of a body. Then it is 408.
    #[arg(long, value_name = "TIME", default_value_t = Time(BODY_TIMEOUT), value_parser = time, allow_hyphen_values = true)]
    body_timeout: Time,

    /// How fast a body has to come, after --body-timeout: else it is 408; or off.
    #[arg(long, value_name = "RATE", default_value_t = Limit(Some(Rate(MIN_RECEIVE_RATE))), value_parser = |text: &str| or_off(text, rate), allow_hyphen_values = true)]
    min_receive_rate: Limit<Rate>,

    /// How long a handler may take to its answer. Then it is 503; or off.
    #[arg(long, value_name = "TIME", default_value_t = Limit(Some(Time(HANDLER_TIMEOUT))), value_parser = |text: &str| or_off(text, time), allow_hyphen_values = true)]
    handler_timeout: Limit<Time>,

    /// In which time a client has to read some of an answer that waits for it: what
    /// --min-send-rate asks for. Then it is cut.
    #[arg(long, value_name = "TIME", default_value_t = Time(WRITE_TIMEOUT), value_parser = time, allow_hyphen_values = true)]
    write_timeout: Time,

    /// How fast an answer has to be read, over each --write-timeout: else the client is cut; or
    /// off: any progress will do.
    #[arg(long, value_name = "RATE", default_value_t = Limit(Some(Rate(MIN_SEND_RATE))), value_parser = |text: &str| or_off(text, rate), allow_hyphen_values = true)]
    min_send_rate: Limit<Rate>,

    /// How long a client that is still sending may take to see that it was refused.
    #[arg(long, value_name = "TIME", default_value_t = Time(LINGER_TIMEOUT), value_parser = time, allow_hyphen_values = true)]
    linger_timeout: Time,

    /// How long a stop waits for the answers that are under way; 0 cuts them.
    #[arg(long, value_name = "TIME", default_value_t = Time(DRAIN_TIMEOUT), value_parser = time_or_none, allow_hyphen_values = true)]
    drain_timeout: Time,

    /// How many connections there may be at a time. One more is answered with 503 and closed; or off:
    /// as many as open files allow.
    #[arg(long, value_name = "N", default_value_t = Limit(None), value_parser = |text: &str| or_off(text, count), allow_hyphen_values = true)]
    max_connections: Limit<u32>,

    /// The same from one address (for IPv6, from one /64); or off. Behind a proxy all come from one.
    #[arg(long, value_name = "N", default_value_t = Limit(None), value_parser = |text: &str| or_off(text, count), allow_hyphen_values = true)]
    max_connections_per_address: Limit<u32>,

    /// How fast answers leave, in bytes a second and connection (at least 1KiB); or off.
    #[arg(long, value_name = "RATE", default_value_t = Limit(None), value_parser = |text: &str| or_off(text, send_rate), allow_hyphen_values = true)]
    limit_rate: Limit<Rate>,

    /// How many requests a connection may make: the last answer says Connection: close; or off.
    #[arg(long, value_name = "N", default_value_t = Limit(None), value_parser = |text: &str| or_off(text, count), allow_hyphen_values = true)]
    max_requests: Limit<u32>,

    /// Bytes of a request's target, path and query. A longer one is 414.
    #[arg(long, value_name = "SIZE", default_value_t = Size(TARGET_BYTES as u64), value_parser = size, allow_hyphen_values = true)]
    max_target: Size,

    /// Bytes of the head of a request. A longer one is 431.
    #[arg(long, value_name = "SIZE", default_value_t = Size(HEAD_BYTES as u64), value_parser = head_size, allow_hyphen_values = true)]
    max_head: Size,

    /// Header fields of a request, and of its trailers. More are 431.
    #[arg(long, value_name = "N", default_value_t = FIELDS as u32, value_parser = count, allow_hyphen_values = true)]
    max_fields: u32,

    /// Bytes of a request's body. A longer one is 413; or off.
    #[arg(long, value_name = "SIZE", default_value_t = Limit(Some(Size(MAX_BODY))), value_parser = |text: &str| or_off(text, size), allow_hyphen_values = true)]
    max_body: Limit<Size>,

    /// Bytes of all the chunk extensions of a body. More are 400.
    #[arg(long, value_name = "SIZE", default_value_t = Size(CHUNK_EXTENSION_BYTES.into()), value_parser = extension_size, allow_hyphen_values = true)]
    max_chunk_extensions: Size,

    /// Bytes of the trailers of a body. More are 431.
    #[arg(long, value_name = "SIZE", default_value_t = Size(TRAILER_BYTES as u64), value_parser = head_size, allow_hyphen_values = true)]
    max_trailers: Size,
}

/// A size of what is kept in memory until it is whole.
fn head_size(text: &str) -> Result<Size, String> {
    let most = bucle::server::limits::MAX_HEAD_BYTES as u64;
    at_most(most, text)
}

/// A rate at which a page still loads, and at which a client that reads is told from one that doesn't.
fn send_rate(text: &str) -> Result<Rate, String> {
    match rate(text)? {
        Rate(bytes) if bytes < MIN_LIMIT_RATE => {
            Err(format!("it must be at least {}", Rate(MIN_LIMIT_RATE)))
        }
        rate => Ok(rate),
    }
}

fn extension_size(text: &str) -> Result<Size, String> {
    at_most(u32::MAX.into(), text)
}

fn at_most(most: u64, text: &str) -> Result<Size, String> {
    match size(text)? {
        Size(bytes) if bytes > most => Err(format!("it can be {} at most", Size(most))),
        size => Ok(size),
    }
}

impl Limits {
    /// What the server is to be told.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.header_timeout = self.header_timeout.0;
        options.tls_handshake_timeout = self.tls_handshake_timeout.0;
        options.idle_timeout = self.idle_timeout.0;
        options.body_timeout = self.body_timeout.0;
        options.min_receive_rate = self.min_receive_rate.0.map(|rate| rate.0);
        options.handler_timeout = self.handler_timeout.0.map(|time| time.0);
        options.write_timeout = self.write_timeout.0;
        options.min_send_rate = self.min_send_rate.0.map(|rate| rate.0);
        options.linger_timeout = self.linger_timeout.0;
        options.drain_timeout = self.drain_timeout.0;
        options.max_connections = self.max_connections.0;
        options.max_connections_per_address = self.max_connections_per_address.0;
        options.limit_rate = self.limit_rate.0.map(|rate| rate.0);
        options.max_requests = self.max_requests.0;
        options.max_body = self.max_body.0.map(|size| size.0);
        let bytes = |Size(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX);
        options.limits.target_bytes = bytes(self.max_target);
        options.limits.head_bytes = bytes(self.max_head);
        options.limits.fields = usize::try_from(self.max_fields).unwrap_or(usize::MAX);
        options.limits.chunk_extension_bytes =
            u32::try_from(self.max_chunk_extensions.0).unwrap_or(u32::MAX);
        options.limits.trailer_bytes = bytes(self.max_trailers);
        options
    }
}
