//! `scope`.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{Scope, current_task, scope, sleep, spawn, timeout, yield_now};

use crate::{drive, quiet_panic, turns};

#[test]
fn children_borrow_and_all_are_waited_for() {
    drive(|| async {
        let words = vec!["one".to_string(), "two".into(), "three".into()];
        let lengths = RefCell::new(Vec::new());
        let count = scope(|s| {
            let (words, lengths) = (&words, &lengths);
            async move {
                for (n, word) in words.iter().enumerate() {
                    s.spawn(async move {
                        turns(3 - n).await;
                        lengths.borrow_mut().push(word.len());
                    });
                }
                assert_eq!(s.len(), 3);
                words.len()
            }
        })
        .await;
        assert_eq!(count, 3);
        assert_eq!(*lengths.borrow(), [5, 3, 3], "as they ended");
        drop(words);
    });
}

#[test]
fn a_child_s_value_can_be_awaited() {
    drive(|| async {
        let number = 20;
        let sum = scope(|s| {
            let number = &number;
            async move {
                let one = s.spawn(async move { *number });
                let two = s.spawn(async move {
                    yield_now().await;
                    *number + 2
                });
                one.await.unwrap() + two.await.unwrap()
            }
        });
        assert_eq!(sum.await, 42);
    });
}

#[test]
fn children_spawn_children() {
    async fn tree<'env>(s: Scope<'env>, count: &'env Cell<u32>, depth: u32) {
        count.set(count.get() + 1);
        if depth > 0 {
            for _ in 0..2 {
                let child = Box::pin(tree(s.clone(), count, depth - 1));
                s.spawn(child as std::pin::Pin<Box<dyn std::future::Future<Output = ()> + 'env>>);
            }
        }
    }
    drive(|| async {
        let count = Cell::new(0);
        scope(|s| tree(s, &count, 5)).await;
        assert_eq!(count.get(), 63);
    });
}

#[test]
fn only_the_woken_child_is_polled() {
    drive(|| async {
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        scope(|s| async move {
            for _ in 0..100 {
                let count = count.clone();
                s.spawn(async move {
                    let mut slept = std::pin::pin!(sleep(Duration::from_millis(5)));
                    std::future::poll_fn(|cx| {
                        count.set(count.get() + 1);
                        slept.as_mut().poll(cx)
                    })
                    .await;
                });
            }
            s.spawn(turns(50));
        })
        .await;
        assert_eq!(polls.get(), 200, "once to begin and once to end");
    });
}

#[test]
fn a_busy_child_starves_nobody_outside() {
    drive(|| async {
        let stop = Rc::new(Cell::new(false));
        let seen = stop.clone();
        spawn(async move {
            turns(5).await;
            seen.set(true);
        })
        .detach();
        scope(|s| {
            let stop = &stop;
            async move {
                s.spawn(async move {
                    while !stop.get() {
                        yield_now().await;
                    }
                });
            }
        })
        .await;
    });
}

#[test]
fn they_are_in_the_task_that_waits() {
    drive(|| async {
        let me = current_task().unwrap();
        scope(|s| async move {
            let child = s.spawn(async { current_task().unwrap() });
            assert_eq!(child.await.unwrap(), me);
        })
        .await;
    });
}

#[test]
fn dropping_it_drops_the_body_and_all_children_before_it_returns() {
    drive(|| async {
        let held = Rc::new(());
        let text = String::from("borrowed");
        let work = scope(|s| {
            let (held, text) = (held.clone(), &text);
            async move {
                for _ in 0..5 {
                    let (held, own) = (held.clone(), s.clone());
                    s.spawn(async move {
                        let _held = held;
                        pending::<()>().await;
                        assert!(own.is_empty() && text.is_empty());
                    });
                }
                pending::<()>().await;
                drop(held);
            }
        });
        assert!(timeout(Duration::from_millis(1), work).await.is_err());
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn a_child_can_be_cancelled_by_itself() {
    drive(|| async {
        let held = Rc::new(());
        let inside = held.clone();
        scope(|s| async move {
            let child = s.spawn(async move {
                let _inside = inside;
                pending::<()>().await;
            });
            yield_now().await;
            assert!(child.cancel());
            assert!(child.done() && !child.cancel());
            assert!(child.await.is_err());
        })
        .await;
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn a_handle_that_outlives_the_scope_is_told() {
    drive(|| async {
        let (handle, late) = scope(|s| async move { (s.spawn(async { 1 }), s) }).await;
        assert_eq!(handle.await.unwrap(), 1);
        let refused = late.spawn(async { 2 });
        assert!(refused.done());
        assert!(refused.await.is_err());
    });
}

#[test]
fn a_panic_of_a_child_takes_the_scope_with_it() {
    drive(|| async {
        let held = Rc::new(());
        let inside = held.clone();
        let task = spawn(async move {
            scope(|s| {
                let inside = &inside;
                async move {
                    s.spawn(async move {
                        let _inside = inside.clone();
                        pending::<()>().await;
                    });
                    s.spawn(async {
                        yield_now().await;
                        quiet_panic("one of them")
                    });
                    pending::<()>().await;
                }
            })
            .await
        });
        let error = task.await.unwrap_err();
        assert_eq!(error.panicked().unwrap().message(), "one of them");
        assert_eq!(Rc::strong_count(&held), 1);
    });
}
