//! `shield`.

use std::cell::Cell;
use std::rc::Rc;

use bucle_loop::{Gather, gather, shield, spawn, timeout, wait_for, yield_now};

use crate::{drive, quiet_panic, told, turns};

#[test]
fn it_gives_what_the_work_gives() {
    drive(|| async {
        assert_eq!(shield(async { 42 }).await.unwrap(), 42);
        let done = spawn(async { 1 });
        turns(2).await;
        assert_eq!(done.shield().await.unwrap(), 1, "done already");
        let error = shield(async { quiet_panic("inner") }).await.unwrap_err();
        assert_eq!(error.panicked().unwrap().message(), "inner");
    });
}

#[test]
fn cancelling_the_work_itself_goes_through() {
    drive(|| async {
        let outer = shield(std::future::pending::<()>());
        outer.task().cancel("inner");
        let error = outer.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "inner");
    });
}

#[test]
fn cancelling_who_waits_leaves_the_work() {
    drive(|| async {
        let proof = Rc::new(Cell::new(0));
        let (inner, outer) = (proof.clone(), proof.clone());
        let task = spawn(async move {
            let work = async move {
                turns(3).await;
                inner.set(inner.get() + 1);
            };
            let result = shield(work).await;
            outer.set(outer.get() + 100);
            result
        });
        turns(2).await;
        task.cancel("outer");
        assert!(task.await.is_err());
        turns(5).await;
        assert_eq!(proof.get(), 1);
    });
}

#[test]
fn a_timeout_leaves_the_work() {
    drive(|| async {
        let work = spawn(async {
            bucle_loop::sleep(std::time::Duration::from_millis(5)).await;
            "done all the same"
        });
        let handle = work.handle();
        let limit = std::time::Duration::from_millis(1);
        assert!(timeout(limit, work.shield()).await.is_err());
        assert!(!handle.done());
        while !handle.done() {
            bucle_loop::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(!handle.cancelled());
    });
}

#[test]
fn a_shielded_gather_goes_on_and_a_gather_of_shields_ends_alone() {
    drive(|| async {
        let count = Rc::new(Cell::new(0));
        let work = || {
            let count = count.clone();
            async move {
                turns(4).await;
                count.set(count.get() + 1);
            }
        };
        let both = [work(), work()];
        let waits = spawn(shield(async move { gather(both).await.unwrap() }));
        turns(2).await;
        waits.cancel("outer");
        assert!(waits.await.is_err());
        turns(8).await;
        assert_eq!(count.get(), 2);

        let shields = [work(), work()].map(shield);
        let waits = spawn(Gather::of(shields.map(spawn)));
        turns(2).await;
        waits.cancel("outer");
        assert!(waits.await.is_err());
        turns(8).await;
        assert_eq!(count.get(), 4);
    });
}

#[test]
fn a_panic_nobody_waits_for_any_more_is_told_of() {
    drive(|| async {
        let told = told();
        let outer = shield(async {
            yield_now().await;
            quiet_panic("too late to hear")
        });
        drop(outer);
        turns(4).await;
        assert_eq!(told.borrow().len(), 1);
        assert!(told.borrow()[0].contains("too late to hear"));
    });
}

#[test]
fn waiting_for_it_with_no_time_and_without_end() {
    drive(|| async {
        let work = spawn(async {
            bucle_loop::sleep(std::time::Duration::from_millis(2)).await;
            "done"
        });
        let handle = work.handle();
        let limit = std::time::Duration::ZERO;
        assert!(wait_for(work.shield(), limit).await.is_err());
        assert!(!handle.done(), "it goes on");

        let work = spawn(async {
            bucle_loop::sleep(std::time::Duration::from_millis(2)).await;
            "done"
        });
        assert_eq!(
            wait_for(work.shield(), None).await.unwrap().unwrap(),
            "done"
        );
    });
}
