//! `run` and `Runner`: the end of a program.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, Runner, catch_cancel, get_running_loop, on_cancel, run, sleep, spawn};

use crate::{Log, WATCHDOG, quiet_panic, told, turns, within};

#[test]
fn run_gives_the_value() {
    within(WATCHDOG, || {
        assert_eq!(
            run(async {
                turns(1).await;
                42
            })
            .unwrap(),
            42
        );
    });
}

#[test]
fn tasks_that_are_left_are_cancelled_and_waited_for() {
    within(WATCHDOG, || {
        let log = Log::<&str>::default();
        let to = log.clone();
        let value = run(async move {
            spawn(async move {
                let caught = catch_cancel(pending::<()>()).await.unwrap_err();
                assert_eq!(caught.reason(), "the main future of the loop is done");
                turns(5).await;
                to.borrow_mut().push("cleaned up");
            })
            .detach();
            spawn(pending::<()>()).detach();
            turns(2).await;
            123
        });
        assert_eq!(value.unwrap(), 123);
        assert_eq!(*log.borrow(), ["cleaned up"]);
    });
}

#[test]
fn clean_ups_are_waited_for_also_those_of_clean_ups() {
    within(WATCHDOG, || {
        let log = Log::<&str>::default();
        let (first, second) = (log.clone(), log.clone());
        run(async move {
            let clean = async move {
                sleep(Duration::from_millis(2)).await;
                first.borrow_mut().push("first");
                drop(on_cancel(async move {
                    sleep(Duration::from_millis(2)).await;
                    second.borrow_mut().push("second");
                }));
            };
            spawn(on_cancel(clean).guard(pending::<()>())).detach();
            turns(2).await;
        })
        .unwrap();
        assert_eq!(*log.borrow(), ["first", "second"]);
    });
}

#[test]
fn a_panic_while_ending_is_told_of() {
    within(WATCHDOG, || {
        let told = Rc::new(RefCell::new(None));
        let keep = told.clone();
        run(async move {
            *keep.borrow_mut() = Some(crate::told());
            spawn(async {
                let _ = catch_cancel(pending::<()>()).await;
                quiet_panic("at the end")
            })
            .detach();
            turns(2).await;
        })
        .unwrap();
        let told = told.borrow_mut().take().unwrap();
        assert_eq!(told.borrow().len(), 1);
        assert!(told.borrow()[0].contains("at the end"));
    });
}

#[test]
fn the_rest_ends_also_when_the_main_future_panicked() {
    within(WATCHDOG, || {
        let ended = Rc::new(Cell::new(false));
        let flag = ended.clone();
        let runner = Runner::new().unwrap();
        let result = runner.run(async move {
            spawn(on_cancel(async move { flag.set(true) }).guard(pending::<()>())).detach();
            turns(2).await;
            quiet_panic("main")
        });
        assert!(result.unwrap_err().panicked().is_some());
        assert!(!ended.get());
        runner.close();
        assert!(ended.get());
    });
}

#[test]
fn a_runner_runs_again_and_its_tasks_stay_between() {
    within(WATCHDOG, || {
        let runner = Runner::new().unwrap();
        let task = Rc::new(Cell::new(None));
        let keep = task.clone();
        runner
            .run(async move {
                keep.set(Some(spawn(async {
                    turns(5).await;
                    3
                })));
            })
            .unwrap();
        let task = task.take().unwrap();
        assert!(!task.done());
        assert_eq!(runner.run(task).unwrap().unwrap(), 3);
        let event_loop = runner.get_loop();
        assert!(!event_loop.is_closed());
        runner.close();
        assert!(event_loop.is_closed());
    });
}

#[test]
fn a_runner_takes_a_loop_that_was_made_for_it() {
    within(WATCHDOG, || {
        let event_loop = EventLoop::builder().debug(true).build().unwrap();
        let runner = Runner::of(event_loop);
        assert!(runner.get_loop().debug());
        assert!(runner.run(async { get_running_loop().debug() }).unwrap());
        let plain = Runner::new().unwrap();
        assert!(!plain.get_loop().debug());
    });
}

#[test]
#[should_panic(expected = "can't be run from inside")]
fn a_runner_inside_a_running_loop_is_refused() {
    run(async {
        let inner = Runner::new().unwrap();
        let _ = inner.run(async {});
    })
    .unwrap();
}

#[test]
fn a_loop_that_is_stopped_interrupts_run() {
    within(WATCHDOG, || {
        let told = run(async {
            let told = told();
            get_running_loop().stop();
            pending::<()>().await;
            told.take()
        });
        assert_eq!(told.unwrap_err().kind(), std::io::ErrorKind::Interrupted);
    });
}

#[test]
fn a_stop_in_the_turn_in_which_it_is_done_does_not_stop_the_next_run() {
    within(WATCHDOG, || {
        let runner = Runner::new().unwrap();
        let first = runner.run(async {
            get_running_loop().stop();
            1
        });
        assert_eq!(first.unwrap(), 1);
        let second = runner.run(async {
            sleep(Duration::from_millis(5)).await;
            2
        });
        assert_eq!(second.unwrap(), 2);
    });
}
