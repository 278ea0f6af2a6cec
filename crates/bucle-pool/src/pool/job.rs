//! A task in the parent: from `submit` until its awaiter has what it came to.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bucle_loop::Cancelled;

use super::Pool;
use super::memory::{Home, Lease, Memory};
use super::options::TaskOptions;
use crate::board::LONGEST_INLINE;
use crate::error::ProcessError;
use crate::function::short_name;
use crate::payload::{NotDecoded, Reader};
use crate::shared::Lent;

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In no queue: there was no room.
    Parked,
    /// In the pool's queue.
    Queued,
    /// In a worker's ring; by the worker's number.
    Sent(u64),
    /// Over.
    Done,
}

/// What every task has.
pub(super) struct Base {
    pub(super) path: &'static str,
    pub(super) function: u32,
    pub(super) options: TaskOptions,
    pub(super) stage: Cell<Stage>,
    /// Its place in the order of submission, from when it came into the queue first.
    pub(super) place: Cell<Option<u64>>,
    /// How many workers have ended under it.
    pub(super) attempts: Cell<u32>,
    /// Nobody waits for it any more, and it is to be ended.
    pub(super) cancelled: Cell<bool>,
}

impl Base {
    pub(super) fn new(path: &'static str, function: u32, options: TaskOptions) -> Base {
        Base {
            path,
            function,
            options,
            stage: Cell::new(Stage::Parked),
            place: Cell::new(None),
            attempts: Cell::new(0),
            cancelled: Cell::new(false),
        }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> &str {
        match &self.options.name {
            Some(name) => name,
            None => short_name(self.path),
        }
    }

    /// Whether somebody has to look after it while it runs.
    pub(super) fn is_watched(&self) -> bool {
        self.options.deadline.is_some() || self.options.memory_limit.is_some()
    }
}

/// The arguments of a call, in bytes.
pub(super) enum Payload {
    /// In ordinary memory: for the ring, or until it is the task's turn.
    Own(Vec<u8>),
    /// The same, had by several tasks.
    Common(Rc<[u8]>),
    /// In shared memory.
    Lease(Lease, usize),
}

impl Payload {
    pub(super) fn len(&self) -> usize {
        match self {
            Payload::Own(bytes) => bytes.len(),
            Payload::Common(bytes) => bytes.len(),
            Payload::Lease(_, len) => *len,
        }
    }

    /// Nothing.
    pub(super) fn none() -> Payload {
        Payload::Own(Vec::new())
    }

    /// Sees to it that what is too long for a ring lies in shared memory.
    ///
    /// # Errors
    /// `WouldBlock` if tasks that workers have take all there is; the system's.
    pub(super) fn make_ready(&mut self, memory: &Rc<Memory>) -> io::Result<()> {
        let bytes = match self {
            Payload::Own(bytes) => &bytes[..],
            Payload::Common(bytes) => bytes,
            Payload::Lease(..) => return Ok(()),
        };
        if bytes.len() > LONGEST_INLINE {
            *self = Payload::leased(bytes, memory)?;
        }
        Ok(())
    }

    /// A copy in shared memory.
    ///
    /// # Errors
    /// As [`make_ready`](Payload::make_ready).
    pub(super) fn leased(bytes: &[u8], memory: &Rc<Memory>) -> io::Result<Payload> {
        let mut lease = memory.lease(bytes.len())?;
        lease.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        Ok(Payload::Lease(lease, bytes.len()))
    }
}

/// What is sent for a job: one frame.
pub(super) struct Sending<'a> {
    pub(super) payload: &'a Payload,
    /// As [`Frame::head`](crate::frame::Frame::head) says.
    pub(super) head: u32,
    /// It is a chunk.
    pub(super) chunk: bool,
}

/// A task, whatever its types.
pub(super) trait Job {
    fn base(&self) -> &Base;

    /// Sees to it that it can be sent: [`Payload::make_ready`].
    fn make_ready(&self, memory: &Rc<Memory>) -> io::Result<()>;

    /// Hands what is to be sent to `send`, and gives what that gives.
    fn sending(&self, send: &mut dyn FnMut(Sending<'_>) -> bool) -> bool;

    /// An output has come. True if all of the job is done.
    fn output(&self, item: u32, output: Output<'_>) -> bool;

    /// It, or an item of it, has ended without an output. True if all of the job is done.
    fn error(&self, item: u32, error: ProcessError) -> bool;

    /// Its worker has ended under it. True if all of the job is done; otherwise the rest of it is
    /// to be sent again.
    fn died(&self, error: ProcessError) -> bool {
        self.error(0, error)
    }

    /// It goes back to the queue, perhaps after a part of it was done.
    fn back(&self) {}

    /// Whether any worker may run it, or only the one that it was made for.
    fn is_for_any(&self) -> bool {
        true
    }

    /// All of it that is not done yet ends so.
    fn fail(&self, error: ProcessError);

    /// How many bytes the arguments are; of a chunk, those of the item at hand.
    fn arguments(&self) -> usize;
}

/// The bytes of an output, and where they are.
pub(super) struct Output<'a> {
    pub(super) payload: &'a [u8],
    pub(super) head: usize,
    /// The shared memory that it lies in.
    pub(super) home: Option<Rc<Home>>,
}

/// Makes an output of its bytes.
pub(super) type Decode<T> = fn(&mut Reader<'_>) -> Result<T, NotDecoded>;

/// Makes the value; a panic in its `Deserialize` is an error like any other.
pub(super) fn decode<T>(decode: Decode<T>, output: &Output<'_>) -> Result<T, ProcessError> {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let home = output.home.clone().map(|home| home as Rc<dyn Lent>);
        let mut reader = Reader::new(output.payload, output.head)?.lent(home);
        decode(&mut reader)
    }));
    match made {
        Ok(made) => made.map_err(ProcessError::NotDecoded),
        Err(_) => Err(ProcessError::NotDecoded(NotDecoded {
            what: std::any::type_name::<T>(),
            why: "its `Deserialize` panicked".into(),
        })),
    }
}

/// A single call.
pub(super) struct Call<T> {
    base: Base,
    payload: RefCell<Payload>,
    head: u32,
    decode: Decode<T>,
    outcome: RefCell<Outcome<T>>,
}

enum Outcome<T> {
    Pending(Option<Waker>),
    Done(Result<T, ProcessError>),
    Taken,
}

impl<T: 'static> Call<T> {
    pub(super) fn new(base: Base, payload: Payload, head: u32, decode: Decode<T>) -> Rc<Call<T>> {
        Rc::new(Call {
            base,
            payload: RefCell::new(payload),
            head,
            decode,
            outcome: RefCell::new(Outcome::Pending(None)),
        })
    }

    /// One that is over before it began.
    pub(super) fn failed(base: Base, error: ProcessError, decode: Decode<T>) -> Rc<Call<T>> {
        let call = Call::new(base, Payload::none(), 0, decode);
        call.finish(Err(error));
        call
    }

    fn finish(&self, result: Result<T, ProcessError>) {
        self.base.stage.set(Stage::Done);
        // A lease ends here.
        let payload = self.payload.replace(Payload::none());
        let before = self.outcome.replace(Outcome::Done(result));
        if let Outcome::Pending(Some(waker)) = before {
            waker.wake();
        }
        drop(payload);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, ProcessError>> {
        let mut outcome = self.outcome.borrow_mut();
        match &mut *outcome {
            Outcome::Pending(Some(known)) if known.will_wake(cx.waker()) => Poll::Pending,
            Outcome::Pending(known) => {
                let old = known.replace(cx.waker().clone());
                drop(outcome);
                drop(old);
                Poll::Pending
            }
            _ => match std::mem::replace(&mut *outcome, Outcome::Taken) {
                Outcome::Done(result) => Poll::Ready(result),
                _ => panic!("a submitted task was polled after its result was taken"),
            },
        }
    }
}

impl<T: 'static> Job for Call<T> {
    fn base(&self) -> &Base {
        &self.base
    }

    fn make_ready(&self, memory: &Rc<Memory>) -> io::Result<()> {
        self.payload.borrow_mut().make_ready(memory)
    }

    fn sending(&self, send: &mut dyn FnMut(Sending<'_>) -> bool) -> bool {
        send(Sending {
            payload: &self.payload.borrow(),
            head: self.head,
            chunk: false,
        })
    }

    fn output(&self, _: u32, output: Output<'_>) -> bool {
        self.finish(decode(self.decode, &output));
        true
    }

    fn error(&self, _: u32, error: ProcessError) -> bool {
        self.finish(Err(error));
        true
    }

    fn fail(&self, error: ProcessError) {
        self.finish(Err(error));
    }

    fn arguments(&self) -> usize {
        self.payload.borrow().len()
    }
}

/// A task that was submitted; awaiting it gives what it came to.
///
/// Dropping it before it is done cancels the task: one that has not begun is never run; one that
/// runs is ended with its worker, politely at first ([`kill_after`]). [`detach`](Submitted::detach)
/// lets it run on.
///
/// [`kill_after`]: super::ProcessPoolExecutorBuilder::kill_after
#[must_use = "dropping it cancels the task; await it, or say `detach()`"]
pub struct Submitted<T: 'static> {
    pub(super) call: Rc<Call<T>>,
    pub(super) pool: Weak<Pool>,
    pub(super) detached: bool,
}

impl<T: 'static> Submitted<T> {
    /// Whether it is over, in whatever way.
    pub fn done(&self) -> bool {
        self.call.base.stage.get() == Stage::Done
    }

    /// Whether a worker runs it now. One that was handed to a worker and has not begun may be taken
    /// back and handed to another.
    pub fn running(&self) -> bool {
        let Stage::Sent(number) = self.call.base.stage.get() else {
            return false;
        };
        let worker = self.pool.upgrade().and_then(|pool| pool.worker(number));
        worker.is_some_and(|worker| {
            let sent = worker.sent.borrow();
            let front = sent.front().map(|sent| Rc::as_ptr(&sent.job));
            let at_front = front.is_some_and(|job| std::ptr::addr_eq(job, Rc::as_ptr(&self.call)));
            at_front && worker.front_has_begun().is_some()
        })
    }

    /// Cancels it: one that has not begun ends with [`ProcessError::Cancelled`] at once; one that
    /// runs ends with its worker, by a [`Failure`](crate::Failure) that says so, unless it is done
    /// before. False if it was over already.
    pub fn cancel(&self, reason: impl Into<String>) -> bool {
        if self.done() {
            return false;
        }
        let reason = reason.into();
        match self.pool.upgrade() {
            Some(pool) => pool.cancel(&(self.call.clone() as Rc<dyn Job>), &reason),
            None => self
                .call
                .fail(ProcessError::Cancelled(Cancelled::new(reason))),
        }
        true
    }

    /// Lets the task run by itself; nobody will learn what it came to. If there was no room in the
    /// queue it is put there all the same.
    pub fn detach(mut self) {
        self.detached = true;
        if let Some(pool) = self.pool.upgrade() {
            pool.unpark(&(self.call.clone() as Rc<dyn Job>));
        }
    }
}

/// Gives what the task came to.
///
/// # Panics
/// If it is polled after it gave the result.
impl<T: 'static> Future for Submitted<T> {
    type Output = Result<T, ProcessError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.call.poll(cx)
    }
}

impl<T: 'static> Drop for Submitted<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.cancel("nobody waits for it any more");
        }
    }
}

impl<T: 'static> fmt::Debug for Submitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted")
            .field("task", &self.call.base.name())
            .field("stage", &self.call.base.stage.get())
            .finish()
    }
}

/// The call that a worker makes first. Nobody waits for it; the pool breaks if it fails.
pub(super) struct Initialize {
    base: Base,
    payload: RefCell<Payload>,
    head: u32,
    pub(super) pool: Weak<Pool>,
}

impl Initialize {
    pub(super) fn new(pool: &Rc<Pool>) -> Option<Rc<Initialize>> {
        let initializer = pool.options.initializer.as_ref()?;
        let options = TaskOptions::new();
        Some(Rc::new(Initialize {
            base: Base::new(initializer.path, initializer.index, options),
            payload: RefCell::new(Payload::Common(initializer.bytes.clone())),
            head: u32::try_from(initializer.head_len).unwrap_or(u32::MAX),
            pool: Rc::downgrade(pool),
        }))
    }

    fn failed(&self, error: &ProcessError) {
        self.base.stage.set(Stage::Done);
        if let Some(pool) = self.pool.upgrade() {
            pool.break_down(&format!("the initializer of a worker failed: {error}"));
        }
    }
}

impl Job for Initialize {
    fn base(&self) -> &Base {
        &self.base
    }

    fn make_ready(&self, memory: &Rc<Memory>) -> io::Result<()> {
        self.payload.borrow_mut().make_ready(memory)
    }

    fn is_for_any(&self) -> bool {
        false
    }

    fn sending(&self, send: &mut dyn FnMut(Sending<'_>) -> bool) -> bool {
        send(Sending {
            payload: &self.payload.borrow(),
            head: self.head,
            chunk: false,
        })
    }

    fn output(&self, _: u32, _: Output<'_>) -> bool {
        let stage = self.base.stage.replace(Stage::Done);
        drop(self.payload.replace(Payload::none()));
        if let (Stage::Sent(number), Some(pool)) = (stage, self.pool.upgrade()) {
            // When its own place in the worker's line is free.
            let weak = Rc::downgrade(&pool);
            pool.event_loop.call_soon(move || {
                if let Some(pool) = weak.upgrade() {
                    pool.is_initialized(number);
                }
            });
        }
        true
    }

    fn error(&self, _: u32, error: ProcessError) -> bool {
        self.failed(&error);
        true
    }

    fn fail(&self, error: ProcessError) {
        self.failed(&error);
    }

    fn arguments(&self) -> usize {
        self.payload.borrow().len()
    }
}

/// How long the tasks of a function take, as measured by the workers.
#[derive(Debug, Default)]
pub(super) struct Averages(RefCell<Vec<u64>>);

impl Averages {
    /// A task of the function took so long.
    pub(super) fn note(&self, function: u32, took: u64) {
        let mut averages = self.0.borrow_mut();
        let place = function as usize;
        if averages.len() <= place {
            averages.resize(place + 1, 0);
        }
        let average = &mut averages[place];
        let took = took.max(1);
        *average = match *average {
            0 => took,
            // Quick to grow, slow to shrink: to take a task for shorter than it is costs more.
            known if took > known => known + (took - known) / 4,
            known => known - (known - took) / 16,
        };
    }

    /// What one will take; `None` before the first.
    pub(super) fn of(&self, function: u32) -> Option<Duration> {
        match self.0.borrow().get(function as usize) {
            None | Some(0) => None,
            Some(nanoseconds) => Some(Duration::from_nanos(*nanoseconds)),
        }
    }
}
