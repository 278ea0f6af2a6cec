//! Echo on Bucle as a task for each connection that reads and writes its streams.
//!
//! It listens on any free port of 127.0.0.1 and prints `http://127.0.0.1:PORT`, as the servers of the other part do.

#![forbid(unsafe_code)]

use bucle::net::{StreamReader, StreamWriter, start_server};

/// As much as Bucle's loop reads at once.
const BUFFER: usize = 64 * 1024;

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    // A peer that goes away is no news to a benchmark.
    while let Ok(bytes) = reader.read(BUFFER).await {
        if bytes.is_empty() {
            break;
        }
        writer.write(&bytes);
        if writer.drain().await.is_err() {
            break;
        }
    }
}

#[bucle::main]
async fn main() -> std::io::Result<()> {
    let server = start_server("127.0.0.1:0", echo)?;
    println!("http://{}", server.sockets()[0]);
    server.serve_forever().await;
    Ok(())
}
