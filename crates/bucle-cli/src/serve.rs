//! `bucle serve`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bucle::server::{LogFormat, Options, Outcome, Serve as Server, Site};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct Serve {
    /// The folder to serve.
    #[arg(default_value = ".", value_name = "DIR")]
    root: PathBuf,

    /// Where to listen: ADDRESS:PORT (port 0: any free one), or unix:PATH. May be given several
    /// times.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Vec<String>,

    /// How many threads serve, each with a loop of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,

    /// Answer /echo: GET with the request line, POST with the body that was sent.
    #[arg(long)]
    echo: bool,

    /// Log every request to standard output.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = AccessLog::Combined)]
    access_log: AccessLog,

    /// How long a client may take to send the head of a request, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = bucle::server::HEADER_TIMEOUT.as_secs_f64(), value_parser = seconds)]
    header_timeout: f64,

    /// How long a connection may be idle between two requests, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = bucle::server::IDLE_TIMEOUT.as_secs_f64(), value_parser = seconds)]
    idle_timeout: f64,

    /// How long a stop waits for the answers that are under way, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = bucle::server::DRAIN_TIMEOUT.as_secs_f64(), value_parser = seconds)]
    drain_timeout: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum AccessLog {
    /// None.
    Off,
    /// A line as Apache's "combined".
    Combined,
    /// A JSON object a line.
    Json,
}

/// A time in seconds that a `Duration` can hold.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(seconds),
        _ => Err("must be a number of seconds above 0".into()),
    }
}

impl Serve {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let site = Site::open(&self.root)
            .map_err(|error| format!("can't serve `{}`: {error}", self.root.display()))?
            .echo(self.echo);
        let mut options = Options::default();
        options.header_timeout = Duration::from_secs_f64(self.header_timeout);
        options.idle_timeout = Duration::from_secs_f64(self.idle_timeout);
        options.drain_timeout = Duration::from_secs_f64(self.drain_timeout);
        let mut server = Server::new()
            .workers(self.workers.into())
            .options(options)
            .access_log(match self.access_log {
                AccessLog::Off => LogFormat::Off,
                AccessLog::Combined => LogFormat::Combined,
                AccessLog::Json => LogFormat::Json,
            });
        for address in &self.listen {
            server = server
                .listen(address)
                .map_err(|error| format!("--listen {address}: {error}"))?;
        }
        let server = server.bind().map_err(|error| error.to_string())?;
        self.announce(server.addresses())
            .map_err(|error| format!("can't write to standard output: {error}"))?;
        let outcome = server
            .run(move || site.handler())
            .map_err(|error| format!("the server failed: {error}"))?;
        match outcome {
            Outcome::Drained => Ok(ExitCode::SUCCESS),
            Outcome::Forced { connections } => Err(format!(
                "stopped with {connections} connections still open, which were cut"
            )),
        }
    }

    /// Says where the server is, for people and for scripts.
    fn announce(&self, addresses: &[bucle::net::Address]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for address in addresses {
            let root = self.root.display();
            match address {
                bucle::net::Address::Tcp(address) => {
                    writeln!(out, "serving {root} at http://{address}")?;
                }
                unix => writeln!(out, "serving {root} at {unix}")?,
            }
        }
        out.flush()
    }
}
