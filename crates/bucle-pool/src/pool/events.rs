//! What the loop reports of a worker: messages, results, lines, its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::{Rc, Weak};

use bucle_loop::{Interest, Readiness, Source};
use bucle_sys::channel::{self, Received};
use bucle_sys::shared::Segment;

use super::Pool;
use super::job::Output;
use super::memory::Home;
use super::output::{OutputLine, OutputStream, Pipe};
use super::worker::{Phase, Registrations, Worker};
use crate::error::{Cause, ProcessError, ProcessPanic};
use crate::frame::{Frame, Kind};
use crate::payload::{AlignedBytes, NotDecoded, NotEncoded, Reader};
use crate::ring::{self, Garbage, HEADER};
use crate::shared::Lent;
use crate::start::{BuildMismatch, Message};
use crate::worker::PanicReport;

/// How many results are taken from one worker before the loop goes on with others.
const AT_ONCE: usize = 1024;

/// How many messages are read from one worker before the loop goes on with others: one that has gone
/// mad may send them without end.
const MESSAGES_AT_ONCE: usize = 256;

/// How many times in a row a worker's pipe is read before the loop goes on.
const READS_AT_ONCE: usize = 4;

/// Which descriptor of a worker.
#[derive(Clone, Copy)]
enum What {
    Channel,
    Process,
    Output(OutputStream),
}

/// A descriptor of a worker on the loop.
struct Watch {
    pool: Weak<Pool>,
    worker: Rc<Worker>,
    what: What,
}

impl Source for Watch {
    fn ready(&self, _: Readiness) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        match self.what {
            What::Channel => pool.read_channel(&self.worker),
            What::Process => pool.has_died(&self.worker),
            What::Output(stream) => pool.read_output(&self.worker, stream, READS_AT_ONCE),
        }
    }

    fn describe(&self) -> Option<String> {
        Some(format!("worker process {}", self.worker.pid))
    }

    /// The loop ends before the pool: so do the workers.
    fn closed(&self) {
        drop(self.worker.child.take());
    }
}

impl Pool {
    /// Has the loop watch a worker that was just started.
    pub(super) fn watch_worker(self: &Rc<Self>, worker: &Rc<Worker>) -> io::Result<()> {
        let source = |what| {
            Rc::new(Watch {
                pool: Rc::downgrade(self),
                worker: worker.clone(),
                what,
            })
        };
        let register = |fd: BorrowedFd<'_>, what| {
            self.event_loop
                .register(fd, Interest::READ, source(what))
                .map(Some)
        };
        let mut child = worker.child.borrow_mut();
        let Some(child) = child.as_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut registrations = worker.registrations.borrow_mut();
        registrations.channel = register(child.channel.as_fd(), What::Channel)?;
        if let Some(pidfd) = child.pidfd() {
            registrations.pidfd = register(pidfd.as_fd(), What::Process)?;
        }
        for (fd, stream) in [
            (child.stdout.take(), OutputStream::Stdout),
            (child.stderr.take(), OutputStream::Stderr),
        ] {
            let Some(fd) = fd else { continue };
            let pipe = Pipe::new(fd, stream)?;
            let registration = register(pipe.file().as_fd(), What::Output(stream))?;
            match stream {
                OutputStream::Stdout => registrations.stdout = registration,
                OutputStream::Stderr => registrations.stderr = registration,
            }
            worker.pipe(stream).replace(Some(pipe));
        }
        Ok(())
    }

    /// Has the loop forget it.
    pub(super) fn unwatch(&self, worker: &Worker) {
        let Registrations {
            channel,
            pidfd,
            stdout,
            stderr,
        } = worker.registrations.take();
        if let Some(child) = &*worker.child.borrow() {
            if let Some(registration) = channel {
                self.event_loop.deregister(&child.channel, registration);
            }
            if let (Some(registration), Some(fd)) = (pidfd, child.pidfd()) {
                self.event_loop.deregister(fd, registration);
            }
        }
        for (registration, stream) in [
            (stdout, OutputStream::Stdout),
            (stderr, OutputStream::Stderr),
        ] {
            if let (Some(registration), Some(pipe)) = (registration, &*worker.pipe(stream).borrow())
            {
                self.event_loop.deregister(pipe.file(), registration);
            }
        }
        drop(worker.watch.take());
        for timer in [&worker.start_timer, &worker.kill_timer] {
            if let Some(timer) = timer.take() {
                timer.cancel();
            }
        }
    }

    fn read_channel(self: &Rc<Self>, worker: &Rc<Worker>) {
        match self.take_messages(worker, MESSAGES_AT_ONCE) {
            Ok(true) => {
                self.drain(worker);
                self.rang(worker);
            }
            // Its end may be on its way, and says more.
            Ok(false) => self.channel_closed(worker),
            Err(what) => self.broke_protocol(worker, what),
        }
    }

    /// Reads the messages that are there, at most so many; false if the channel is closed.
    fn take_messages(self: &Rc<Self>, worker: &Rc<Worker>, most: usize) -> Result<bool, String> {
        let mut buffer = [0; 512];
        for _ in 0..most {
            let received = match &*worker.child.borrow() {
                Some(child) => channel::receive(&child.channel, &mut buffer),
                None => return Ok(true),
            };
            let (len, mut fds) = match received {
                Ok(Received::Message(len, fds)) => (len, fds),
                Ok(Received::Nothing) => return Ok(true),
                Ok(Received::Closed) => return Ok(false),
                Err(error) => return Err(error.to_string()),
            };
            match Message::from_bytes(&buffer[..len]) {
                Some(Message::Ready(build)) => match BuildMismatch::check(build) {
                    Ok(()) => {
                        self.forget_preamble(worker);
                        self.is_ready(worker);
                    }
                    Err(mismatch) => self.break_down(&mismatch.to_string()),
                },
                Some(Message::Failed) => {
                    let text = String::from_utf8_lossy(buffer.get(9..len).unwrap_or_default());
                    self.break_down(&format!("a worker {text}"));
                }
                Some(Message::Wake) => {}
                Some(Message::Segment(number)) => {
                    let segment = fds.pop().map(Segment::from_fd);
                    match segment {
                        Some(Ok(segment)) => worker.output_came(number, segment),
                        Some(Err(error)) => return Err(error.to_string()),
                        None => return Err("shared memory was announced and did not come".into()),
                    }
                }
                Some(Message::Forget(number)) => drop(worker.take_output(number)),
                Some(Message::Free(_) | Message::Exit) | None => {
                    return Err(format!(
                        "a message of {len} bytes on the channel is none of ours"
                    ));
                }
            }
        }
        Ok(true)
    }

    /// What a test harness says before it comes to the worker's entry is of no interest.
    fn forget_preamble(&self, worker: &Rc<Worker>) {
        if !crate::start::TEST_ENTRIES.is_empty() {
            let mut pipe = worker.stdout.borrow_mut();
            if let Some(pipe) = pipe.as_mut() {
                let mut buffer = [0; 1024];
                while pipe.read(&mut buffer, &mut |_, _| {}) == Some(true) {}
                pipe.forget();
            }
        }
    }

    /// Takes what has come out of the ring of results, and hands out what waits. How many there
    /// were.
    pub(super) fn drain(self: &Rc<Self>, worker: &Rc<Worker>) -> usize {
        let drained = self.take_results(worker, AT_ONCE);
        if drained > 0 {
            worker.tell_of_room();
            worker.tell_unsaid();
            self.after_results(worker);
            worker.is_long.set(false);
            self.take_back_behind_long();
            self.dispatch();
            if worker.load() == 0 {
                self.balance();
            }
            self.tell_idle();
            self.tell_progress();
        }
        drained
    }

    /// The results alone.
    pub(super) fn take_results(self: &Rc<Self>, worker: &Rc<Worker>, most: usize) -> usize {
        let mut payload = self.scratch.take();
        let mut taken = 0;
        while taken < most {
            match ring::pop(worker.board.responses(), &mut payload) {
                Ok(None) => break,
                Ok(Some(words)) => match self.result(worker, words, &payload) {
                    Ok(()) => taken += 1,
                    Err(what) => {
                        self.broke_protocol(worker, what);
                        break;
                    }
                },
                Err(Garbage) => {
                    self.broke_protocol(worker, "the ring of results is overwritten".into());
                    break;
                }
            }
        }
        self.scratch.set(payload);
        taken
    }

    fn result(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        words: [u64; HEADER],
        inline: &AlignedBytes,
    ) -> Result<(), String> {
        let unknown = || "a result is none of ours".to_string();
        let frame = Frame::from_words(words).ok_or_else(unknown)?;
        let job = {
            let sent = worker.sent.borrow();
            let front = sent.front().filter(|sent| sent.task == frame.task);
            let front =
                front.ok_or_else(|| "a result is for no task that was handed out".to_string())?;
            front.items_done.set(frame.index.saturating_add(1));
            front.job.clone()
        };
        self.averages.note(job.base().function, frame.figure);
        let len = usize::try_from(frame.len).unwrap_or(usize::MAX);
        let home = match frame.segment {
            0 => None,
            number => Some(self.output_home(worker, number)?),
        };
        let bytes = match &home {
            Some(home) => home.bytes(),
            None => inline.bytes(),
        };
        let payload = bytes.get(..len).ok_or_else(unknown)?;
        let head = frame.head as usize;
        let pid = worker.pid;
        let text = || {
            let mut reader = Reader::new(payload, head)?;
            reader.value::<String>()
        };
        let done = match frame.kind {
            Kind::Output => {
                let home = home.clone();
                let output = Output {
                    payload,
                    head,
                    home,
                };
                job.output(frame.index, output)
            }
            Kind::Panicked => {
                let report = Reader::new(payload, head).and_then(|mut reader| reader.value());
                let report: PanicReport = report.map_err(|_| unknown())?;
                let panic = ProcessPanic {
                    message: report.message,
                    location: report.location,
                    task: job.base().name().to_string(),
                    pid,
                };
                job.error(frame.index, ProcessError::Panicked(panic))
            }
            Kind::BadArguments => {
                let why = text().map_err(|_| unknown())?;
                let error = NotDecoded {
                    what: "the arguments",
                    why,
                };
                job.error(frame.index, ProcessError::NotDecoded(error))
            }
            Kind::BadOutput => {
                let why = text().map_err(|_| unknown())?;
                let error = NotEncoded {
                    what: "the output",
                    why,
                };
                job.error(frame.index, ProcessError::NotEncoded(error))
            }
            Kind::Call | Kind::Chunk => return Err(unknown()),
        };
        // An item of a chunk is over: what has ended workers before was not the next one.
        job.base().attempts.set(0);
        if done {
            let over = worker.sent.borrow_mut().pop_front();
            worker.tasks_done.set(worker.tasks_done.get() + 1);
            self.tasks_done.set(self.tasks_done.get() + 1);
            // With it an output may go that nobody waits for.
            self.guard("the destructor of an output", || drop((over, job)));
        }
        Ok(())
    }

    /// The shared memory of that number that the worker has sent; its announcement may lie in the
    /// channel still.
    fn output_home(self: &Rc<Self>, worker: &Rc<Worker>, number: u64) -> Result<Rc<Home>, String> {
        let mut memory = worker.take_output(number);
        if memory.is_none() {
            // No more are on their way than frames fit in a ring, and as many that free memory.
            self.take_messages(worker, 1 << 16)?;
            memory = worker.take_output(number);
        }
        let memory = memory.ok_or("a result lies in shared memory that did not come")?;
        Ok(Rc::new(Home {
            memory: Some(memory),
            number,
            worker: Rc::downgrade(worker),
        }))
    }

    /// What follows when a worker has one task less.
    fn after_results(self: &Rc<Self>, worker: &Rc<Worker>) {
        let forgotten = self.memory.take_forgotten();
        if !forgotten.is_empty() {
            for worker in &*self.workers.borrow() {
                worker.forget(&forgotten);
            }
        }
        self.watch_front(worker);
        self.recycle(worker);
    }

    /// Reads a worker's stream, at most `times` times.
    pub(super) fn read_output(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        stream: OutputStream,
        times: usize,
    ) {
        // Out of its place: the lines go to the user's code.
        let Some(mut pipe) = worker.pipe(stream).take() else {
            return;
        };
        let name = worker.sent.borrow().front().map(|sent| sent.job.clone());
        if let Some(job) = name {
            worker.last_task.replace(Some(job.base().name().into()));
        }
        let task = worker.last_task.borrow().clone();
        let quiet = worker.phase.get() == Phase::Starting && !crate::start::TEST_ENTRIES.is_empty();
        let mut take = |stream, text: &str| {
            let line = OutputLine {
                pid: worker.pid,
                task: task.as_deref(),
                stream,
                text,
            };
            match &self.options.on_output {
                _ if quiet && stream == OutputStream::Stdout => {}
                Some(take) => self.guard("`on_output`", || take(line)),
                None => line.log(),
            }
        };
        let before = pipe.total();
        let mut open = true;
        self.event_loop.with_read_buffer(|buffer| {
            for _ in 0..times {
                match pipe.read(buffer, &mut take) {
                    Some(true) => {}
                    Some(false) => break,
                    None => {
                        open = false;
                        break;
                    }
                }
            }
        });
        if stream == OutputStream::Stderr && worker.phase.get() != Phase::Starting {
            let running = worker.board.running().map(|running| running.task);
            pipe.seen_running(running, pipe.total().wrapping_sub(before));
        }
        if !open {
            let registration = {
                let mut registrations = worker.registrations.borrow_mut();
                match stream {
                    OutputStream::Stdout => registrations.stdout.take(),
                    OutputStream::Stderr => registrations.stderr.take(),
                }
            };
            if let Some(registration) = registration {
                self.event_loop.deregister(pipe.file(), registration);
            }
        }
        worker.pipe(stream).replace(Some(pipe));
    }

    /// Something in the worker has gone mad: nothing it says counts any more.
    pub(super) fn broke_protocol(self: &Rc<Self>, worker: &Rc<Worker>, what: String) {
        if worker.cause.borrow().is_none() {
            worker.cause.replace(Some(Cause::BrokeProtocol(what)));
        }
        worker.phase.set(Phase::Dying);
        worker.kill();
    }
}

impl Worker {
    fn pipe(&self, stream: OutputStream) -> &std::cell::RefCell<Option<Pipe>> {
        match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        }
    }
}
