//! The echo servers, each of which is run as a process of its own. They listen on any free port of 127.0.0.1, and print
//! `http://127.0.0.1:PORT`, as the servers of the part on HTTP do.

mod bare;
mod bucle_protocol;
mod bucle_stream;
mod tokio;

use std::fmt::Display;

use anyhow::{Result, bail};

/// How much is read at once: as much as Bucle's loop does.
const BUFFER: usize = 64 * 1024;

/// Serves until it is killed.
pub(crate) fn serve(name: &str) -> Result<()> {
    match name {
        "bare" => bare::serve(),
        "bucle-protocol" => bucle_protocol::serve(),
        "bucle-stream" => bucle_stream::serve(),
        "tokio" => tokio::serve(),
        other => bail!("there is no echo server {other:?}"),
    }
}

fn announce(address: impl Display) {
    println!("http://{address}");
}
