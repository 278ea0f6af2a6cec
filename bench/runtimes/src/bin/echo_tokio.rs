//! Echo on tokio's current-thread runtime: a local task for each connection that reads into a buffer of its own.
//!
//! It listens on any free port of 127.0.0.1 and prints `http://127.0.0.1:PORT`, as the servers of the other part do.

#![forbid(unsafe_code)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// As much as Bucle's loop reads at once.
const BUFFER: usize = 64 * 1024;

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; BUFFER];
    // A peer that goes away is no news to a benchmark.
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(echo(stream));
        }
    })
}
