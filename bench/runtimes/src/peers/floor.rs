//! The floor: what an executor of one thread can do when it does nothing else. No atomics, no timers, no I/O, no other
//! threads, no names, no panics caught, no cancelling. A waker that leaves its thread is undefined behaviour here, which is
//! why nobody ships this.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::Yield;
use crate::runtime::Runtime;

/// See the module.
pub(crate) struct Floor;

thread_local! {
    static READY: RefCell<VecDeque<Rc<dyn Step>>> = const { RefCell::new(VecDeque::new()) };
}

trait Step {
    fn step(self: Rc<Self>);
}

struct Task<F: Future> {
    future: RefCell<Option<F>>,
    output: Cell<Option<F::Output>>,
    joiner: Cell<Option<Waker>>,
    queued: Cell<bool>,
}

impl<F: Future + 'static> Task<F> {
    fn schedule(self: Rc<Self>) {
        if !self.queued.replace(true) {
            READY.with_borrow_mut(|ready| ready.push_back(self));
        }
    }
}

impl<F: Future + 'static> Step for Task<F> {
    fn step(self: Rc<Self>) {
        self.queued.set(false);
        // SAFETY: the table's functions take the pointer as the `Rc<Task<F>>` it comes from; the reference it holds is
        // `self`, given back by the waker's drop. Nothing here leaves the thread.
        let waker = unsafe { Waker::from_raw(raw(Rc::clone(&self))) };
        let mut future = self.future.borrow_mut();
        let Some(running) = future.as_mut() else {
            return;
        };
        // SAFETY: the future lies in an `Rc` and is only ever dropped where it lies.
        let polled = unsafe { Pin::new_unchecked(running) }.poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(output) = polled {
            *future = None;
            self.output.set(Some(output));
            if let Some(joiner) = self.joiner.take() {
                joiner.wake();
            }
        }
    }
}

fn raw<F: Future + 'static>(task: Rc<Task<F>>) -> RawWaker {
    RawWaker::new(Rc::into_raw(task).cast(), &Table::<F>::TABLE)
}

struct Table<F>(PhantomData<F>);

impl<F: Future + 'static> Table<F> {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |pointer| raw(Rc::clone(&Self::borrow(pointer))),
        |pointer| ManuallyDrop::into_inner(Self::borrow(pointer)).schedule(),
        |pointer| Rc::clone(&Self::borrow(pointer)).schedule(),
        |pointer| drop(ManuallyDrop::into_inner(Self::borrow(pointer))),
    );

    fn borrow(pointer: *const ()) -> ManuallyDrop<Rc<Task<F>>> {
        // SAFETY: only wakers made by `raw` have this table, and their pointer is from `Rc::into_raw` of this type.
        ManuallyDrop::new(unsafe { Rc::from_raw(pointer.cast()) })
    }
}

struct Join<F: Future>(Rc<Task<F>>);

impl<F: Future> Future for Join<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.0.output.take() {
            Some(output) => Poll::Ready(output),
            None => {
                self.0.joiner.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

fn spawn<F: Future + 'static>(future: F) -> Join<F> {
    let task = Rc::new(Task {
        future: RefCell::new(Some(future)),
        output: Cell::new(None),
        joiner: Cell::new(None),
        queued: Cell::new(false),
    });
    task.clone().schedule();
    Join(task)
}

impl Runtime for Floor {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let main = spawn(future);
        loop {
            if let Some(output) = main.0.output.take() {
                return output;
            }
            let next = READY.with_borrow_mut(VecDeque::pop_front);
            next.expect("something is ready, or nothing ever will be")
                .step();
        }
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        Yield::default()
    }
}
