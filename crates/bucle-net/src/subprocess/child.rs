//! [`ChildProcess`]: a child on the loop, from its start until it was waited for.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;

use crate::waiters::{Seat, Waiters};
use bucle_loop::{ExceptionContext, Interest, LoopRef, Readiness, Registration, Source};
use bucle_sys::process::{PidFd, SIGKILL, is_no_child};

/// The exit code of a child that somebody else has waited for; asyncio's.
const UNKNOWN: i32 = 255;

/// The loop holds it until the child has ended, whoever else does.
pub(super) struct ChildProcess {
    event_loop: LoopRef,
    pid: u32,
    /// `None` once the child was waited for.
    pidfd: RefCell<Option<PidFd>>,
    registration: Cell<Option<Registration>>,
    status: Cell<Option<ExitStatus>>,
    waiters: Waiters,
    /// Who is called at its end.
    on_exit: RefCell<Option<Box<dyn FnOnce()>>>,
    kill_on_drop: bool,
}

impl ChildProcess {
    /// Watches a child that was just started.
    pub(super) fn watch(
        event_loop: &LoopRef,
        pid: u32,
        kill_on_drop: bool,
    ) -> io::Result<Rc<ChildProcess>> {
        let pidfd = match PidFd::open(pid) {
            Ok(pidfd) => Some(pidfd),
            // Ended already, where the process ignores SIGCHLD.
            Err(error) if is_no_child(&error) => None,
            Err(error) => return Err(error),
        };
        let child = Rc::new(ChildProcess {
            event_loop: event_loop.clone(),
            pid,
            pidfd: RefCell::new(pidfd),
            registration: Cell::new(None),
            status: Cell::new(None),
            waiters: Waiters::default(),
            on_exit: RefCell::new(None),
            kill_on_drop,
        });
        match &*child.pidfd.borrow() {
            Some(pidfd) => {
                let registration = event_loop.register(pidfd, Interest::READ, child.clone())?;
                child.registration.set(Some(registration));
            }
            None => {
                let child = child.clone();
                event_loop.call_soon(move || child.ended(Err(io::ErrorKind::NotFound.into())));
            }
        }
        Ok(child)
    }

    pub(super) fn event_loop(&self) -> &LoopRef {
        &self.event_loop
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.status.get()
    }

    /// `body` is called, by the loop, when it has ended; not if the loop is closed before.
    pub(super) fn on_exit(&self, body: impl FnOnce() + 'static) {
        if self.status.get().is_some() {
            self.event_loop.call_soon(body);
        } else {
            self.on_exit.replace(Some(Box::new(body)));
        }
    }

    pub(super) fn poll_wait(&self, seat: &mut Seat, cx: &Context<'_>) -> Poll<ExitStatus> {
        if let Some(status) = self.status.get() {
            return Poll::Ready(status);
        }
        self.waiters.join(seat, cx.waker());
        Poll::Pending
    }

    pub(super) fn send_signal(&self, signal: i32) -> io::Result<()> {
        match &*self.pidfd.borrow() {
            Some(pidfd) => pidfd.send_signal(signal),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                match self.status.get() {
                    Some(status) => format!("process {} has ended ({status})", self.pid),
                    None => format!("process {} has ended", self.pid),
                },
            )),
        }
    }

    /// Its owner goes.
    pub(super) fn let_go(&self) {
        if self.kill_on_drop
            && let Some(pidfd) = &*self.pidfd.borrow()
        {
            let _ = pidfd.send_signal(SIGKILL);
        }
    }

    fn take_pidfd(&self) -> Option<PidFd> {
        let pidfd = self.pidfd.take()?;
        if let Some(registration) = self.registration.take() {
            self.event_loop.deregister(&pidfd, registration);
        }
        Some(pidfd)
    }

    fn ended(&self, result: io::Result<ExitStatus>) {
        let status = result.unwrap_or_else(|_| {
            self.event_loop
                .call_exception_handler(ExceptionContext::new(
                    "child process",
                    format!(
                        "how process {} ended is not known, it counts as {UNKNOWN}: it was waited \
                         for by somebody else, or the process ignores SIGCHLD",
                        self.pid
                    ),
                ));
            ExitStatus::from_raw(UNKNOWN << 8)
        });
        self.status.set(Some(status));
        drop(self.take_pidfd());
        self.waiters.wake();
        let on_exit = self.on_exit.take();
        if let Some(on_exit) = on_exit {
            on_exit();
        }
    }
}

impl Source for ChildProcess {
    fn ready(&self, _: Readiness) {
        let result = match &*self.pidfd.borrow() {
            Some(pidfd) => pidfd.try_wait(),
            None => return,
        };
        match result {
            Ok(None) => {}
            Ok(Some(status)) => self.ended(Ok(status)),
            Err(error) => self.ended(Err(error)),
        }
    }

    fn describe(&self) -> Option<String> {
        Some(format!("child process {}", self.pid))
    }

    fn closed(&self) {
        self.let_go();
        let on_exit = self.on_exit.take();
        drop(on_exit);
        let Some(pidfd) = self.take_pidfd() else {
            return;
        };
        // There is no loop any more that could wait for it.
        if matches!(pidfd.try_wait(), Ok(None)) {
            let reaper = thread::Builder::new().name("bucle-reaper".to_owned());
            let _ = reaper.spawn(move || pidfd.wait());
        }
    }
}

/// The return code as asyncio has it: the exit code, or minus the signal.
pub(super) fn returncode(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => -signal,
        (None, None) => UNKNOWN,
    }
}
