//! The honest client: one request after the other on one connection, at a fixed pace, and how long each
//! took.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use crate::check;
use crate::load::{Heads, REQUESTS, Requests};

/// From the beginning of one request to that of the next.
const PACE: Duration = Duration::from_millis(2);

/// What it saw.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Service {
    /// Requests that were answered rightly.
    pub(crate) answered: usize,
    /// Those that were not, and the first reason.
    pub(crate) failed: usize,
    pub(crate) why: Option<String>,
    /// Microseconds.
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl Service {
    fn of(mut micros: Vec<f64>, failed: usize, why: Option<String>) -> Service {
        micros.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (micros.len() as f64 * share).ceil() as usize;
            micros
                .get(place.saturating_sub(1))
                .copied()
                .unwrap_or(f64::NAN)
        };
        Service {
            answered: micros.len(),
            failed,
            why,
            median: at(0.5),
            p99: at(0.99),
        }
    }
}

/// A client that goes on until it is asked what it saw.
pub(super) struct Honest {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Service>,
}

impl Honest {
    /// Connects before anything else happens, and begins.
    pub(super) fn begin(server: SocketAddr, requests: Arc<Requests>) -> Result<Honest> {
        let stream = check::connect(server)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = stopped.clone();
        let thread = std::thread::Builder::new()
            .name("honest".into())
            .spawn(move || ask_on(stream, server, &requests, &flag))?;
        Ok(Honest { stopped, thread })
    }

    pub(super) fn end(self) -> Result<Service> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the honest client panicked"))
    }
}

fn ask_on(
    mut stream: TcpStream,
    server: SocketAddr,
    requests: &Requests,
    stopped: &AtomicBool,
) -> Service {
    let (mut micros, mut failed, mut why) = (Vec::new(), 0, None);
    let mut due = Instant::now();
    let mut number = 0;
    while !stopped.load(Ordering::Relaxed) {
        due += PACE;
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        } else {
            due = Instant::now();
        }
        let begun = Instant::now();
        match ask(&mut stream, requests, number) {
            Ok(()) => micros.push(begun.elapsed().as_secs_f64() * 1e6),
            Err(error) => {
                failed += 1;
                why.get_or_insert_with(|| format!("{error:#}"));
                if let Ok(another) = check::connect(server) {
                    stream = another;
                }
            }
        }
        number = (number + 1) % REQUESTS;
    }
    Service::of(micros, failed, why)
}

/// The whole content at `path`.
pub(super) fn get(stream: &mut TcpStream, path: &str) -> Result<Vec<u8>> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n")?;
    let mut heads = Heads::default();
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(head) = heads.read(&bytes)?
            && bytes.len() >= head.length + head.body
        {
            return Ok(bytes.split_off(head.length));
        }
        match stream.read(&mut buffer)? {
            0 => anyhow::bail!("closed in the middle of {path}"),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Sends request number `at`, and compares every byte of its body.
pub(super) fn ask(stream: &mut TcpStream, requests: &Requests, at: usize) -> Result<()> {
    stream.write_all(requests.burst(at, 1))?;
    let mut heads = Heads::default();
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    loop {
        if let Some(head) = heads.read(&buffer[..filled])?
            && filled >= head.length + head.body
        {
            let body = &buffer[head.length..filled];
            ensure!(body == requests.body(at), "a wrong body");
            return Ok(());
        }
        match stream
            .read(&mut buffer[filled..])
            .context("reading an answer")?
        {
            0 => anyhow::bail!("closed in the middle of an answer"),
            read => filled += read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred() {
        let service = Service::of((1..=100).map(f64::from).collect(), 2, None);
        assert_eq!((service.median, service.p99), (50.0, 99.0));
        assert_eq!((service.answered, service.failed), (100, 2));
        assert!(Service::of(Vec::new(), 0, None).p99.is_nan());
    }
}
