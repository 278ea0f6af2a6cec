//! Every combinator, cut short at every point: whatever the children do and whenever the end comes,
//! each child's future is dropped exactly once and in time, no task is left, and no error is lost.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    EventLoop, TaskGroup, all_tasks, as_completed, catch_cancel, gather, get_running_loop,
    on_cancel, scope, shield, spawn, timeout, try_gather, wait, yield_now,
};
use proptest::prelude::*;

use crate::turns;

/// What one child does.
#[derive(Clone, Debug)]
struct Script {
    /// Turns before it ends.
    turns: usize,
    end: End,
    /// Turns for which it holds a cancellation up.
    holds: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value,
    Error,
    Panic,
    Never,
}

/// How the whole is cut short.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Not,
    Cancel,
    Drop,
    Timeout,
}

fn script(panics: bool) -> impl Strategy<Value = Script> {
    let end = prop_oneof![
        3 => Just(End::Value),
        2 => Just(End::Error),
        1 => Just(if panics { End::Panic } else { End::Error }),
        2 => Just(End::Never),
    ];
    (0..5usize, end, proptest::option::of(0..4usize)).prop_map(|(turns, end, holds)| Script {
        turns,
        end,
        holds,
    })
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        Just(Cut::Not),
        Just(Cut::Cancel),
        Just(Cut::Drop),
        Just(Cut::Timeout)
    ]
}

/// What became of the children.
#[derive(Default)]
struct Ledger {
    made: Cell<usize>,
    dropped: Cell<usize>,
    /// Errors and panics that children ended with.
    failed: Cell<usize>,
    completed: Cell<usize>,
    /// Errors that the program was given.
    seen: Cell<usize>,
    told: RefCell<Vec<String>>,
}

impl Ledger {
    fn live(&self) -> usize {
        self.made.get() - self.dropped.get()
    }
}

fn add(cell: &Cell<usize>, n: usize) {
    cell.set(cell.get() + n);
}

struct Alive(Rc<Ledger>);

impl Drop for Alive {
    fn drop(&mut self) {
        add(&self.0.dropped, 1);
    }
}

fn child(
    ledger: &Rc<Ledger>,
    script: Script,
) -> impl Future<Output = Result<usize, String>> + use<> {
    add(&ledger.made, 1);
    let alive = Alive(ledger.clone());
    async move {
        let ledger = &alive.0;
        let work = async {
            turns(script.turns).await;
            if script.end == End::Never {
                pending::<()>().await;
            }
        };
        if let Some(holds) = script.holds {
            if catch_cancel(work).await.is_err() {
                turns(holds).await;
            }
        } else {
            work.await;
        }
        match script.end {
            End::Error => {
                add(&ledger.failed, 1);
                Err("failed".into())
            }
            End::Panic => {
                add(&ledger.failed, 1);
                crate::quiet_panic("panicked")
            }
            End::Value | End::Never => {
                add(&ledger.completed, 1);
                Ok(script.turns)
            }
        }
    }
}

/// Runs `program` as a task, cuts it short after `when` turns, and gives the ledger once nothing
/// moves any more. `checked` sees it right after a drop.
fn run_cut<F>(
    scripts: &[Script],
    cut: Cut,
    when: usize,
    program: impl FnOnce(Rc<Ledger>, Vec<Script>) -> F + 'static,
    after_drop: impl FnOnce(&Ledger) + 'static,
) -> (Rc<Ledger>, usize)
where
    F: Future<Output = ()> + 'static,
{
    let ledger = Rc::new(Ledger::default());
    let (inside, scripts) = (ledger.clone(), scripts.to_vec());
    let event_loop = EventLoop::new().expect("a loop");
    let told = ledger.clone();
    event_loop.set_exception_handler(move |_, context| {
        told.told.borrow_mut().push(context.to_string());
    });
    let left = event_loop
        .run_until_complete(async move {
            let seen = inside.clone();
            let program = program(inside, scripts);
            match cut {
                Cut::Not | Cut::Cancel => {
                    let task = spawn(program);
                    turns(when).await;
                    if let Cut::Cancel = cut {
                        task.cancel("cut short");
                    }
                    turns(40).await;
                    drop(task);
                }
                Cut::Drop => {
                    let mut program = Box::pin(program);
                    for _ in 0..=when {
                        let mut ended = false;
                        std::future::poll_fn(|cx| {
                            ended = program.as_mut().poll(cx).is_ready();
                            std::task::Poll::Ready(())
                        })
                        .await;
                        if ended {
                            break;
                        }
                        yield_now().await;
                    }
                    drop(program);
                    after_drop(&seen);
                }
                Cut::Timeout => {
                    let moment = get_running_loop().time();
                    turns(when).await;
                    let _ = bucle_loop::timeout_at(moment, program).await;
                    after_drop(&seen);
                }
            }
            turns(40).await;
            all_tasks().len() - 1
        })
        .expect("the main future");
    (ledger, left)
}

/// What holds for all of them, once the loop is closed with it.
fn nothing_leaks(ledger: &Rc<Ledger>) -> Result<(), TestCaseError> {
    prop_assert_eq!(ledger.live(), 0, "every child's future is dropped once");
    prop_assert_eq!(Rc::strong_count(ledger), 1, "nothing keeps anything of it");
    Ok(())
}

/// Those that, once cut short, end by themselves.
fn ends(script: &[Script]) -> bool {
    script.iter().all(|script| script.end != End::Never)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Errors come out of `join`, or go to the exception handler; children are gone when it ends.
    #[test]
    fn task_group(
        scripts in proptest::collection::vec(script(true), 0..5),
        cut in cut(),
        when in 0..10usize,
    ) {
        let (ledger, left) = run_cut(&scripts, cut, when, |ledger, scripts| async move {
            let group = TaskGroup::new();
            for script in scripts {
                group.spawn(child(&ledger, script));
            }
            if let Err(errors) = group.join().await {
                assert_eq!(ledger.live(), 0, "children can't outlive it");
                add(&ledger.seen, errors.leaves().len());
            }
            assert_eq!(ledger.live(), 0, "children can't outlive it");
        }, |ledger| assert_eq!(ledger.live(), 0, "gone before the drop returns"));
        let told = ledger.told.borrow().len();
        prop_assert_eq!(ledger.failed.get(), ledger.seen.get() + told, "no error is lost");
        let fails = scripts.iter().any(|script| matches!(script.end, End::Error | End::Panic));
        if ends(&scripts) || fails || !matches!(cut, Cut::Not) {
            prop_assert_eq!(left, 0);
        }
        ledger.told.take();
        nothing_leaks(&ledger)?;
    }

    /// The same with a body, whose future goes first.
    #[test]
    fn task_group_with_a_body(
        scripts in proptest::collection::vec(script(true), 1..5),
        cut in cut(),
        when in 0..10usize,
    ) {
        let (ledger, _) = run_cut(&scripts, cut, when, |ledger, mut scripts| async move {
            let body = scripts.remove(0);
            let inside = &ledger;
            let result = TaskGroup::run(async move |group| {
                for script in scripts {
                    group.spawn(child(inside, script));
                }
                child(inside, Script { end: if body.end == End::Panic { End::Error } else { body.end }, ..body }).await
            });
            let result = result.await;
            assert_eq!(ledger.live(), 0, "children can't outlive it");
            if let Err(errors) = result {
                add(&ledger.seen, errors.leaves().len());
            }
        }, |ledger| assert_eq!(ledger.live(), 0, "gone before the drop returns"));
        let told = ledger.told.borrow().len();
        prop_assert_eq!(ledger.failed.get(), ledger.seen.get() + told, "no error is lost");
        ledger.told.take();
        nothing_leaks(&ledger)?;
    }

    /// Cancels its children when it is cut short; they end within their own time.
    #[test]
    fn gathers(
        scripts in proptest::collection::vec(script(false), 0..5),
        cut in cut(),
        when in 0..10usize,
        kind in 0..3u8,
    ) {
        let (ledger, left) = run_cut(&scripts, cut, when, move |ledger, scripts| async move {
            let children: Vec<_> = scripts.into_iter().map(|script| child(&ledger, script)).collect();
            match kind {
                0 => drop(gather(children).await),
                1 => drop(gather(children).return_exceptions().await),
                _ => drop(try_gather(children).await),
            }
        }, |_| ());
        if ends(&scripts) || (!matches!(cut, Cut::Not) && kind < 2) {
            prop_assert_eq!(left, 0, "children end");
        }
        if matches!(cut, Cut::Not) && ends(&scripts) {
            prop_assert_eq!(ledger.failed.get() + ledger.completed.get(), scripts.len());
        }
        nothing_leaks(&ledger)?;
    }

    #[test]
    fn as_completed_gives_each_result_once(
        scripts in proptest::collection::vec(script(false), 0..5),
        cut in cut(),
        when in 0..10usize,
    ) {
        let (ledger, left) = run_cut(&scripts, cut, when, |ledger, scripts| async move {
            let count = scripts.len();
            let children: Vec<_> = scripts.into_iter().map(|script| child(&ledger, script)).collect();
            let mut results = as_completed(children);
            let mut given = 0;
            while let Some(result) = results.next().await {
                given += 1;
                if result.expect("no panics, no cancels").is_err() {
                    add(&ledger.seen, 1);
                }
                yield_now().await;
            }
            assert_eq!(given, count);
        }, |_| ());
        if ends(&scripts) || !matches!(cut, Cut::Not) {
            prop_assert_eq!(left, 0, "children end");
        }
        if matches!(cut, Cut::Not) && ends(&scripts) {
            prop_assert_eq!(ledger.failed.get(), ledger.seen.get());
        }
        nothing_leaks(&ledger)?;
    }

    /// Cancels nobody, and loses nobody's result.
    #[test]
    fn waits(
        scripts in proptest::collection::vec(script(false), 0..5),
        cut in cut(),
        when in 0..10usize,
    ) {
        let (ledger, left) = run_cut(&scripts, cut, when, |ledger, scripts| async move {
            let children: Vec<_> = scripts.into_iter().map(|script| child(&ledger, script)).collect();
            let mut tasks: Vec<_> = children.into_iter().map(spawn).collect();
            loop {
                let (done, _) = wait(tasks.iter_mut()).return_when(bucle_loop::FIRST_COMPLETED).await;
                if done.is_empty() {
                    break;
                }
                tasks.retain_mut(|task| task.try_result().is_none());
            }
        }, |_| ());
        let never = scripts.iter().filter(|script| script.end == End::Never).count();
        // Cut before it began, or before it spawned.
        if ledger.made.get() == scripts.len() && matches!(cut, Cut::Not) {
            prop_assert_eq!(ledger.failed.get() + ledger.completed.get(), scripts.len() - never);
        }
        prop_assert!(left <= never + usize::from(matches!(cut, Cut::Not)));
        nothing_leaks(&ledger)?;
    }

    /// The child goes on, whatever happens to who waits.
    #[test]
    fn shields(script in script(false), cut in cut(), when in 0..10usize) {
        let never = script.end == End::Never;
        let (ledger, _) = run_cut(&[script], cut, when, |ledger, mut scripts| async move {
            let _ = shield(child(&ledger, scripts.remove(0))).await;
        }, |_| ());
        let ended = ledger.failed.get() + ledger.completed.get();
        prop_assert!(ended == 1 || never || ledger.made.get() == 0);
        nothing_leaks(&ledger)?;
    }

    /// In place: gone with the future they are part of.
    #[test]
    fn scopes(
        scripts in proptest::collection::vec(script(false), 0..5),
        cut in cut(),
        when in 0..10usize,
    ) {
        let (ledger, left) = run_cut(&scripts, cut, when, |ledger, scripts| async move {
            let children = &ledger;
            scope(|s| async move {
                for script in scripts {
                    s.spawn(child(children, Script { holds: None, ..script }));
                }
            })
            .await;
            assert_eq!(ledger.live(), 0, "children can't outlive it");
        }, |ledger| assert_eq!(ledger.live(), 0, "gone before the drop returns"));
        if ends(&scripts) || !matches!(cut, Cut::Not) {
            prop_assert_eq!(left, 0);
        }
        nothing_leaks(&ledger)?;
    }

    /// The clean-up runs if, and only if, the work didn't come to its end.
    #[test]
    fn clean_ups(script in script(false), cut in cut(), when in 0..10usize) {
        let never = script.end == End::Never;
        let (ledger, left) = run_cut(&[script], cut, when, |ledger, mut scripts| {
            let work = child(&ledger, Script { holds: None, ..scripts.remove(0) });
            let seen = ledger.clone();
            let clean = on_cancel(async move {
                turns(2).await;
                add(&seen.seen, 1);
            });
            async move { drop(clean.guard(work).await) }
        }, |_| ());
        let ended = ledger.failed.get() + ledger.completed.get();
        if !(never && matches!(cut, Cut::Not)) {
            prop_assert_eq!(ended + ledger.seen.get(), 1);
            prop_assert_eq!(left, 0);
        }
        nothing_leaks(&ledger)?;
    }

    /// Timeouts and catches around each other, cancelled at any point.
    #[test]
    fn timeouts_and_catches(
        script in script(false),
        cut in cut(),
        when in 0..10usize,
        order in any::<bool>(),
    ) {
        let never = script.end == End::Never;
        let (ledger, left) = run_cut(&[script], cut, when, move |ledger, mut scripts| async move {
            let hour = Duration::from_secs(3600);
            let work = child(&ledger, scripts.remove(0));
            if order {
                let _ = catch_cancel(timeout(hour, work)).await;
            } else {
                let _ = timeout(hour, catch_cancel(work)).await;
            }
            add(&ledger.seen, 1);
        }, |ledger| assert_eq!(ledger.live(), 0));
        if !matches!(cut, Cut::Not) || !never {
            prop_assert_eq!(left, 0);
        }
        nothing_leaks(&ledger)?;
    }
}
