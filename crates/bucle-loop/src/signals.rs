//! Signals as events of the loop: one socket pair a signal, written by the signal handler, read by
//! the loop.
//!
//! What a process does at a signal is the process's, not a loop's, so the list is a static: for each
//! signal ever handled, whether anybody handles it now. Where nobody does, the signal has its default
//! effect again.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;

/// The signals one loop handles.
#[derive(Default)]
pub(crate) struct Signals {
    pipes: HashMap<i32, (Rc<SignalPipe>, Handled)>,
}

impl Signals {
    /// Starts to handle `signal`; gives the pipe it has already if it is handled here.
    pub(crate) fn add(&mut self, signal: i32) -> io::Result<Rc<SignalPipe>> {
        if let Some((pipe, _)) = self.pipes.get(&signal) {
            return Ok(pipe.clone());
        }
        if FORBIDDEN.contains(&signal) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "signal {signal} can't be handled: it is one that the system keeps for itself \
                     (SIGKILL, SIGSTOP) or that a handler can't return from (SIGSEGV, SIGFPE, SIGILL)"
                ),
            ));
        }
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        let handled = Handled::begin(signal, write).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("signal {signal} can't be handled: {error}"),
            )
        })?;
        let pipe = Rc::new(SignalPipe { read });
        self.pipes.insert(signal, (pipe.clone(), handled));
        Ok(pipe)
    }

    /// Stops handling `signal`; its pipe, if it was handled here.
    pub(crate) fn remove(&mut self, signal: i32) -> Option<Rc<SignalPipe>> {
        self.pipes.remove(&signal).map(|(pipe, _)| pipe)
    }
}

/// Where the loop learns of a signal.
pub(crate) struct SignalPipe {
    read: UnixStream,
}

impl SignalPipe {
    /// Takes one time that the signal came; false if there is none. What is left is reported by the
    /// next turn: to whoever handles the signal then. The system merges what comes in quick
    /// succession, so it may be fewer times than it was sent; it is never none if it was.
    pub(crate) fn take(&self) -> bool {
        let mut byte = [0];
        (&self.read).read(&mut byte).is_ok_and(|count| count > 0)
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// For each signal that was ever handled: how many loops handle it, and the switch that gives it
/// its default effect while none does.
static PROCESS: Mutex<Vec<(i32, usize, Arc<AtomicBool>)>> = Mutex::new(Vec::new());

/// While it lives, a signal is written to a pipe instead of having its default effect.
struct Handled {
    signal: i32,
    id: SigId,
}

impl Handled {
    fn begin(signal: i32, write: UnixStream) -> io::Result<Handled> {
        let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match process.iter().position(|(known, ..)| *known == signal) {
            Some(place) => place,
            None => {
                // Until somebody does handle it, which may fail below.
                let by_default = Arc::new(AtomicBool::new(true));
                // Some signals have no default effect that could be emulated; they then have none.
                let _ = signal_hook::flag::register_conditional_default(signal, by_default.clone());
                process.push((signal, 0, by_default));
                process.len() - 1
            }
        };
        let id = signal_hook::low_level::pipe::register(signal, write)?;
        let (_, users, by_default) = &mut process[place];
        *users += 1;
        by_default.store(false, Ordering::SeqCst);
        Ok(Handled { signal, id })
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        signal_hook::low_level::unregister(self.id);
        for (signal, users, by_default) in process.iter_mut() {
            if *signal == self.signal {
                *users -= 1;
                by_default.store(*users == 0, Ordering::SeqCst);
            }
        }
    }
}
