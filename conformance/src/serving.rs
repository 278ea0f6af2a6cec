//! A `bucle serve` as a child process.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server that runs until it is dropped.
pub struct Serving {
    child: Child,
    _output: BufReader<ChildStdout>,
    /// Where it is.
    pub address: SocketAddr,
}

impl Serving {
    /// Starts `command`, which names the binary, in `folder`.
    ///
    /// # Errors
    /// The system's, or that it says no address.
    pub fn start(mut command: Command, folder: &Path) -> io::Result<Serving> {
        command.arg("serve").arg(folder);
        command.args(["--listen", "127.0.0.1:0", "--echo", "--access-log", "off"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("the server said no address");
        let mut output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line
            .trim_end()
            .split_once(" at http://")
            .and_then(|(_, address)| address.parse().ok());
        let mut serving = Serving {
            child,
            _output: output,
            address: ([127, 0, 0, 1], 0).into(),
        };
        serving.address = address.ok_or_else(missing)?;
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
