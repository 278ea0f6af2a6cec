//! Bucle, all of it its own. A oneshot is its settable future; what other threads send are callbacks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bucle::sync::{Lock, Queue};

use crate::runtime::{Runtime, Sync, Threads, Timers};

/// See the module.
pub(crate) struct Bucle;

impl Runtime for Bucle {
    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        bucle::run(future).expect("a loop")
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = bucle::spawn(future);
        async move { task.await.expect("the task ends well") }
    }

    fn yield_now() -> impl Future<Output = ()> {
        bucle::yield_now()
    }
}

impl Timers for Bucle {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        bucle::sleep(duration)
    }
}

impl Sync for Bucle {
    type Sender = bucle::Future<u64>;
    type Lock = Lock;
    type Put = Rc<Queue<u64>>;
    type Get = Rc<Queue<u64>>;

    fn oneshot() -> (Self::Sender, impl Future<Output = u64> + 'static) {
        let future = bucle::Future::new();
        let waiting = future.clone();
        (future, async move { waiting.await.expect("it is set") })
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.set_result(value).expect("it is set once");
    }

    fn lock() -> Lock {
        Lock::new()
    }

    fn acquire(lock: &Lock) -> impl Future<Output = impl Sized> {
        lock.acquire()
    }

    fn queue() -> (Self::Put, Self::Get) {
        let queue = Rc::new(Queue::new(1));
        (queue.clone(), queue)
    }

    async fn put(queue: &mut Self::Put, value: u64) {
        queue.put(value).await.expect("the queue is open");
    }

    async fn get(queue: &mut Self::Get) -> u64 {
        queue.get().await.expect("the queue is open")
    }
}

thread_local! {
    /// Where the callbacks of the other thread put what they bring.
    static RECEIVED: RefCell<(VecDeque<u64>, Option<Waker>)> = const { RefCell::new((VecDeque::new(), None)) };
}

impl Threads for Bucle {
    type Remote = bucle::Remote;
    type Local = ();

    fn channel() -> (Self::Remote, Self::Local) {
        (bucle::get_running_loop().remote(), ())
    }

    fn send_from_thread(remote: &Self::Remote, value: u64) {
        let receive = move || {
            let waiting = RECEIVED.with_borrow_mut(|(items, waiting)| {
                items.push_back(value);
                waiting.take()
            });
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        };
        remote.call_soon_threadsafe(receive).expect("an open loop");
    }

    fn receive((): &mut Self::Local) -> impl Future<Output = u64> {
        poll_fn(|context| {
            RECEIVED.with_borrow_mut(|(items, waiting)| match items.pop_front() {
                Some(item) => Poll::Ready(item),
                None => {
                    *waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            })
        })
    }
}
