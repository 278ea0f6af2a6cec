//! The loop from outside. Each selector is put to the same tests by `BUCLE_SELECTOR`.

mod callbacks;
mod closing;
mod exceptions;
mod fds;
mod gather;
mod remote;
mod selectors;
mod settable;
mod signals;
mod sim;
#[cfg(target_os = "linux")]
mod sim_kernel;
mod tasks;
mod time;

use std::sync::mpsc;
use std::time::Duration;

use bucle_loop::EventLoop;

/// Runs `body` in a thread of its own; a test that hangs fails instead.
fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(body());
    });
    match wait.recv_timeout(limit) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(payload) => std::panic::resume_unwind(payload),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// Far more than any test takes, also on a busy machine.
const WATCHDOG: Duration = Duration::from_secs(60);

fn new_loop() -> EventLoop {
    EventLoop::new().expect("a loop")
}
