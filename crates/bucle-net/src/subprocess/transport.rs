//! [`SubprocessTransport`]: a child process for callbacks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::rc::Rc;

use bucle_loop::{ExceptionContext, LoopRef};
use bucle_sys::process::{SIGKILL, SIGTERM};

use super::SubprocessProtocol;
use super::child::{ChildProcess, returncode};
use super::options::{PIPE, SubprocessOptions};
use super::spawn::{Spawned, spawn};
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::transport::Transport;

/// A child process and its pipes. asyncio's `SubprocessTransport`.
///
/// Clones are the same child; dropping them ends nothing: the loop keeps it until it has ended.
#[derive(Clone)]
pub struct SubprocessTransport {
    shared: Rc<Shared>,
}

struct Shared {
    child: Rc<ChildProcess>,
    pipes: RefCell<[Option<Transport>; 3]>,
    /// Empty while it is called, and after its end.
    protocol: RefCell<Option<Box<dyn SubprocessProtocol>>>,
    /// What is told when the callback that runs has returned.
    pending: RefCell<VecDeque<Event>>,
    busy: Cell<bool>,
    /// What has not ended: the child and its pipes.
    alive: Cell<usize>,
    closing: Cell<bool>,
}

enum Event {
    Made(SubprocessTransport),
    Data(u32, Vec<u8>),
    PipeLost(u32, Option<io::Error>),
    Exited,
    Lost,
    Pause,
    Resume,
}

impl SubprocessTransport {
    #[track_caller]
    pub(super) fn start(
        event_loop: &LoopRef,
        command: Command,
        mut options: SubprocessOptions,
        protocol: Box<dyn SubprocessProtocol>,
    ) -> io::Result<SubprocessTransport> {
        for stream in [&mut options.stdin, &mut options.stdout, &mut options.stderr] {
            stream.get_or_insert(PIPE);
        }
        let Spawned {
            child,
            stdin,
            stdout,
            stderr,
        } = spawn(event_loop, command, options)?;
        let transport = SubprocessTransport {
            shared: Rc::new(Shared {
                child,
                pipes: RefCell::default(),
                protocol: RefCell::new(Some(protocol)),
                pending: RefCell::default(),
                busy: Cell::new(false),
                alive: Cell::new(1),
                closing: Cell::new(false),
            }),
        };
        let shared = &transport.shared;
        let ending = Ending(Some(shared.clone()));
        shared.child.on_exit(move || ending.run());
        let connected = (|| {
            shared.connect(0, stdin, Socket::from_write_end)?;
            shared.connect(1, stdout, Socket::from_read_end)?;
            shared.connect(2, stderr, Socket::from_read_end)
        })();
        if let Err(error) = connected {
            // It is not told of an end whose beginning it was not told.
            drop(shared.protocol.take());
            transport.close();
            return Err(error);
        }
        shared.tell(Event::Made(transport.clone()));
        Ok(transport)
    }

    /// The process id.
    pub fn get_pid(&self) -> u32 {
        self.shared.child.pid()
    }

    /// How the child ended: its exit code, or minus the signal that killed it; `None` before.
    pub fn get_returncode(&self) -> Option<i32> {
        self.shared.child.status().map(returncode)
    }

    /// The transport of a pipe: 0 to write the child's input, 1 and 2 for what it writes. `None`
    /// where there is no pipe.
    pub fn get_pipe_transport(&self, fd: u32) -> Option<Transport> {
        let pipes = self.shared.pipes.borrow();
        pipes.get(fd as usize).cloned().flatten()
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    /// `NotFound` once its end is known; `InvalidInput` for what is no signal; `PermissionDenied`.
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.shared.child.send_signal(signal)
    }

    /// Asks the child to end, by `SIGTERM`.
    ///
    /// # Errors
    /// As [`send_signal`](SubprocessTransport::send_signal).
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(SIGTERM)
    }

    /// Ends the child, by `SIGKILL`.
    ///
    /// # Errors
    /// As [`send_signal`](SubprocessTransport::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(SIGKILL)
    }

    /// Closes the pipes, and kills the child if it runs. The protocol is told of the end of each.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether [`close`](SubprocessTransport::close) was called, or everything has ended.
    pub fn is_closing(&self) -> bool {
        self.shared.closing.get()
    }
}

impl Shared {
    fn connect(
        self: &Rc<Shared>,
        fd: u32,
        pipe: Option<OwnedFd>,
        make: fn(OwnedFd) -> io::Result<Socket>,
    ) -> io::Result<()> {
        if let Some(pipe) = pipe {
            let socket = make(pipe)?;
            self.alive.set(self.alive.get() + 1);
            let protocol = PipeProtocol {
                shared: self.clone(),
                fd,
                lost: false,
            };
            let transport = Transport::start(self.child.event_loop(), socket, protocol);
            self.pipes.borrow_mut()[fd as usize] = Some(transport);
        }
        Ok(())
    }

    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        let pipes = self.pipes.borrow().clone();
        for pipe in pipes.into_iter().flatten() {
            pipe.close();
        }
        if self.child.status().is_none() {
            let _ = self.child.send_signal(SIGKILL);
        }
    }

    /// Tells the protocol, now or when it has returned from what it was told before.
    fn tell(&self, event: Event) {
        self.pending.borrow_mut().push_back(event);
        self.tell_pending();
    }

    fn tell_pending(&self) {
        if self.busy.replace(true) {
            return;
        }
        loop {
            let event = self.pending.borrow_mut().pop_front();
            let Some(event) = event else { break };
            let lost = matches!(event, Event::Lost);
            self.call(|protocol| match event {
                Event::Made(transport) => protocol.connection_made(transport),
                Event::Data(fd, data) => protocol.pipe_data_received(fd, &data),
                Event::PipeLost(fd, error) => protocol.pipe_connection_lost(fd, error),
                Event::Exited => protocol.process_exited(),
                Event::Lost => protocol.connection_lost(),
                Event::Pause => protocol.pause_writing(),
                Event::Resume => protocol.resume_writing(),
            });
            if lost {
                self.closing.set(true);
                self.forget();
            }
        }
        self.busy.set(false);
    }

    /// Tells of data without a copy, if the protocol is not busy.
    fn tell_data(&self, fd: u32, data: &[u8]) {
        if self.busy.replace(true) {
            self.pending
                .borrow_mut()
                .push_back(Event::Data(fd, data.to_vec()));
            return;
        }
        self.call(|protocol| protocol.pipe_data_received(fd, data));
        self.busy.set(false);
        self.tell_pending();
    }

    fn call(&self, body: impl FnOnce(&mut dyn SubprocessProtocol)) {
        let Some(mut protocol) = self.protocol.take() else {
            return;
        };
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut *protocol)));
        if !self.child.event_loop().is_closed() {
            self.protocol.replace(Some(protocol));
        }
        if let Err(payload) = result {
            let mut context = ExceptionContext::new(
                "subprocess transport",
                format!("the protocol of process {} panicked", self.child.pid()),
            );
            context.panic = Some(payload);
            self.child.event_loop().call_exception_handler(context);
            self.close();
        }
    }

    /// The child or one of its pipes has ended.
    fn one_ended(&self) {
        let alive = self.alive.get().saturating_sub(1);
        self.alive.set(alive);
        if alive == 0 {
            self.tell(Event::Lost);
        }
    }

    /// Drops what refers to us.
    fn forget(&self) {
        let protocol = self.protocol.take();
        drop(protocol);
        let pending = self.pending.take();
        drop(pending);
        let pipes = self.pipes.take();
        drop(pipes);
    }
}

/// The end of the child, as the loop calls it; dropped uncalled when the loop is closed.
struct Ending(Option<Rc<Shared>>);

impl Ending {
    fn run(mut self) {
        if let Some(shared) = self.0.take() {
            shared.tell(Event::Exited);
            shared.one_ended();
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.forget();
        }
    }
}

/// Between a pipe and the protocol.
struct PipeProtocol {
    shared: Rc<Shared>,
    fd: u32,
    lost: bool,
}

impl Protocol for PipeProtocol {
    fn connection_made(&mut self, _: Transport) {}

    fn data_received(&mut self, data: &[u8]) {
        self.shared.tell_data(self.fd, data);
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.lost = true;
        self.shared.tell(Event::PipeLost(self.fd, error));
        self.shared.one_ended();
    }

    fn pause_writing(&mut self) {
        self.shared.tell(Event::Pause);
    }

    fn resume_writing(&mut self) {
        self.shared.tell(Event::Resume);
    }
}

impl Drop for PipeProtocol {
    fn drop(&mut self) {
        if self.lost {
            return;
        }
        if self.shared.child.event_loop().is_closed() {
            self.shared.forget();
        } else {
            // Another protocol has taken the pipe over.
            self.shared.one_ended();
        }
    }
}

impl fmt::Debug for SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubprocessTransport")
            .field("pid", &self.get_pid())
            .field("returncode", &self.get_returncode())
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
