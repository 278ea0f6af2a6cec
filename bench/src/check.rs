//! Before anything is timed: a sample of the requests is sent for real, and every byte of the answers is compared.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::load::{Heads, REQUESTS, Requests, header};
use crate::shape::Shape;

const SAMPLE: usize = 512;
/// Of large ones fewer are compared, so that it takes no longer.
const SAMPLE_BYTES: usize = 32 * 1024 * 1024;
/// Headers that every server must send, so that all do the same work.
const EXPECTED: [&str; 3] = ["Content-Length", "Content-Type", "Date"];
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `SAMPLE` requests as the shape does (so many at once, or one a connection) and compares whole bodies.
pub(crate) fn answers(server: SocketAddr, shape: &Shape, requests: &Requests) -> Result<()> {
    let mut stream = connect(server)?;
    let mut heads = Heads::default();
    let mut bytes = Vec::new();
    let mut more = vec![0; 64 * 1024];
    // Steps that share no factor with the pool's size, so that the sample is spread over it.
    let mut first = 0;
    let size = requests.body(0).len().max(1);
    let sample = SAMPLE.min(SAMPLE_BYTES / size).max(2);
    for _ in 0..sample.div_ceil(shape.depth) {
        stream
            .write_all(requests.burst(first, shape.depth))
            .context("sending a request")?;
        for at in first..first + shape.depth {
            let head = loop {
                if let Some(head) = heads.read(&bytes)?
                    && bytes.len() >= head.length + head.body
                {
                    break head;
                }
                match stream.read(&mut more).context("reading an answer")? {
                    0 => bail!("closed in the middle of an answer"),
                    read => bytes.extend_from_slice(&more[..read]),
                }
            };
            for name in EXPECTED {
                if header(&bytes[..head.length], name).is_none_or(<[u8]>::is_empty) {
                    bail!("an answer without {name}");
                }
            }
            let body = &bytes[head.length..head.length + head.body];
            if body != requests.body(at) {
                let request = String::from_utf8_lossy(requests.burst(at, 1)).into_owned();
                bail!(
                    "a wrong body of {} bytes in answer to {:?}",
                    body.len(),
                    request.lines().next()
                );
            }
            bytes.drain(..head.length + head.body);
        }
        if !bytes.is_empty() {
            bail!("{} bytes more than the answers", bytes.len());
        }
        if shape.reconnect {
            stream = connect(server)?;
        }
        first = (first + 613) % (REQUESTS - shape.depth);
    }
    Ok(())
}

/// A blocking connection with time limits.
pub(crate) fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)
        .with_context(|| format!("connecting to {server}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
