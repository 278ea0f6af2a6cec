//! [`Process`]: one function in one process of its own.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bucle_loop::{Interest, LoopRef, Readiness, Registration, Source};
use bucle_sys::channel::{self, MAX_FDS, MAX_MESSAGE, Received};
use bucle_sys::process::{SIGTERM, Usage};
use bucle_sys::shared::Segment;

use super::child::{BAD_ARGUMENTS, BAD_OUTPUT, OUTPUT, PANICKED};
use super::travel;
use super::wait::running_loop;
use super::wire::{Blob, Message as Told};
use crate::error::{Cause, Failure, ProcessError, ProcessPanic};
use crate::function::{ProcessFunction, index_of, short_name};
use crate::payload::{NotDecoded, NotEncoded, Writer};
use crate::start::{BuildMismatch, Child, Launch, Message, Output, Role, check_set_up};
use crate::worker::PanicReport;

/// A process that runs one function, and ends. `multiprocessing.Process`.
///
/// It is this program, started again (never a bare fork), so the program says
/// [`init`](crate::init) first thing. The function is any `#[bucle::process] fn`; among its
/// arguments may be the ends of a [`Pipe`](super::Pipe), a [`Queue`](super::Queue),
/// [`SharedMemory`](super::SharedMemory) and a [`Semaphore`](super::Semaphore). It runs in the main
/// thread of the child; when it returns, the child exits, other threads or not. What the child
/// writes to standard output and standard error goes where the parent's goes; its standard input is
/// empty.
///
/// # Its end, and ours
///
/// Dropped, the process is killed, with all it has started, and waited for: no zombie is left.
/// [`detach`](Process::detach) lets it run on. No child outlives its parent, however that ends.
///
/// ```no_run
/// use bucle_macros::process;
/// use bucle_pool::Process;
///
/// #[process(crate = bucle_pool)]
/// fn count(text: String, letter: char) -> usize {
///     text.chars().filter(|c| *c == letter).count()
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     bucle_pool::init();
///     bucle_loop::run(async {
///         let child = Process::spawn(count, ("banana".into(), 'a')).await?;
///         assert!(child.is_alive());
///         assert_eq!(child.join().await?, 3);
///         assert_eq!(child.exitcode(), Some(0));
///         Ok(())
///     })?
/// }
/// ```
#[must_use = "a process that is dropped is killed; `detach` lets it run on"]
pub struct Process<T> {
    state: Rc<State>,
    decode: fn(&Blob) -> Result<T, NotDecoded>,
    output: PhantomData<fn() -> T>,
}

impl<T> Process<T> {
    /// Starts a process that calls `f` with `arguments`, under the function's name. When this
    /// returns, the process is there; whether the function runs already is not said. Dropped before
    /// it is done, the process is killed.
    ///
    /// # Errors
    /// `Unsupported` if the line of set-up is missing (which it names), or no loop runs;
    /// `InvalidInput` for arguments that can't be put into bytes, or need more descriptors than can go
    /// along (127; a pipe's end and a semaphore need one, a queue and shared memory two); the
    /// system's, when it starts no process.
    pub async fn spawn<F>(f: F, arguments: F::Arguments<'_>) -> io::Result<Process<T>>
    where
        F: ProcessFunction<Output = T>,
    {
        let name = short_name(F::entry().path);
        Process::spawn_named(name, f, arguments).await
    }

    /// [`spawn`](Process::spawn) with a name of its own, which errors say and, cut to 15 bytes, the
    /// system's list of processes shows.
    ///
    /// # Errors
    /// As [`spawn`](Process::spawn).
    pub async fn spawn_named<F>(
        name: &str,
        _: F,
        arguments: F::Arguments<'_>,
    ) -> io::Result<Process<T>>
    where
        F: ProcessFunction<Output = T>,
    {
        check_set_up()?;
        let event_loop = running_loop("start a process where one does")?;
        let entry = F::entry();
        let mut writer = Writer::default();
        let (encoded, fds) = travel::leaving(|| {
            writer.value(name)?;
            F::encode(&arguments, &mut writer)
        });
        encoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        if fds.len() >= MAX_FDS {
            let text = format!(
                "the arguments of `{name}` need {} descriptors; {} can go along",
                fds.len(),
                MAX_FDS - 1
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (head, len) = (writer.head_len(), writer.len());
        let mut segment = Segment::new("bucle-arguments", len)?;
        writer.write(&mut segment.bytes_mut()[..len]);
        drop(writer);
        // What was moved into the child is not to be open here, or its end would not be seen.
        drop(arguments);
        let mut launch = Launch::new(Role::Process {
            function: index_of(entry),
            head: head as u64,
        });
        launch.fds.push(segment.as_fd().try_clone_to_owned()?);
        launch.fds.extend(fds);
        launch.output = Output::Inherit;
        let started = Instant::now();
        let child = start(launch).await?;
        let state = Rc::new(State {
            event_loop,
            pid: child.pid(),
            name: name.into(),
            function: entry.path,
            arguments: len,
            started,
            child: RefCell::new(Some(child)),
            watched: RefCell::default(),
            told: RefCell::new(None),
            garbage: RefCell::new(None),
            ended: Cell::new(None),
            joiners: RefCell::default(),
        });
        state.watch()?;
        Ok(Process {
            state,
            decode: |blob| blob.read(F::decode),
            output: PhantomData,
        })
    }

    /// Waits until the process has ended, and gives what its function has returned. May be dropped
    /// and called any number of times; the output is decoded each time.
    ///
    /// # Errors
    /// [`Panicked`](ProcessError::Panicked) with the message and the place;
    /// [`Failed`](ProcessError::Failed) if it ended without its function having returned: with its
    /// exit code or signal; [`NotDecoded`](ProcessError::NotDecoded) and
    /// [`NotEncoded`](ProcessError::NotEncoded). What the function returns, a `Result` among it, is
    /// no error here.
    pub async fn join(&self) -> Result<T, ProcessError> {
        let state = &self.state;
        poll_fn(|cx| {
            // As the loop has seen it: what else the child's end is the end of, queues and locks
            // that it had, is known by then.
            if state.child.borrow().is_none() {
                return Poll::Ready(());
            }
            let mut joiners = state.joiners.borrow_mut();
            if !joiners.iter().any(|waker| waker.will_wake(cx.waker())) {
                joiners.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        match &*state.told.borrow() {
            Some(told) => self.outcome(told),
            None => Err(ProcessError::Failed(Arc::new(state.failure()))),
        }
    }

    fn outcome(&self, told: &Told) -> Result<T, ProcessError> {
        let text = || told.blob.value::<String>().unwrap_or_default();
        Err(match told.kind {
            OUTPUT => match (self.decode)(&told.blob) {
                Ok(output) => return Ok(output),
                Err(error) => ProcessError::NotDecoded(error),
            },
            PANICKED => {
                let report: PanicReport = told.blob.value().unwrap_or_default();
                ProcessError::Panicked(ProcessPanic {
                    message: report.message,
                    location: report.location,
                    task: self.state.name.to_string(),
                    pid: self.state.pid,
                })
            }
            BAD_ARGUMENTS => ProcessError::NotDecoded(NotDecoded {
                what: "the arguments",
                why: text(),
            }),
            _ => ProcessError::NotEncoded(NotEncoded {
                what: "the output",
                why: text(),
            }),
        })
    }

    /// Its name: the function's, unless it was given another.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The number of the process. Once it has ended, another process may have it.
    pub fn pid(&self) -> u32 {
        self.state.pid
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        let child = self.state.child.borrow();
        let pidfd = child.as_ref().and_then(Child::pidfd);
        pidfd.is_some_and(|pidfd| matches!(pidfd.has_ended(), Ok(false)))
    }

    /// How it ended, as Python says it: the exit code, 1 after a panic, or the number of the signal
    /// that ended it, negative. `None` while it runs.
    pub fn exitcode(&self) -> Option<i32> {
        let status = self.exit_status()?;
        status
            .code()
            .or_else(|| status.signal().map(|signal| -signal))
    }

    /// How it ended; `None` while it runs, and if somebody else has waited for it.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.state.reap();
        self.state.ended.get().and_then(|ended| ended.status)
    }

    /// Asks the process to end, by `SIGTERM`, which ends a process that has not seen to it. Does
    /// nothing once it has ended.
    pub fn terminate(&self) {
        self.signal(SIGTERM);
    }

    /// Ends the process and all it has started, but for what has left its process group. Does
    /// nothing once it has ended.
    pub fn kill(&self) {
        if let Some(child) = &*self.state.child.borrow() {
            child.kill();
        }
    }

    /// Sends it a signal, by its number. Does nothing once it has ended, and for what is no signal.
    pub fn signal(&self, signal: i32) {
        if let Some(child) = &*self.state.child.borrow() {
            child.signal(signal);
        }
    }

    /// Lets it run on by itself, at most until the loop is closed or this process ends. The loop
    /// waits for it, so that no zombie is left.
    pub fn detach(self) {
        // The loop has it.
        self.state.detached();
    }
}

impl<T> Drop for Process<T> {
    fn drop(&mut self) {
        self.state.abandoned();
    }
}

impl<T> fmt::Debug for Process<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.state.name)
            .field("pid", &self.state.pid)
            .field("exitcode", &self.exitcode())
            .finish()
    }
}

/// Has the spawner's thread start a child, and waits for it.
async fn start(launch: Launch) -> io::Result<Child> {
    #[derive(Default)]
    struct Place {
        child: Option<io::Result<Child>>,
        waker: Option<Waker>,
    }
    let place: Arc<Mutex<Place>> = Arc::default();
    let there = Arc::downgrade(&place);
    launch.start(move |child| {
        // Nobody waits any more: dropped, the child is killed.
        let Some(place) = there.upgrade() else { return };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.child = Some(child);
        if let Some(waker) = place.waker.take() {
            waker.wake();
        }
    });
    poll_fn(move |cx| {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match place.child.take() {
            Some(child) => Poll::Ready(child),
            None => {
                place.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

#[derive(Clone, Copy)]
struct Ended {
    status: Option<ExitStatus>,
    usage: Usage,
    elapsed: Duration,
}

struct State {
    event_loop: LoopRef,
    pid: u32,
    name: Rc<str>,
    function: &'static str,
    arguments: usize,
    started: Instant,
    /// `None` once it was waited for.
    child: RefCell<Option<Child>>,
    watched: RefCell<Watched>,
    /// What became of the call.
    told: RefCell<Option<Told>>,
    /// What the child has said that is none of ours.
    garbage: RefCell<Option<String>>,
    ended: Cell<Option<Ended>>,
    joiners: RefCell<Vec<Waker>>,
}

#[derive(Default)]
struct Watched {
    channel: Option<Registration>,
    pidfd: Option<Registration>,
    detached: bool,
}

/// A descriptor of a child on the loop, which thereby has the child.
struct Watch {
    state: Rc<State>,
    is_channel: bool,
}

impl Source for Watch {
    fn ready(&self, _: Readiness) {
        if self.is_channel {
            self.state.listen();
        } else {
            self.state.reap();
        }
    }

    fn describe(&self) -> Option<String> {
        Some(format!("process {} ({})", self.state.pid, self.state.name))
    }

    /// The loop ends before the child: so does the child.
    fn closed(&self) {
        drop(self.state.child.take());
        self.state.wake_joiners();
    }
}

impl State {
    fn watch(self: &Rc<Self>) -> io::Result<()> {
        let register = |fd: BorrowedFd<'_>, is_channel| {
            let state = self.clone();
            let watch = Rc::new(Watch { state, is_channel });
            self.event_loop.register(fd, Interest::READ, watch)
        };
        let result = {
            let child = self.child.borrow();
            let Some(child) = &*child else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let mut watched = self.watched.borrow_mut();
            let channel = register(child.channel.as_fd(), true);
            channel.and_then(|channel| {
                watched.channel = Some(channel);
                if let Some(pidfd) = child.pidfd() {
                    watched.pidfd = Some(register(pidfd.as_fd(), false)?);
                }
                Ok(())
            })
        };
        if result.is_err() {
            self.abandoned();
        }
        result
    }

    /// Reads what the child says.
    fn listen(&self) {
        let mut packet = vec![0; MAX_MESSAGE];
        loop {
            let received = match &*self.child.borrow() {
                Some(child) => channel::receive(&child.channel, &mut packet),
                None => return,
            };
            let heard = match received {
                Ok(Received::Message(len, fds)) => self.hear(&packet[..len], fds),
                Ok(Received::Nothing) => return,
                Ok(Received::Closed) => {
                    // Its end is on its way. What is left of it has closed what we hear it by.
                    self.forget_channel();
                    return self.signal_broken(None);
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(what) = heard {
                self.forget_channel();
                return self.signal_broken(Some(what));
            }
        }
    }

    fn hear(&self, packet: &[u8], fds: Vec<std::os::fd::OwnedFd>) -> Result<(), String> {
        if let Some(Message::Ready(build)) = Message::from_bytes(packet) {
            return BuildMismatch::check(build).map_err(|mismatch| mismatch.to_string());
        }
        let told = Told::parse(packet, fds).map_err(|error| error.to_string())?;
        let is_known = matches!(told.kind, OUTPUT | PANICKED | BAD_ARGUMENTS | BAD_OUTPUT);
        if !is_known || self.told.borrow().is_some() {
            return Err("the child said what no child says".into());
        }
        self.told.replace(Some(told));
        Ok(())
    }

    /// A child that can't be heard is no good any more.
    fn signal_broken(&self, what: Option<String>) {
        if let Some(what) = what {
            self.garbage.replace(Some(what));
        }
        if self.told.borrow().is_none()
            && let Some(child) = &*self.child.borrow()
        {
            child.kill();
        }
    }

    /// Whether it has ended; if it just has, all is noted and everybody is told.
    fn reap(&self) -> bool {
        let Some(mut child) = self.child.take() else {
            return true;
        };
        let ended = child.pidfd().map_or(Ok(true), |pidfd| pidfd.has_ended());
        if matches!(ended, Ok(false)) {
            self.child.replace(Some(child));
            return false;
        }
        // Before its descriptors are closed.
        self.child.replace(Some(child));
        self.listen();
        self.unwatch();
        child = match self.child.take() {
            Some(child) => child,
            None => return true,
        };
        let (status, usage) = match child.try_wait() {
            Ok(Some((status, usage))) => (Some(status), usage),
            // Somebody else has waited for it.
            Ok(None) | Err(_) => (None, Usage::default()),
        };
        self.ended.set(Some(Ended {
            status,
            usage,
            elapsed: self.started.elapsed(),
        }));
        self.wake_joiners();
        true
    }

    fn forget_channel(&self) {
        let registration = self.watched.borrow_mut().channel.take();
        if let (Some(registration), Some(child)) = (registration, &*self.child.borrow()) {
            self.event_loop.deregister(&child.channel, registration);
        }
    }

    fn unwatch(&self) {
        self.forget_channel();
        let registration = self.watched.borrow_mut().pidfd.take();
        if let (Some(registration), Some(child)) = (registration, &*self.child.borrow())
            && let Some(pidfd) = child.pidfd()
        {
            self.event_loop.deregister(pidfd, registration);
        }
    }

    fn wake_joiners(&self) {
        for waker in self.joiners.take() {
            waker.wake();
        }
    }

    fn detached(&self) {
        self.watched.borrow_mut().detached = true;
    }

    /// Nobody has the process any more: it is killed, and the spawner's thread waits for it.
    fn abandoned(&self) {
        if !self.watched.borrow().detached {
            self.unwatch();
            drop(self.child.take());
        }
    }

    fn failure(&self) -> Failure {
        let ended = self.ended.get();
        let usage = ended.map(|ended| ended.usage).unwrap_or_default();
        Failure {
            task: self.name.to_string(),
            function: self.function,
            arguments: self.arguments,
            pid: self.pid,
            cause: match &*self.garbage.borrow() {
                Some(what) => Cause::BrokeProtocol(what.clone()),
                None => Cause::Died,
            },
            status: ended.and_then(|ended| ended.status),
            begun: true,
            elapsed: ended.map_or_else(|| self.started.elapsed(), |ended| ended.elapsed),
            cpu_time: usage.user + usage.system,
            peak_resident: usage.peak_resident,
            stderr: String::new(),
            attempts: 1,
        }
    }
}
