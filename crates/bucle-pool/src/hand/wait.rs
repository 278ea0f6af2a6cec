//! How an operation waits for a descriptor: as a task of the running loop, or by blocking the
//! thread. One code serves both: what blocks is a future that is ready when it is polled first.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bucle_loop::{Interest, LoopRef, Readiness, Registration, Source, try_get_running_loop};

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A task: the loop goes on.
    Await,
    /// The thread.
    Block,
}

/// The output of a future that never waits, since all in it is done in [`Mode::Block`].
pub(super) fn blocking<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "a task of this process uses it at the moment, and can't go on while its thread is \
             blocked: await instead of blocking",
        )),
    }
}

/// # Errors
/// In a thread whose loop runs: all its tasks would stand still.
pub(super) fn check_no_loop() -> io::Result<()> {
    match try_get_running_loop() {
        None => Ok(()),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "an event loop runs in this thread, so it must not be blocked: await instead",
        )),
    }
}

/// The loop of this thread.
///
/// # Errors
/// If none runs; `instead` says what to do then.
pub(super) fn running_loop(instead: &str) -> io::Result<LoopRef> {
    try_get_running_loop().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!("no event loop is running in this thread; {instead}"),
        )
    })
}

/// Waits, on the running loop, until `fd` is ready for `interest`.
///
/// # Errors
/// If no loop runs; the system's.
pub(super) async fn ready(fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
    let event_loop = running_loop("use the method that ends in `_blocking`")?;
    // A descriptor has one owner on a loop; so each that waits has one of its own.
    let fd = fd.try_clone_to_owned()?;
    let event = Rc::new(Event {
        happened: Cell::new(false),
        interest,
        waker: RefCell::new(None),
    });
    let registration = event_loop.register(fd.as_fd(), interest, event.clone())?;
    Wait {
        event_loop,
        fd,
        event,
        registration: Some(registration),
    }
    .await;
    Ok(())
}

struct Event {
    happened: Cell<bool>,
    interest: Interest,
    waker: RefCell<Option<Waker>>,
}

impl Source for Event {
    fn ready(&self, _: Readiness) {
        self.happened.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn describe(&self) -> Option<String> {
        Some("the channel to another process".into())
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        if let Some(waker) = &*self.waker.borrow() {
            tell(waker, self.interest);
        }
    }

    fn closed(&self) {
        drop(self.waker.take());
    }
}

struct Wait {
    event_loop: LoopRef,
    fd: OwnedFd,
    event: Rc<Event>,
    registration: Option<Registration>,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.event.happened.get() {
            return Poll::Ready(());
        }
        self.event.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(registration) = self.registration.take() {
            self.event_loop.deregister(self.fd.as_fd(), registration);
        }
    }
}
