//! `bucle bench`: measurements that a reader can repeat.
//!
//! | file | what |
//! |---|---|
//! | [`os`] | `bucle bench os`: the machine and its system |
//! | [`connections`] | `bucle bench connections`: the loop against a thread for every connection |
//! | [`http`] | `bucle bench http URL`: a load generator on the loop |
//! | [`executors`] | `bucle bench executors`: the same work in sequence, in tasks, in threads, in processes |
//! | [`pool`] | `bucle bench pool`: what the process pool itself costs |
//! | `rounds`, `stats` | interleaved rounds; medians and quartiles |
//! | `report`, `units` | tables, JSON, plots |
//! | `machine`, `account`, `stop` | what it ran on, what it cost, signals |
//! | `child` | what the benchmarks start as processes of their own |

mod account;
mod child;
mod connections;
mod executors;
mod http;
mod machine;
mod os;
mod pool;
mod report;
mod rounds;
mod stats;
mod stop;
mod units;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(arg_required_else_help = false)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure the machine and its system: calls, switches, threads, processes, memory, atomics.
    Os(os::Os),
    /// Set the loop against a thread for every connection: memory and CPU, idle and busy.
    Connections(connections::Connections),
    /// Load an HTTP server, check its answers and measure their latency.
    Http(http::Http),
    /// Run the same work in sequence, in tasks, in threads and in processes.
    Executors(executors::Executors),
    /// Measure the process pool: round trips, throughput, payloads, start-up.
    Pool(pool::Pool),
    #[command(hide = true)]
    Child(child::Child),
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), String> {
        if let What::Child(child) = self.what {
            return child.run();
        }
        match &self.what {
            What::Os(os) => os.output.check()?,
            What::Connections(connections) => connections.output.check()?,
            What::Http(http) => http.output.check()?,
            What::Executors(executors) => executors.output.check()?,
            What::Pool(pool) => pool.output.check()?,
            What::Child(_) => {}
        }
        stop::install().map_err(|error| format!("can't catch signals: {error}"))?;
        match self.what {
            What::Os(os) => os.run(),
            What::Connections(connections) => connections.run(),
            What::Http(http) => http.run(),
            What::Executors(executors) => executors.run(),
            What::Pool(pool) => pool.run(),
            What::Child(child) => child.run(),
        }
    }
}

/// Turns off the running loop's reports of slow callbacks: what holds it up is what is measured.
fn may_hold_the_loop() {
    bucle::get_running_loop().set_slow_callback_duration(std::time::Duration::MAX);
}

/// A time above 0 and of a day at most, in seconds; written as `bucle serve` takes it.
fn seconds(text: &str) -> Result<f64, String> {
    match crate::units::time(text)?.0.as_secs_f64() {
        seconds if seconds <= 86_400.0 => Ok(seconds),
        _ => Err("it must be 24h at most".into()),
    }
}
