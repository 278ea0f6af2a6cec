//! The concurrent future and the pool's protocol under loom: see `inbox/loom_tests.rs`.

use std::convert::Infallible;
use std::future::Future as _;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use super::workers::{Submitted, Workers};
use super::*;

fn model(bound: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(bound));
    builder.check(body);
}

type Pair<T> = (Promise<T, Infallible>, Future<T, Infallible>);

/// A waker that rings, and a place to wait for it.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

impl Bell {
    fn new() -> (StdArc<Bell>, Waker) {
        let bell = StdArc::new(Bell(Notify::new()));
        (bell.clone(), Waker::from(bell))
    }
}

fn poll<T, E>(future: &mut Future<T, E>, waker: &Waker) -> Poll<Result<T, FutureError<E>>> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Awaits on this thread; an end that it isn't told of leaves it here, which loom reports.
fn block_on<T, E>(mut future: Future<T, E>) -> Result<T, FutureError<E>> {
    let (bell, waker) = Bell::new();
    loop {
        if let Poll::Ready(result) = poll(&mut future, &waker) {
            return result;
        }
        bell.0.wait();
    }
}

/// Counts what lives of it: must be 0 at the end.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Counted {
        alive.fetch_add(1, Ordering::Relaxed);
        Counted(alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn loom_a_set_wakes_who_awaits() {
    model(3, || {
        let (promise, future): Pair<u32> = Promise::new();
        let setter = thread::spawn(move || promise.set_result(5).is_ok());
        assert_eq!(block_on(future).unwrap(), 5);
        assert!(setter.join().unwrap());
    });
}

#[test]
fn loom_a_set_wakes_the_waker_that_came_last() {
    model(3, || {
        let (promise, mut future): Pair<u32> = Promise::new();
        let setter = thread::spawn(move || promise.set_result(5).is_ok());
        let (_bell, first) = Bell::new();
        match poll(&mut future, &first) {
            Poll::Ready(result) => assert_eq!(result.unwrap(), 5),
            Poll::Pending => {
                drop(first);
                assert_eq!(block_on(future).unwrap(), 5);
            }
        }
        setter.join().unwrap();
    });
}

#[test]
fn loom_a_set_wakes_who_blocks() {
    model(3, || {
        let (promise, future): Pair<u32> = Promise::new();
        let waiter = thread::spawn(move || future.result());
        promise.set_result(5).unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), 5);
    });
}

#[test]
fn loom_an_abandoned_promise_wakes_who_waits() {
    model(3, || {
        let (promise, future): Pair<u32> = Promise::new();
        let (other, blocked): Pair<u32> = Promise::new();
        let dropper = thread::spawn(move || drop((promise, other)));
        assert!(matches!(block_on(future), Err(FutureError::Abandoned)));
        assert!(matches!(blocked.result(), Err(FutureError::Abandoned)));
        dropper.join().unwrap();
    });
}

/// One of them has it, and everybody agrees which.
#[test]
fn loom_set_against_cancel() {
    model(3, || {
        let alive = Arc::new(AtomicUsize::new(0));
        let (promise, future): Pair<Counted> = Promise::new();
        let handle = future.handle();
        let value = Counted::new(&alive);
        let setter = thread::spawn(move || promise.set_result(value).is_ok());
        let canceller = thread::spawn(move || handle.cancel(""));
        let result = block_on(future);
        let (set, cancelled) = (setter.join().unwrap(), canceller.join().unwrap());
        assert!(set != cancelled && set == result.is_ok());
        drop(result);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

/// A result whose owner goes while it comes is dropped, once.
#[test]
fn loom_set_against_drop() {
    model(3, || {
        let alive = Arc::new(AtomicUsize::new(0));
        let (promise, mut future): Pair<Counted> = Promise::new();
        let (_bell, waker) = Bell::new();
        assert!(poll(&mut future, &waker).is_pending());
        let handle = future.handle();
        let value = Counted::new(&alive);
        let setter = thread::spawn(move || promise.set_result(value).is_ok());
        drop(future);
        assert!(setter.join().unwrap());
        assert_eq!(alive.load(Ordering::Relaxed), 0);
        assert!(handle.done());
    });
}

#[test]
fn loom_a_callback_is_called_once() {
    model(3, || {
        let (promise, future): Pair<u32> = Promise::new();
        let called = Arc::new(AtomicUsize::new(0));
        let handle = future.handle();
        let setter = thread::spawn(move || promise.set_result(5).is_ok());
        let count = called.clone();
        handle.add_done_callback(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        setter.join().unwrap();
        assert_eq!(called.load(Ordering::Relaxed), 1);
        drop(future);
    });
}

/// A job is run or cancelled, never both, and what it captured is dropped either way.
#[test]
fn loom_run_against_cancel() {
    model(3, || {
        let alive = Arc::new(AtomicUsize::new(0));
        let captured = Counted::new(&alive);
        let (job, future) = job(
            move || {
                let _captured = &captured;
                5
            },
            Location::caller(),
        );
        let handle = future.handle();
        let runner = thread::spawn(move || job.run());
        let cancelled = handle.cancel("");
        match future.result() {
            Ok(value) => assert!(!cancelled && value == 5),
            Err(error) => assert!(cancelled && error.cancelled().is_some()),
        }
        runner.join().unwrap();
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn loom_wait_is_told_by_each() {
    for when in [ReturnWhen::AllCompleted, ReturnWhen::FirstCompleted] {
        model(2, move || {
            let (first, a): Pair<u32> = Promise::new();
            let (second, b): Pair<u32> = Promise::new();
            let setters = [first, second].map(|promise| {
                thread::spawn(move || {
                    promise.set_result(5).unwrap();
                })
            });
            let sorted = wait([&a, &b], None, when);
            let least = if when == ReturnWhen::AllCompleted {
                2
            } else {
                1
            };
            assert!(sorted.done.len() >= least);
            for setter in setters {
                setter.join().unwrap();
            }
        });
    }
}

#[test]
fn loom_as_completed_gives_each_once() {
    model(2, || {
        let (first, a): Pair<u32> = Promise::new();
        let (second, b): Pair<u32> = Promise::new();
        let setter = thread::spawn(move || {
            second.set_result(2).unwrap();
            first.set_result(1).unwrap();
        });
        let sum: u32 = as_completed([a, b]).map(|f| f.result().unwrap()).sum();
        assert_eq!(sum, 3);
        setter.join().unwrap();
    });
}

/// A pool whose threads are loom's.
#[derive(Clone)]
struct Pool {
    workers: Arc<Workers>,
    threads: Arc<loom::sync::Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl Pool {
    fn new(max: usize) -> Pool {
        Pool {
            workers: Arc::new(Workers::new(max)),
            threads: Arc::default(),
        }
    }

    fn submit<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Future<T> {
        let (job, future) = job(work, Location::caller());
        if let Submitted::StartWorker(_) = self.workers.submit(job) {
            let workers = self.workers.clone();
            let thread = thread::spawn(move || {
                while let Some(job) = workers.next() {
                    job.run();
                }
                workers.end();
            });
            self.threads.lock().unwrap().push(thread);
        }
        future
    }

    fn end(&self) {
        self.workers.shut_down(false);
        assert!(self.workers.wait_ended(None));
        for thread in self.threads.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
        assert_eq!(self.workers.counts(), (0, 0, 0));
    }
}

/// Jobs one after the other, each when the thread may be idle or not yet: none is slept through.
#[test]
fn loom_an_idle_worker_is_woken() {
    model(3, || {
        let pool = Pool::new(1);
        assert_eq!(pool.submit(|| 1).result().unwrap(), 1);
        assert_eq!(pool.submit(|| 2).result().unwrap(), 2);
        pool.end();
    });
}

/// Two jobs that need each other: each must have a thread, whatever the first one's thread does.
#[test]
fn loom_no_job_waits_while_a_thread_could_be_started() {
    model(2, || {
        let pool = Pool::new(2);
        let (promise, until): Pair<u32> = Promise::new();
        let slow = pool.submit(move || until.result().unwrap());
        let quick = pool.submit(move || promise.set_result(7).is_ok());
        assert_eq!(slow.result().unwrap(), 7);
        assert!(quick.result().unwrap());
        pool.end();
    });
}

/// The same with a thread that is idle, or about to be, when both come.
#[test]
fn loom_one_idle_worker_is_not_counted_twice() {
    model(2, || {
        let pool = Pool::new(2);
        pool.submit(|| ()).result().unwrap();
        let (promise, until): Pair<u32> = Promise::new();
        let slow = pool.submit(move || until.result().unwrap());
        let quick = pool.submit(move || promise.set_result(7).is_ok());
        assert_eq!(slow.result().unwrap(), 7);
        drop(quick);
        pool.end();
    });
}

#[test]
fn loom_two_submitters() {
    model(2, || {
        let pool = Pool::new(1);
        let other = {
            let pool = pool.clone();
            thread::spawn(move || pool.submit(|| 1).result().unwrap())
        };
        assert_eq!(pool.submit(|| 2).result().unwrap(), 2);
        assert_eq!(other.join().unwrap(), 1);
        pool.end();
    });
}

/// A job is run or refused, and nobody waits for it in vain.
#[test]
fn loom_submit_against_shutdown() {
    model(2, || {
        let pool = Pool::new(1);
        let submitter = {
            let pool = pool.clone();
            thread::spawn(move || pool.submit(|| 1))
        };
        pool.workers.shut_down(false);
        match submitter.join().unwrap().result() {
            Ok(value) => assert_eq!(value, 1),
            Err(error) => assert!(matches!(error, FutureError::Rejected(Rejected::Shutdown))),
        }
        pool.end();
    });
}

/// What waits is run or given back.
#[test]
fn loom_a_worker_against_taking_back() {
    model(2, || {
        let pool = Pool::new(1);
        let future = pool.submit(|| 1);
        let jobs = pool.workers.shut_down(true);
        let taken_back = !jobs.is_empty();
        for job in jobs {
            job.cancel(crate::task::Cancelled::new(""));
        }
        assert_eq!(future.result().is_err(), taken_back);
        pool.end();
    });
}

/// The thread that was to come doesn't: nobody's job is left lying about.
#[test]
fn loom_submit_against_a_start_that_fails() {
    model(2, || {
        let workers = Arc::new(Workers::new(1));
        let submit = |workers: &Workers| {
            let (job, future) = job(|| 1, Location::caller());
            if let Submitted::StartWorker(_) = workers.submit(job) {
                workers.start_failed(std::io::ErrorKind::WouldBlock.into());
            }
            future
        };
        let other = {
            let workers = workers.clone();
            thread::spawn(move || submit(&workers).result().is_err())
        };
        assert!(submit(&workers).result().is_err());
        assert!(other.join().unwrap());
        assert_eq!(workers.counts(), (0, 0, 0));
    });
}

/// The end of the last worker is told to a task that waits for it.
#[test]
fn loom_the_end_wakes_a_task() {
    model(2, || {
        let pool = Pool::new(1);
        drop(pool.submit(|| ()));
        pool.workers.shut_down(false);
        let (bell, waker) = Bell::new();
        while pool
            .workers
            .poll_ended(&mut Context::from_waker(&waker))
            .is_pending()
        {
            bell.0.wait();
        }
        pool.end();
    });
}
