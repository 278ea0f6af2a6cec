//! [`SubprocessProtocol`]: what is told of a child process.

use std::io;

use super::SubprocessTransport;

/// What is called back for a child process. asyncio's `SubprocessProtocol`.
///
/// ```text
/// connection_made -> (pipe_data_received* -> pipe_connection_lost, for each pipe), process_exited
///                 -> connection_lost
/// ```
///
/// `process_exited` may come before, between or after the others: a child's end and the last of
/// what it wrote are told as they are learned. `connection_lost` comes when the child has ended and
/// all pipes have. Callbacks never enter one another. A panic in one goes to the loop's exception
/// handler, and the transport is closed.
pub trait SubprocessProtocol: 'static {
    /// The child runs.
    fn connection_made(&mut self, transport: SubprocessTransport) {
        let _ = transport;
    }

    /// The child has written to its descriptor `fd`, 1 or 2.
    fn pipe_data_received(&mut self, fd: u32, data: &[u8]) {
        let _ = (fd, data);
    }

    /// The pipe to the child's descriptor `fd` is closed: by it, by us, or by an error.
    fn pipe_connection_lost(&mut self, fd: u32, error: Option<io::Error>) {
        let _ = (fd, error);
    }

    /// The child has ended: see
    /// [`get_returncode`](SubprocessTransport::get_returncode).
    fn process_exited(&mut self) {}

    /// Child and pipes have ended. The last call; the protocol is dropped after it.
    fn connection_lost(&mut self) {}

    /// More is queued for the child's input than its high water mark allows.
    fn pause_writing(&mut self) {}

    /// The queue has drained to the low water mark.
    fn resume_writing(&mut self) {}
}
