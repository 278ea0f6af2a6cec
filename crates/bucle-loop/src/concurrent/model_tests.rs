//! A concurrent future against a plain model: whatever is done to it, in whatever order, it is
//! where the model is, answers as the model does, tells everybody once, and leaves nothing behind.

use std::future::Future as _;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// What is done to a future by one of its ends.
#[derive(Clone, Copy, Debug)]
enum Op {
    Start,
    SetResult(u32),
    SetException(u32),
    DropPromise,
    Cancel(u32),
    Poll,
    Result,
    TryResult,
    Exception,
    AddCallback,
    Wait,
    Detach,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::Start),
        2 => any::<u32>().prop_map(Op::SetResult),
        1 => any::<u32>().prop_map(Op::SetException),
        1 => Just(Op::DropPromise),
        2 => any::<u32>().prop_map(Op::Cancel),
        3 => Just(Op::Poll),
        1 => Just(Op::Result),
        2 => Just(Op::TryResult),
        2 => Just(Op::Exception),
        3 => Just(Op::AddCallback),
        2 => Just(Op::Wait),
        1 => Just(Op::Detach),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Value(u32),
    Error(u32),
    Cancelled(u32),
    Abandoned,
}

/// The model: a state, and what became of it.
#[derive(Debug, Default)]
struct Model {
    running: bool,
    end: Option<End>,
    taken: bool,
    /// The future was polled, and must be woken at the end.
    waits: bool,
    wakes: usize,
    callbacks: usize,
}

impl Model {
    /// Whether this is what ends it.
    fn finish(&mut self, end: End) -> bool {
        let first = self.end.is_none();
        if first {
            self.end = Some(end);
            self.running = false;
            self.wakes += usize::from(std::mem::take(&mut self.waits));
        }
        first
    }

    fn take(&mut self) -> Option<End> {
        if self.taken {
            return None;
        }
        let end = self.end?;
        self.taken = true;
        Some(end)
    }
}

/// A value that is counted while it lives.
#[derive(Debug)]
struct Counted<'a>(u32, &'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(value: u32, alive: &'a AtomicUsize) -> Counted<'a> {
        alive.fetch_add(1, Ordering::Relaxed);
        Counted(value, alive)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn end(result: Result<Counted<'_>, FutureError<u32>>) -> End {
    match result {
        Ok(value) => End::Value(value.0),
        Err(error) => error_end(&error),
    }
}

fn error_end(error: &FutureError<u32>) -> End {
    match error {
        FutureError::Exception(value) => End::Error(*value),
        FutureError::Cancelled(why) => End::Cancelled(why.reason().parse().unwrap()),
        FutureError::Abandoned => End::Abandoned,
        other => panic!("{other:?}"),
    }
}

fn run(ops: &[Op]) {
    let alive: &'static AtomicUsize = Box::leak(Box::default());
    let called = Arc::new(AtomicUsize::new(0));
    let wakes = Arc::new(CountWakes::default());
    let waker = Waker::from(wakes.clone());
    let mut model = Model::default();
    let (promise, future) = Promise::<Counted<'static>, u32>::new();
    let handle = future.handle();
    let (mut promise, mut future) = (Some(promise), Some(future));
    for op in ops {
        match (*op, &promise, &mut future) {
            (Op::Start, Some(promise), _) => {
                let first = model.end.is_none() && !model.running;
                assert_eq!(promise.set_running_or_notify_cancel(), first);
                model.running |= first;
            }
            (Op::SetResult(value), Some(promise), _) => {
                let set = promise.set_result(Counted::new(value, alive));
                assert_eq!(set.is_ok(), model.finish(End::Value(value)));
                if let Err(back) = set {
                    assert_eq!(back.0.0, value);
                }
            }
            (Op::SetException(value), Some(promise), _) => {
                let set = promise.set_exception(value);
                assert_eq!(set.is_ok(), model.finish(End::Error(value)));
            }
            (Op::DropPromise, Some(_), _) => {
                promise = None;
                model.finish(End::Abandoned);
            }
            (Op::Cancel(reason), ..) => {
                let said = handle.cancel(reason.to_string());
                if !model.running {
                    model.finish(End::Cancelled(reason));
                }
                assert_eq!(said, matches!(model.end, Some(End::Cancelled(_))));
            }
            // Polled after the result was taken it panics, as it says.
            (Op::Poll, _, Some(future)) if !model.taken => {
                match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(result) => assert_eq!(Some(end(result)), model.take()),
                    Poll::Pending => {
                        assert!(model.end.is_none());
                        model.waits = true;
                    }
                }
            }
            (Op::Result, _, slot @ Some(_)) if !model.taken => {
                match slot.take().unwrap().result_timeout(Duration::ZERO) {
                    Ok(result) => assert_eq!(Some(end(result)), model.take()),
                    Err(back) => {
                        assert!(model.end.is_none());
                        future = Some(back);
                    }
                }
            }
            (Op::TryResult, _, Some(future)) => {
                assert_eq!(future.try_result().map(end), model.take());
            }
            // It would wait for ever.
            (Op::Exception, _, Some(future)) if model.end.is_some() => {
                let told = future.exception().map(|error| error_end(&error));
                let error = model.end.filter(|end| !matches!(end, End::Value(_)));
                assert_eq!(told, error.filter(|_| !model.taken));
            }
            (Op::AddCallback, ..) => {
                let called = called.clone();
                handle.add_done_callback(move |handle| {
                    assert!(handle.done());
                    called.fetch_add(1, Ordering::Relaxed);
                });
                model.callbacks += 1;
            }
            (Op::Wait, _, Some(future)) => {
                let zero = Some(Duration::ZERO);
                let sorted = wait([&*future], zero, ReturnWhen::AllCompleted);
                assert_eq!(sorted.done.len(), usize::from(model.end.is_some()));
            }
            (Op::Detach, _, Some(_)) => {
                future = None;
                // Nobody is left to wake, or to have the result.
                model.waits = false;
                model.taken = true;
                assert_eq!(alive.load(Ordering::Relaxed), 0);
            }
            _ => continue,
        }
        assert_eq!(handle.done(), model.end.is_some());
        assert_eq!(handle.running(), model.running);
        let cancelled = handle
            .cancellation()
            .map(|why| why.reason().parse().unwrap());
        assert_eq!(cancelled.is_some(), handle.cancelled());
        assert_eq!(
            cancelled.map(End::Cancelled),
            model.end.filter(|end| matches!(end, End::Cancelled(_)))
        );
        let due = if model.end.is_some() {
            model.callbacks
        } else {
            0
        };
        assert_eq!(called.load(Ordering::Relaxed), due);
        assert_eq!(wakes.0.load(Ordering::Relaxed), model.wakes);
    }
    drop((promise, future));
    assert!(handle.done());
    assert_eq!(called.load(Ordering::Relaxed), model.callbacks);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&wakes), 2, "a waker was kept");
}

/// What is done to a job by its executor and its owner.
#[derive(Clone, Copy, Debug)]
enum JobOp {
    Run,
    Refuse,
    Cancel,
    Detach,
    Result,
}

fn job_op() -> impl Strategy<Value = JobOp> {
    prop_oneof![
        Just(JobOp::Run),
        Just(JobOp::Refuse),
        Just(JobOp::Cancel),
        Just(JobOp::Detach),
        Just(JobOp::Result),
    ]
}

fn run_job(ops: &[JobOp]) {
    let alive: &'static AtomicUsize = Box::leak(Box::default());
    let runs = Arc::new(AtomicUsize::new(0));
    let captured = Counted::new(1, alive);
    let count = runs.clone();
    let work = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let captured = &captured;
        Counted::new(captured.0 + 1, captured.1)
    };
    let (job, future) = super::job(work, Location::caller());
    let handle = future.handle();
    let mut future = Some(future);
    let mut first = None;
    for op in ops {
        let told = handle.done();
        match op {
            JobOp::Run => job.clone().run(),
            JobOp::Refuse => job
                .clone()
                .refuse(FutureError::Rejected(Rejected::Shutdown)),
            JobOp::Cancel => _ = handle.cancel("7"),
            JobOp::Detach => {
                future = None;
                continue;
            }
            JobOp::Result => {
                let Some(waiting) = future.take() else {
                    continue;
                };
                match (waiting.result_timeout(Duration::ZERO), first) {
                    (Err(back), None) => future = Some(back),
                    (Ok(Ok(value)), Some(JobOp::Run)) => assert_eq!(value.0, 2),
                    (Ok(Err(FutureError::Rejected(_))), Some(JobOp::Refuse)) => {}
                    (Ok(Err(FutureError::Cancelled(_))), Some(JobOp::Cancel)) => {}
                    (result, first) => panic!("{result:?} after {first:?}"),
                }
                continue;
            }
        }
        if !told {
            first = Some(*op);
        }
        assert!(handle.done());
        // What it captured is gone; the result is there only while somebody may want it.
        let wanted = future.is_some() && matches!(first, Some(JobOp::Run));
        assert_eq!(alive.load(Ordering::Relaxed), usize::from(wanted));
    }
    assert_eq!(
        runs.load(Ordering::Relaxed),
        usize::from(matches!(first, Some(JobOp::Run)))
    );
    drop((job, future, handle));
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_promised_future_does_as_the_model(ops in prop::collection::vec(op(), 1..24)) {
        run(&ops);
    }

    #[test]
    fn a_job_does_as_the_model(ops in prop::collection::vec(job_op(), 1..8)) {
        run_job(&ops);
    }
}
