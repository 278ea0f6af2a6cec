//! STUB, to be replaced.
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::{Cancelled, Panic, TaskError, TaskTag};
use crate::inbox::{Inbox, Message};
use crate::ready::{Entry, ReadyQueue};

thread_local!(static ALL: RefCell<HashMap<u64, Weak<Inner>>> = RefCell::default());

pub(crate) enum Ran {
    Pending,
    Done,
    Skipped,
}
struct Inner {
    tag: TaskTag,
    ready: Rc<ReadyQueue>,
    key: Cell<usize>,
    scheduled: Cell<bool>,
    done: Cell<bool>,
    detached: Cell<bool>,
    running: Cell<bool>,
    cancel: RefCell<Option<Cancelled>>,
    future: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    output: RefCell<Option<Result<(), TaskError>>>,
    joiner: Cell<Option<Waker>>,
    callbacks: RefCell<Vec<Box<dyn FnOnce()>>>,
    waker: RefCell<Option<Waker>>,
}
struct W {
    id: u64,
    loop_id: u64,
    inbox: &'static Inbox,
}
impl Wake for W {
    fn wake(self: Arc<W>) {
        let found = ALL
            .try_with(|all| all.borrow().get(&self.id).cloned())
            .ok()
            .flatten();
        if let Some(t) = found {
            if let Some(t) = t.upgrade() {
                TaskRef(t).schedule();
            }
        } else {
            let _ = self
                .inbox
                .push(self.loop_id, Message::Task(RemoteTask(self.id)));
        }
    }
}
pub(crate) struct RemoteTask(u64);
impl RemoteTask {
    pub(crate) fn wake_from_inbox(self) {
        let found = ALL.with(|all| all.borrow().get(&self.0).cloned());
        if let Some(t) = found.and_then(|t| t.upgrade()) {
            TaskRef(t).schedule();
        }
    }
}
#[derive(Clone)]
pub(crate) struct TaskRef(Rc<Inner>);
pub(crate) struct JoinRef<T> {
    task: TaskRef,
    slot: Rc<RefCell<Option<T>>>,
}

impl TaskRef {
    pub(crate) fn new<F: Future + 'static>(
        future: F,
        tag: TaskTag,
        loop_id: u64,
        inbox: &'static Inbox,
        ready: Rc<ReadyQueue>,
    ) -> (TaskRef, JoinRef<F::Output>) {
        let id = tag.id();
        let slot = Rc::new(RefCell::new(None));
        let inner = Rc::new(Inner {
            tag,
            ready,
            key: Cell::new(0),
            scheduled: Cell::new(false),
            done: Cell::new(false),
            detached: Cell::new(false),
            running: Cell::new(false),
            cancel: RefCell::default(),
            future: RefCell::new(Some(Box::pin({
                let slot = slot.clone();
                async move {
                    let v = future.await;
                    *slot.borrow_mut() = Some(v);
                }
            }))),
            output: RefCell::default(),
            joiner: Cell::default(),
            callbacks: RefCell::default(),
            waker: RefCell::new(Some(Arc::new(W { id, loop_id, inbox }).into())),
        });
        ALL.with(|all| all.borrow_mut().insert(id, Rc::downgrade(&inner)));
        (
            TaskRef(inner.clone()),
            JoinRef {
                task: TaskRef(inner),
                slot,
            },
        )
    }
    pub(crate) fn schedule(&self) {
        if !self.0.done.get() && !self.0.scheduled.replace(true) {
            self.0.ready.push(Entry::Task(self.clone()));
        }
    }
    pub(crate) fn tag(&self) -> TaskTag {
        self.0.tag.clone()
    }
    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.0.tag.location()
    }
    pub(crate) fn key(&self) -> usize {
        self.0.key.get()
    }
    pub(crate) fn set_key(&self, key: usize) {
        self.0.key.set(key)
    }
    pub(crate) fn run(&self) -> Ran {
        self.0.scheduled.set(false);
        if self.0.done.get() {
            return Ran::Skipped;
        }
        if self.0.running.get() {
            self.schedule();
            return Ran::Skipped;
        }
        if let Some(c) = self.0.cancel.take() {
            self.finish(Err(TaskError::Cancelled(c)));
            return Ran::Done;
        }
        self.0.running.set(true);
        let waker = self.0.waker.borrow().clone().expect("live");
        let mut future = self.0.future.take().expect("live");
        let r = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        self.0.running.set(false);
        match r {
            Ok(Poll::Pending) => {
                self.0.future.replace(Some(future));
                Ran::Pending
            }
            Ok(Poll::Ready(())) => {
                drop(future);
                self.finish(Ok(()));
                Ran::Done
            }
            Err(p) => {
                drop(future);
                self.finish(Err(TaskError::Panicked(Panic::new(p, self.tag()))));
                Ran::Done
            }
        }
    }
    fn finish(&self, result: Result<(), TaskError>) {
        self.0.done.set(true);
        let future = self.0.future.take();
        let result = match catch_unwind(AssertUnwindSafe(|| drop(future))) {
            Ok(()) => result,
            Err(p) => Err(TaskError::Panicked(Panic::new(p, self.tag()))),
        };
        self.0.output.replace(Some(result));
        if let Some(w) = self.0.joiner.take() {
            w.wake();
        }
        self.0.waker.take();
    }
    pub(crate) fn abandon(&self, cancelled: Cancelled) {
        if self.0.running.get() {
            self.cancel(cancelled);
            return;
        }
        if !self.0.done.get() {
            self.finish(Err(TaskError::Cancelled(cancelled)));
        }
    }
    pub(crate) fn cancel(&self, cancelled: Cancelled) -> bool {
        if self.0.done.get() {
            return false;
        }
        self.0.cancel.borrow_mut().get_or_insert(cancelled);
        self.schedule();
        true
    }
    pub(crate) fn is_done(&self) -> bool {
        self.0.done.get()
    }
    pub(crate) fn is_detached(&self) -> bool {
        self.0.detached.get()
    }
    pub(crate) fn take_done_callbacks(&self) -> Vec<Box<dyn FnOnce()>> {
        self.0.callbacks.take()
    }
    pub(crate) fn add_done_callback(&self, c: Box<dyn FnOnce()>) -> Result<(), Box<dyn FnOnce()>> {
        if self.is_done() {
            return Err(c);
        }
        self.0.callbacks.borrow_mut().push(c);
        Ok(())
    }
    pub(crate) fn unseen_panic(&self) -> Option<Panic> {
        if let Some(Err(TaskError::Panicked(p))) = &*self.0.output.borrow() {
            return Some(p.clone());
        }
        None
    }
}
impl<T> JoinRef<T> {
    pub(crate) fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        match self.try_take() {
            Some(r) => Poll::Ready(r),
            None => {
                self.task.0.joiner.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
    pub(crate) fn try_take(&mut self) -> Option<Result<T, TaskError>> {
        self.task
            .0
            .output
            .take()
            .map(|r| r.map(|()| self.slot.take().expect("set")))
    }
}
impl<T> JoinRef<T> {
    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }
}
impl<T> Drop for JoinRef<T> {
    fn drop(&mut self) {
        self.task.0.detached.set(true);
    }
}
impl Drop for Inner {
    fn drop(&mut self) {
        let _ = ALL.try_with(|all| all.borrow_mut().remove(&self.tag.id()));
    }
}
