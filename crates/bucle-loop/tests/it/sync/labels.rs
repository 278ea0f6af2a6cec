//! What reports say of a primitive: its name, where it was made, who holds it, who waits.

use std::rc::Rc;

use bucle_loop::sync::{
    Barrier, BoundedSemaphore, Condition, Event, LifoQueue, Lock, PriorityQueue, Queue, Semaphore,
};
use bucle_loop::{run, spawn_named, yield_now};

use crate::{WATCHDOG, within};

#[test]
fn each_has_a_name_if_given_one_and_knows_where_it_was_made() {
    macro_rules! check {
        ($($kind:literal: $plain:expr, $named:expr;)*) => {$(
            let (plain, named) = ($plain, $named);
            assert_eq!(plain.name(), None);
            assert_eq!(plain.location().file(), file!());
            assert_eq!(plain.location().line(), named.location().line());
            let text = format!("{plain:?}");
            assert!(text.starts_with($kind), "{text}");
            let place = format!("labels.rs:{}:", plain.location().line());
            assert!(text.contains(&place), "{text}");
            assert_eq!(named.name(), Some("db"));
            assert!(format!("{named:?}").contains("name: \"db\""), "{named:?}");
        )*};
    }
    let (lock, line) = (Lock::new(), line!());
    assert_eq!(lock.location().line(), line);
    check! {
        "Lock {": Lock::new(), Lock::named("db");
        "Lock {": Lock::of(1), Lock::named_of("db", 1);
        "Lock {": Lock::<u8>::default(), Lock::named("db");
        "Event {": Event::new(), Event::named("db");
        "Condition {": Condition::new(), Condition::named("db");
        "Condition {": Condition::of(1), Condition::named_of("db", 1);
        "Semaphore {": Semaphore::new(1), Semaphore::named("db", 1);
        "BoundedSemaphore {": BoundedSemaphore::new(1), BoundedSemaphore::named("db", 1);
        "Barrier {": Barrier::new(1), Barrier::named("db", 1);
        "Queue {": Queue::<u8>::new(1), Queue::<u8>::named("db", 1);
        "LifoQueue {": LifoQueue::<u8>::new(1), LifoQueue::<u8>::named("db", 1);
        "PriorityQueue {": PriorityQueue::<u8>::new(1), PriorityQueue::<u8>::named("db", 1);
    }
}

#[test]
fn it_names_the_owner_and_those_that_wait() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::named_of("db", 7));
            let tasks = ["writer", "reader"].map(|name| {
                let lock = lock.clone();
                spawn_named(name, async move {
                    let _guard = lock.acquire().await;
                    std::future::pending::<()>().await;
                })
            });
            yield_now().await;
            let text = format!("{lock:?}");
            assert!(text.contains("owner: writer"), "{text}");
            assert!(text.contains("waiters: [reader]"), "{text}");
            tasks[0].cancel("to see the other one");
            yield_now().await;
            let text = format!("{lock:?}");
            assert!(text.contains("owner: reader"), "{text}");
            assert!(text.contains("waiters: [1 woken]"), "{text}");
            tasks[1].cancel("enough");
            yield_now().await;
            assert!(format!("{lock:?}").contains("value: 7"), "{lock:?}");
        })
        .unwrap();
    });
}

#[test]
fn a_queue_tells_its_numbers() {
    within(WATCHDOG, || {
        run(async {
            let queue = Rc::new(Queue::new(1));
            assert!(format!("{queue:?}").starts_with("Queue { maxsize: 1, qsize: 0, made_at"));
            let waiter = spawn_named("hungry", {
                let queue = queue.clone();
                async move { queue.get().await }
            });
            yield_now().await;
            assert!(
                format!("{queue:?}").contains("getters: [hungry]"),
                "{queue:?}"
            );
            queue.put(1).await.unwrap();
            waiter.await.unwrap().unwrap();
            queue.put(2).await.unwrap();
            let waiter = spawn_named("diligent", {
                let queue = queue.clone();
                async move { queue.put(3).await }
            });
            yield_now().await;
            let text = format!("{queue:?}");
            assert!(text.contains("qsize: 1, unfinished: 2"), "{text}");
            assert!(text.contains("putters: [diligent]"), "{text}");
            queue.shutdown(true);
            assert!(waiter.await.unwrap().is_err());
            let text = format!("{queue:?}");
            assert!(text.contains("unfinished: 1, shutdown: true"), "{text}");
        })
        .unwrap();
    });
}
