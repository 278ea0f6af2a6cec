//! `bucle serve`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bucle::net::{Address, ToAddresses};
use bucle::server::{Compression, LogFormat, Outcome, Server, Site, Tls, TrustedProxies};
use clap::{Args, ValueEnum};

use crate::certificate;
use crate::limits::Limits;
use crate::units::{Time, within};

/// The address without `--listen`.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

#[derive(Args)]
pub(crate) struct Serve {
    /// The folder to serve.
    #[arg(default_value = ".", value_name = "DIR")]
    root: PathBuf,

    /// Where to listen: PORT (of 127.0.0.1), ADDRESS:PORT (port 0: any free one, which is printed), or
    /// unix:PATH. May be given several times. With a certificate, http://ADDRESS:PORT speaks plain HTTP all the same.
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS, value_parser = address)]
    listen: Vec<String>,

    /// How many threads serve, each with a loop of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = within(1u16..=1024), allow_hyphen_values = true)]
    workers: u16,

    /// Speak HTTPS with this chain of certificates, the server's own first (PEM). It is read again
    /// when it changes, and at SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Speak HTTPS with a certificate made now, for development: browsers warn of it.
    #[arg(long, conflicts_with = "tls_cert")]
    tls_self_signed: bool,

    /// Answer /echo: GET with the request line, POST with the body that was sent.
    #[arg(long)]
    echo: bool,

    /// Answer 404 for a folder without index.html, instead of showing what is in it.
    #[arg(long)]
    no_listing: bool,

    /// Serve an application in one page: a page that is asked for by a path where nothing is, and
    /// whose last part has no dot, is answered with the root's index.html. Missing files stay 404.
    #[arg(long)]
    spa: bool,

    /// What is sent compressed to clients that take it.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Compress::On)]
    compress: Compress,

    /// Don't tell clients to keep files with a fingerprint in their name (app-5LWNQJ3V.js) for a
    /// year without asking again.
    #[arg(long)]
    no_immutable: bool,

    /// The Cache-Control of files that are neither pages nor fingerprinted; none with an empty value.
    #[arg(long, value_name = "VALUE", default_value = "no-cache", value_parser = cache_control)]
    cache_control: String,

    /// Log every request to standard output.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = AccessLog::Combined)]
    access_log: AccessLog,

    /// Believe a proxy at this address (192.0.2.1), in this network (10.0.0.0/8) or at a Unix socket
    /// (unix) who the client is, by X-Forwarded-For. May be given several times.
    #[arg(long, value_name = "CIDR", value_parser = network)]
    trusted_proxy: Vec<String>,

    /// Let trusted proxies say it by the PROXY protocol (versions 1 and 2) instead, with which each of
    /// their connections has to begin.
    #[arg(long, requires = "trusted_proxy")]
    proxy_protocol: bool,

    /// Answer /healthz and /metrics (Prometheus) there, in plain HTTP: PORT (of 127.0.0.1),
    /// ADDRESS:PORT, or unix:PATH. May be given several times. Nobody is asked who he is: let it be an
    /// address that only administrators reach.
    #[arg(long, value_name = "ADDRESS", value_parser = admin_address)]
    admin: Vec<String>,

    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, ValueEnum)]
enum AccessLog {
    /// None.
    Off,
    /// A line as Apache's "combined".
    Combined,
    /// A JSON object a line, and nothing else: where the server is stands on standard error.
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Compress {
    /// Nothing.
    Off,
    /// A file beside which lies one that was compressed beforehand (.br, .zst, .gz) and is not older.
    Precompressed,
    /// These, and text, which the server compresses once and keeps.
    On,
}

impl From<Compress> for Compression {
    fn from(compress: Compress) -> Compression {
        match compress {
            Compress::Off => Compression::Off,
            Compress::Precompressed => Compression::Precompressed,
            Compress::On => Compression::On,
        }
    }
}

impl From<AccessLog> for LogFormat {
    fn from(format: AccessLog) -> LogFormat {
        match format {
            AccessLog::Off => LogFormat::Off,
            AccessLog::Combined => LogFormat::Combined,
            AccessLog::Json => LogFormat::Json,
        }
    }
}

/// What an address begins with that speaks plain HTTP in any case.
const PLAIN: &str = "http://";

/// An address, checked here so that the flag is named when it is none.
fn address(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix(PLAIN).unwrap_or(text);
    if let Some(rest) = bare.strip_prefix("https://") {
        return Err(format!(
            "an address is given without https://; write {rest}, which speaks HTTPS with \
             --tls-cert and --tls-key, or --tls-self-signed"
        ));
    }
    let scheme = &text[..text.len() - bare.len()];
    Ok(format!("{scheme}{}", with_host(bare)?))
}

/// The same, for administrators: without a scheme, and `:PORT` is one of this machine's own too.
fn admin_address(text: &str) -> Result<String, String> {
    match text.strip_prefix(':') {
        Some(port) if port.parse::<u16>().is_ok() => with_host(port),
        _ => with_host(text),
    }
}

/// An address, of which a port alone is one of this machine's own.
fn with_host(text: &str) -> Result<String, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(format!("127.0.0.1:{port}"));
    }
    let port = text.strip_prefix(':').unwrap_or(text);
    if text.contains('/') || port.contains(':') || text.starts_with(':') {
        checked(text)?;
        return Ok(text.to_owned());
    }
    let why = if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        "is out of range, ports go from 0 to 65535"
    } else {
        "is no port"
    };
    Err(format!(
        "`{port}` {why}; write PORT (of 127.0.0.1), such as 8080, ADDRESS:PORT, or unix:PATH"
    ))
}

/// What can be listened at, or what would be right instead.
fn checked(text: &str) -> Result<(), String> {
    if let Some(port) = text.strip_prefix(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(format!(
            "it names no address; write 127.0.0.1:{port} to be reached from this machine alone, or \
             0.0.0.0:{port} and [::]:{port} from others too"
        ));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!(
            "an address is given without {scheme}://; write ADDRESS:PORT, such as 127.0.0.1:8080, \
             or unix:PATH"
        ));
    }
    match text.to_addresses() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// A network, checked here so that the flag is named when it is none.
fn network(text: &str) -> Result<String, String> {
    match TrustedProxies::nobody().and(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A value that a header field can have.
fn cache_control(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        Ok(text.to_owned())
    } else {
        Err("it must be printable ASCII, such as no-cache or max-age=3600".into())
    }
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), String> {
        let site = Site::open(&self.root)
            .map_err(|error| cannot_serve(&self.root, &error))?
            .echo(self.echo)
            .listing(!self.no_listing)
            .spa(self.spa)
            .compression(self.compress.into())
            .immutable(!self.no_immutable)
            .cache_control(&self.cache_control)
            .map_err(|error| format!("--cache-control: {error}"))?;
        if self.spa && !self.root.join("index.html").is_file() {
            say(&format!(
                "--spa answers with `{}`, which is not there; until it is, pages are 404",
                self.root.join("index.html").display()
            ));
        }
        let mut options = self.limits.options();
        let nobody = TrustedProxies::nobody();
        let mut trusted = self.trusted_proxy.iter();
        options.trusted_proxies = trusted
            .try_fold(nobody, |proxies, network| proxies.and(network))
            .map_err(|error| format!("--trusted-proxy: {error}"))?;
        options.proxy_protocol = self.proxy_protocol;
        let mut server = Server::builder()
            .workers(self.workers.into())
            .options(options)
            .access_log(self.access_log.into());
        for address in &self.listen {
            server = match address.strip_prefix(PLAIN) {
                Some(address) => server.listen_plain(address),
                None => server.listen(address.as_str()),
            }
            .map_err(|error| error.to_string())?;
        }
        for address in &self.admin {
            server = server
                .admin(address.as_str())
                .map_err(|error| error.to_string())?;
        }
        if let (Some(certificate), Some(key)) = (self.tls_cert, self.tls_key) {
            server = server.tls(Tls::from_files(certificate, key));
        } else if self.tls_self_signed {
            server = server.tls(self_signed(&self.listen)?);
        }
        let (root, log) = (self.root, self.access_log);
        let bound = server.bind().map_err(|error| error.to_string())?;
        let mut told: Vec<_> = bound
            .urls()
            .into_iter()
            .map(|url| format!("serving {} at {url}", root.display()))
            .collect();
        told.extend(bound.admin_addresses().iter().map(|address| match address {
            Address::Unix(_) => format!("metrics at {address}"),
            address => format!("metrics at http://{address}/metrics"),
        }));
        let outcome = bound
            .when_ready(move |_| match log {
                // Whoever reads JSON line by line is to find nothing else there.
                AccessLog::Json => tell_apart(&told),
                AccessLog::Off | AccessLog::Combined => announce(&told),
            })
            .when_waiting(|answers, limit| say(&waiting(answers, limit)))
            .run(move || site.handler())
            .map_err(|error| format!("the server failed: {error}"))?;
        match outcome {
            Outcome::Drained => Ok(()),
            Outcome::Forced { connections } => Err(format!(
                "stopped before {} the whole of an answer; give more time with --drain-timeout",
                had(connections)
            )),
            Outcome::Interrupted { connections } => Err(format!(
                "stopped at once, as asked for by a second signal, before {} the whole of an answer",
                had(connections)
            )),
        }
    }
}

/// What is said while a stop waits.
fn waiting(answers: usize, limit: Duration) -> String {
    let answers = match answers {
        1 => "1 answer that is".to_owned(),
        answers => format!("{answers} answers that are"),
    };
    let limit = Time(limit);
    format!(
        "stopping, after {answers} under way, or {limit} (--drain-timeout); a second signal cuts"
    )
}

fn had(connections: usize) -> String {
    match connections {
        1 => "1 connection had".into(),
        connections => format!("{connections} connections had"),
    }
}

/// Standard error may be closed, which changes nothing.
fn say(message: &str) {
    let _ = writeln!(io::stderr(), "bucle: {message}");
}

fn cannot_serve(root: &Path, error: &io::Error) -> String {
    let root = root.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no folder `{root}`; name the one to serve: bucle serve DIR")
        }
        io::ErrorKind::NotADirectory => {
            format!("`{root}` is no folder; name the folder it is in: bucle serve DIR")
        }
        _ => format!("can't serve `{root}`: {error}; name a folder that can be read"),
    }
}

/// A certificate for development: for this machine's own names, and the addresses listened at.
fn self_signed(listen: &[String]) -> Result<Tls, String> {
    let addresses = listen.iter().flat_map(|address| {
        let address = address.strip_prefix(PLAIN).unwrap_or(address);
        address.to_addresses().unwrap_or_default()
    });
    let hosts = addresses.filter_map(|address| Some(address.as_tcp()?.ip()));
    let (certificate, key) = certificate::made(hosts, SystemTime::now())
        .map_err(|error| format!("can't make a certificate: {error}"))?;
    Ok(Tls::from_pem(certificate, key))
}

/// Says where the server is, for people and for scripts, line by line: on standard error, where
/// standard output takes it no more.
fn announce(lines: &[String]) {
    let text = lines.join("\n");
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    let why = match written {
        Err(error) => format!("standard output can't be written to: {error}"),
        Ok(()) if is_closed() => "standard output is closed".into(),
        Ok(()) => return,
    };
    let _ = writeln!(io::stderr(), "bucle: {why}\n{text}");
}

/// The same, beside standard output.
fn tell_apart(lines: &[String]) {
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// Whether standard output was closed when the program began: then it was opened on `/dev/null`, for
/// reading and writing, by the runtime. (Whoever sends it there himself opens it for writing.)
fn is_closed() -> bool {
    let leads_nowhere =
        std::fs::read_link("/proc/self/fd/1").is_ok_and(|it| it == Path::new("/dev/null"));
    let info = std::fs::read_to_string("/proc/self/fdinfo/1").unwrap_or_default();
    let mut flags = info.lines().filter_map(|line| line.strip_prefix("flags:"));
    let flags = flags
        .next()
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    leads_nowhere && flags.is_some_and(|flags| flags & 3 == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (text, meant) in [
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            ("http://8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("unix:8080", "unix:8080"),
        ] {
            assert_eq!(address(text).as_deref(), Ok(meant));
        }
        assert_eq!(admin_address("9090").as_deref(), Ok("127.0.0.1:9090"));
        assert_eq!(admin_address(":9090").as_deref(), Ok("127.0.0.1:9090"));
        // Whoever writes that elsewhere means all the addresses.
        assert!(address(":8080").unwrap_err().contains("0.0.0.0:8080"));
        assert!(address("99999").unwrap_err().contains("out of range"));
    }
}
