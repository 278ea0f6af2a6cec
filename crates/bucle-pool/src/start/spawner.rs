//! The one thread that starts children. It lives as long as the process: a child is told when the
//! thread that started it ends, and takes that for its parent's end.
//!
//! It also waits for children that were killed and that nobody else will wait for.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use bucle_sys::process::PidFd;

use super::launch::{Child, Launch};

/// How often children that were killed and have not ended yet are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

enum Request {
    Start(Launch, Done),
    Bury(PidFd),
}

type Done = Box<dyn FnOnce(io::Result<Child>) + Send>;

/// Starts a child, and calls `done` in the spawner's thread; in this one if there is no such
/// thread.
pub(super) fn start(launch: Launch, done: Done) {
    match spawner() {
        Ok(spawner) => {
            if let Err(refused) = spawner.send(Request::Start(launch, done))
                && let Request::Start(_, done) = refused.0
            {
                done(Err(io::Error::other(
                    "the thread that starts children is gone",
                )));
            }
        }
        Err(error) => done(Err(error)),
    }
}

/// Waits for a child that was killed, so that no zombie is left of it.
pub(crate) fn bury(child: PidFd) {
    // Without the thread there are no children.
    if let Ok(spawner) = spawner() {
        let _ = spawner.send(Request::Bury(child));
    }
}

fn spawner() -> io::Result<&'static Sender<Request>> {
    static SPAWNER: OnceLock<io::Result<Sender<Request>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = channel();
        thread::Builder::new()
            .name("bucle-spawner".into())
            .spawn(move || serve(&receiver))
            .map(|_| sender)
    });
    spawner.as_ref().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the thread that starts child processes could not be started: {error}"),
        )
    })
}

fn serve(requests: &Receiver<Request>) {
    let mut dying: Vec<PidFd> = Vec::new();
    loop {
        // An error means that it is no child of ours any more.
        dying.retain(|child| matches!(child.try_wait(), Ok(None)));
        let request = match dying.is_empty() {
            true => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => requests.recv_timeout(LOOK_AGAIN),
        };
        match request {
            Ok(Request::Start(launch, done)) => done(launch.run()),
            Ok(Request::Bury(child)) => dying.push(child),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
