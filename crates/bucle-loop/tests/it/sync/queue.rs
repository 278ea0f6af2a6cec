//! The queues as asyncio has them.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bucle_loop::sync::{
    ByPriority, Event, Fifo, GetNowaitError, Lifo, LifoQueue, PriorityQueue, PutNowaitError, Queue,
    QueueOf, QueueShutDown, QueueStore,
};
use bucle_loop::{Task, gather, get_running_loop, run, spawn, timeout, yield_now};

use super::{ByHand, cancel, turns};
use crate::{WATCHDOG, within};

fn getter<T: 'static>(queue: &Rc<Queue<T>>) -> Task<Result<T, QueueShutDown>> {
    let queue = queue.clone();
    spawn(async move { queue.get().await })
}

fn putter<T: 'static>(queue: &Rc<Queue<T>>, item: T) -> Task<Result<(), QueueShutDown<T>>> {
    let queue = queue.clone();
    spawn(async move { queue.put(item).await })
}

#[test]
fn it_knows_its_size() {
    within(WATCHDOG, || {
        run(async {
            let queue = Queue::new(2);
            assert_eq!(queue.maxsize(), 2);
            assert!(queue.empty() && !queue.full());
            queue.put(1).await.unwrap();
            assert!(!queue.empty() && !queue.full());
            queue.put_nowait(2).unwrap();
            assert!(queue.full());
            assert_eq!(queue.qsize(), 2);
            assert_eq!(queue.get().await, Ok(1));
            assert_eq!(queue.get_nowait(), Ok(2));
            assert!(queue.empty());
            let any = Queue::default();
            for n in 0..100 {
                any.put(n).await.unwrap();
            }
            assert!(!any.full());
            assert_eq!(any.maxsize(), 0);
        })
        .unwrap();
    });
}

#[test]
fn items_leave_in_the_order_of_their_queue() {
    fn order<S: QueueStore<Item = i32>>() -> Vec<i32> {
        let queue: QueueOf<S> = QueueOf::new(0);
        for item in [1, 3, 2] {
            queue.put_nowait(item).unwrap();
        }
        std::iter::from_fn(|| queue.get_nowait().ok()).collect()
    }
    assert_eq!(order::<Fifo<i32>>(), [1, 3, 2]);
    assert_eq!(order::<Lifo<i32>>(), [2, 3, 1]);
    assert_eq!(order::<ByPriority<i32>>(), [1, 2, 3]);
}

#[test]
fn equal_priorities_leave_in_the_order_they_came() {
    #[derive(Debug)]
    struct Job(u8, u32);
    impl Ord for Job {
        fn cmp(&self, other: &Job) -> Ordering {
            self.0.cmp(&other.0)
        }
    }
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Job) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl PartialEq for Job {
        fn eq(&self, other: &Job) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }
    impl Eq for Job {}

    let queue = PriorityQueue::new(0);
    for number in 0..60 {
        queue.put_nowait(Job((number % 3) as u8, number)).unwrap();
    }
    let left: Vec<Job> = std::iter::from_fn(|| queue.get_nowait().ok()).collect();
    assert!(left.is_sorted_by_key(|job| (job.0, job.1)), "{left:?}");
}

#[test]
fn a_full_queue_holds_the_putter_up() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(2));
            let put = Rc::new(RefCell::new(Vec::new()));
            let task = spawn({
                let (queue, put) = (queue.clone(), put.clone());
                async move {
                    for item in 0..3 {
                        queue.put(item).await.unwrap();
                        put.borrow_mut().push(item);
                    }
                }
            });
            turns(3).await;
            assert_eq!(*put.borrow(), [0, 1]);
            assert_eq!(queue.get().await, Ok(0));
            turns(2).await;
            assert_eq!(*put.borrow(), [0, 1, 2]);
            assert_eq!(queue.get().await, Ok(1));
            assert_eq!(queue.get().await, Ok(2));
            task.await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn a_get_wakes_a_putter_and_a_put_a_getter() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            queue.put(1).await.unwrap();
            let put = putter(&queue, 2);
            yield_now().await;
            assert!(!put.done());
            assert_eq!(queue.get().await, Ok(1));
            put.await.unwrap().unwrap();
            assert_eq!(queue.get().await, Ok(2));
            let get = getter(&queue);
            yield_now().await;
            queue.put(3).await.unwrap();
            assert_eq!(get.await.unwrap(), Ok(3));
        })
        .unwrap();
    });
}

#[test]
fn a_get_waits_for_an_item_and_a_put_for_room() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            let started = Rc::new(Event::new());
            let get = spawn({
                let (queue, started) = (queue.clone(), started.clone());
                async move {
                    started.set();
                    queue.get().await
                }
            });
            started.wait().await;
            assert!(!get.done());
            let event_loop = get_running_loop();
            let later = queue.clone();
            event_loop.call_later(Duration::from_millis(2), move || {
                later.put_nowait(1).unwrap();
            });
            assert_eq!(get.await.unwrap(), Ok(1));

            let later = queue.clone();
            event_loop.call_later(Duration::from_millis(2), move || {
                later.get_nowait().unwrap();
            });
            queue.put(2).await.unwrap();
            queue.put(3).await.unwrap();
            assert_eq!(queue.get_nowait(), Ok(3));
        })
        .unwrap();
    });
}

#[test]
fn the_nowait_methods_say_why_not() {
    let queue = Queue::new(1);
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueEmpty));
    queue.put_nowait(1).unwrap();
    let error = queue.put_nowait(2).unwrap_err();
    assert_eq!(error, PutNowaitError::QueueFull(2));
    assert_eq!(error.to_string(), "the queue is full");
    assert_eq!(error.into_item(), 2);
    queue.shutdown(true);
    let error = queue.put_nowait(2).unwrap_err();
    assert_eq!(error.to_string(), "the queue was shut down");
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
}

#[test]
fn a_cancelled_getter_loses_its_place_only() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(0));
            let (first, second) = (getter(&queue), getter(&queue));
            yield_now().await;
            cancel(first).await;
            queue.put("a").await.unwrap();
            assert_eq!(second.await.unwrap(), Ok("a"));
            assert!(
                timeout(Duration::from_millis(1), queue.get())
                    .await
                    .is_err()
            );
            assert!(!format!("{queue:?}").contains("getters"));
        })
        .unwrap();
    });
}

#[test]
fn a_getter_cancelled_after_it_was_woken_loses_no_item() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(0));
            let reader = getter(&queue);
            yield_now().await;
            queue.put_nowait(1).unwrap();
            queue.put_nowait(2).unwrap();
            cancel(reader).await;
            assert_eq!(queue.get().await, Ok(1));
            assert_eq!(queue.get().await, Ok(2));

            let [a, b, c] = [0, 1, 2].map(|_| getter(&queue));
            yield_now().await;
            queue.put_nowait(1).unwrap();
            queue.put_nowait(2).unwrap();
            cancel(a).await;
            assert_eq!(b.await.unwrap(), Ok(1));
            assert_eq!(c.await.unwrap(), Ok(2));
        })
        .unwrap();
    });
}

#[test]
fn a_putter_cancelled_after_it_was_woken_leaves_the_room() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            queue.put_nowait(1).unwrap();
            let writer = putter(&queue, 2);
            yield_now().await;
            assert_eq!(queue.get_nowait(), Ok(1));
            cancel(writer).await;
            assert!(queue.empty());
            putter(&queue, 2).await.unwrap().unwrap();
            assert_eq!(queue.get_nowait(), Ok(2));
            assert_eq!(queue.qsize(), 0);
        })
        .unwrap();
    });
}

#[test]
fn a_cancelled_putter_loses_its_place_only() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            let [a, b, x] = ["a", "b", "X"].map(|item| putter(&queue, item));
            yield_now().await;
            assert!(a.done() && !b.done());
            assert!(format!("{queue:?}").contains("putters"));
            cancel(x).await;
            assert_eq!(queue.get_nowait(), Ok("a"));
            turns(2).await;
            assert_eq!(queue.get_nowait(), Ok("b"));
            a.await.unwrap().unwrap();
            b.await.unwrap().unwrap();
            assert!(!format!("{queue:?}").contains("putters"));
        })
        .unwrap();
    });
}

#[test]
fn putters_and_getters_that_wait_for_each_other_all_come_through() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            let puts: Vec<_> = (0..5).map(|item| putter(&queue, item)).collect();
            for item in 0..5 {
                assert_eq!(queue.get().await, Ok(item));
            }
            for put in puts {
                put.await.unwrap().unwrap();
            }
        })
        .unwrap();
    });
}

/// Room made by `get_nowait` for several at once wakes as many.
#[test]
fn all_the_room_there_is_is_given_to_putters() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(2));
            let puts: Vec<_> = (0..4).map(|item| putter(&queue, item)).collect();
            turns(2).await;
            assert_eq!(queue.qsize(), 2);
            assert_eq!(queue.get_nowait(), Ok(0));
            assert_eq!(queue.get_nowait(), Ok(1));
            for put in puts {
                put.await.unwrap().unwrap();
            }
            assert_eq!(queue.qsize(), 2);
        })
        .unwrap();
    });
}

#[test]
fn get_does_not_overtake_and_get_nowait_does() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(0));
            let waiting = getter(&queue);
            yield_now().await;
            queue.put_nowait(1).unwrap();
            // The one that waits was woken and is yet to run.
            let mut late = ByHand::new(queue.get());
            assert!(late.poll().is_pending());
            queue.put_nowait(2).unwrap();
            assert_eq!(queue.get_nowait(), Ok(1), "as in asyncio");
            assert_eq!(waiting.await.unwrap(), Ok(2), "it kept its place");
            assert!(late.poll().is_pending());
            queue.put_nowait(3).unwrap();
            assert_eq!(late.poll(), Poll::Ready(Ok(3)));
        })
        .unwrap();
    });
}

#[test]
fn put_does_not_overtake_and_put_nowait_does() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            queue.put_nowait(1).unwrap();
            let waiting = putter(&queue, 3);
            yield_now().await;
            assert_eq!(queue.get_nowait(), Ok(1));
            let mut late = ByHand::new(queue.put(4));
            assert!(late.poll().is_pending());
            queue.put_nowait(2).unwrap();
            turns(2).await;
            assert!(!waiting.done());
            for item in [2, 3, 4] {
                assert_eq!(queue.get().await, Ok(item));
                turns(2).await;
                if late.woken() {
                    assert_eq!(late.poll(), Poll::Ready(Ok(())));
                }
            }
            waiting.await.unwrap().unwrap();
        })
        .unwrap();
    });
}

#[test]
fn a_busy_getter_does_not_starve_a_waiting_one() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(0));
            let counts = Rc::new([Cell::new(0), Cell::new(0)]);
            let consumers = [0, 1].map(|which| {
                let (queue, counts) = (queue.clone(), counts.clone());
                spawn(async move {
                    while queue.get().await.is_ok() {
                        counts[which].set(counts[which].get() + 1);
                    }
                })
            });
            for item in 0..50 {
                turns(3).await;
                queue.put_nowait(item).unwrap();
                queue.put_nowait(item).unwrap();
            }
            queue.shutdown(false);
            gather(consumers).await.unwrap();
            assert_eq!(counts.each_ref().map(Cell::get), [50, 50]);
        })
        .unwrap();
    });
}

fn joining<S: QueueStore<Item = usize> + 'static>() {
    within(WATCHDOG, || {
        run(async {
            let queue: Rc<QueueOf<S>> = Rc::new(QueueOf::new(0));
            assert!(queue.task_done().is_err());
            queue.join().await;
            queue.join().await;
            for item in 0..100 {
                queue.put_nowait(item).unwrap();
            }
            let sum = Rc::new(Cell::new(0));
            let workers = [0, 1].map(|_| {
                let (queue, sum) = (queue.clone(), sum.clone());
                spawn(async move {
                    while let Ok(item) = queue.get().await {
                        yield_now().await;
                        sum.set(sum.get() + item);
                        queue.task_done().unwrap();
                    }
                })
            });
            queue.join().await;
            assert_eq!(sum.get(), (0..100).sum());
            assert!(queue.task_done().is_err());
            queue.shutdown(false);
            gather(workers).await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn join_waits_until_all_is_done() {
    joining::<Fifo<usize>>();
    joining::<Lifo<usize>>();
    joining::<ByPriority<usize>>();
}

#[test]
fn join_returns_though_more_was_put_meanwhile() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(0));
            queue.put_nowait(1).unwrap();
            let join = spawn({
                let queue = queue.clone();
                async move { queue.join().await }
            });
            yield_now().await;
            queue.task_done().unwrap();
            queue.put_nowait(2).unwrap();
            join.await.unwrap();
        })
        .unwrap();
    });
}

/// After a shutdown nothing goes in and nothing comes out.
async fn assert_shut_down<S: QueueStore<Item = &'static str>>(queue: &QueueOf<S>) {
    assert_eq!(queue.put("data").await, Err(QueueShutDown("data")));
    assert_eq!(
        queue.put_nowait("data"),
        Err(PutNowaitError::QueueShutDown("data"))
    );
    assert_eq!(queue.get().await, Err(QueueShutDown(())));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
}

fn shutting_down<S: QueueStore<Item = &'static str> + 'static>() {
    within(WATCHDOG, || {
        run(async {
            // Empty, somebody waits to get.
            let queue: Rc<QueueOf<S>> = Rc::new(QueueOf::new(0));
            let get = spawn({
                let queue = queue.clone();
                async move { queue.get().await }
            });
            yield_now().await;
            queue.shutdown(false);
            assert!(format!("{queue:?}").contains("shutdown"));
            queue.join().await;
            assert_eq!(get.await.unwrap(), Err(QueueShutDown(())));
            assert_shut_down(&queue).await;

            // Full, somebody waits to put, somebody to join.
            let queue: Rc<QueueOf<S>> = Rc::new(QueueOf::new(1));
            queue.put_nowait("data").unwrap();
            let join = spawn({
                let queue = queue.clone();
                async move { queue.join().await }
            });
            let put = spawn({
                let queue = queue.clone();
                async move { queue.put("data2").await }
            });
            yield_now().await;
            assert!(!put.done());
            queue.shutdown(false);
            assert_eq!(queue.qsize(), 1);
            assert_eq!(put.await.unwrap(), Err(QueueShutDown("data2")));
            assert_eq!(queue.get().await, Ok("data"));
            turns(2).await;
            assert!(!join.done());
            assert_shut_down(&queue).await;
            queue.task_done().unwrap();
            join.await.unwrap();
            assert!(queue.task_done().is_err());

            // At once: the items are dropped, and counted as done.
            let queue: Rc<QueueOf<S>> = Rc::new(QueueOf::new(0));
            queue.put_nowait("data").unwrap();
            queue.put_nowait("data").unwrap();
            let join = spawn({
                let queue = queue.clone();
                async move { queue.join().await }
            });
            assert_eq!(queue.get().await, Ok("data"));
            yield_now().await;
            queue.shutdown(true);
            assert_eq!(queue.qsize(), 0);
            turns(2).await;
            assert!(!join.done(), "the one that was got is not done");
            assert_shut_down(&queue).await;
            queue.task_done().unwrap();
            assert!(queue.task_done().is_err());
            join.await.unwrap();

            // At once, with all done by that.
            let queue: QueueOf<S> = QueueOf::new(0);
            queue.put_nowait("data").unwrap();
            queue.shutdown(true);
            queue.join().await;
            assert!(queue.task_done().is_err());
            assert_shut_down(&queue).await;
        })
        .unwrap();
    });
}

#[test]
fn shutdown_as_in_python_3_13() {
    shutting_down::<Fifo<&'static str>>();
    shutting_down::<Lifo<&'static str>>();
    shutting_down::<ByPriority<&'static str>>();
}

#[test]
fn a_getter_that_was_woken_before_a_shutdown_gets_its_item() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(0));
            let (first, second) = (getter(&queue), getter(&queue));
            yield_now().await;
            queue.put_nowait(1).unwrap();
            queue.shutdown(false);
            assert_eq!(first.await.unwrap(), Ok(1));
            assert_eq!(second.await.unwrap(), Err(QueueShutDown(())));

            // The first one is cancelled: the second one is there for the item.
            let queue = Rc::new(Queue::new(0));
            let (first, second) = (getter(&queue), getter(&queue));
            yield_now().await;
            queue.put_nowait(1).unwrap();
            queue.shutdown(false);
            first.cancel("at the same time");
            assert!(first.await.is_err());
            match second.await.unwrap() {
                Ok(item) => assert_eq!(item, 1),
                Err(QueueShutDown(())) => assert_eq!(queue.get().await, Ok(1)),
            }
        })
        .unwrap();
    });
}

#[test]
fn an_immediate_shutdown_drops_the_items() {
    let queue = LifoQueue::new(0);
    let item = Rc::new(());
    queue.put_nowait(item.clone()).unwrap();
    queue.shutdown(true);
    assert_eq!(Rc::strong_count(&item), 1);
}

/// Items whose destructor uses the queue, as a connection that returns itself to its pool does.
#[test]
fn an_item_may_use_its_queue_when_it_is_dropped() {
    struct Bounce(std::rc::Weak<Queue<Bounce>>, Rc<Cell<u32>>);
    impl Drop for Bounce {
        fn drop(&mut self) {
            if let Some(queue) = self.0.upgrade() {
                assert_eq!(queue.qsize(), 0);
                assert!(queue.get_nowait().is_err());
                self.1.set(self.1.get() + 1);
            }
        }
    }
    let queue = Rc::new(Queue::new(0));
    let count = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let item = Bounce(Rc::downgrade(&queue), count.clone());
        assert!(queue.put_nowait(item).is_ok());
    }
    queue.shutdown(true);
    assert_eq!(count.get(), 3);
}
