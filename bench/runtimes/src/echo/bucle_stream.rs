//! Echo on Bucle as a task for each connection that reads and writes its streams.

use anyhow::Result;
use bucle::net::{StreamReader, StreamWriter, start_server};

use super::{BUFFER, announce};

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

/// Serves until it is killed.
pub(crate) fn serve() -> Result<()> {
    bucle::run(async {
        let server = start_server("127.0.0.1:0", echo)?;
        announce(&server.sockets()[0]);
        server.serve_forever().await;
        Ok(())
    })?
}
