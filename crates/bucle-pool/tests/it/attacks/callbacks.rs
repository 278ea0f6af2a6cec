//! What a user's own callbacks do.

use std::cell::Cell;
use std::rc::Rc;

use bucle_macros::process;
use bucle_pool::ProcessPoolExecutor;

use crate::deaths::{failure, one_more};
use crate::support::{WATCHDOG, open_fds, open_fds_settled, pool, run};

#[process(crate = bucle_pool)]
fn say_and_die(n: u32) {
    eprintln!("{n}");
    std::process::abort()
}

#[process(crate = bucle_pool)]
fn say(n: u32) -> u32 {
    println!("{n}");
    n
}

/// In a process of its own, whose descriptors are nobody else's: how many there were before the pool's end, and after it.
#[process(crate = bucle_pool)]
fn panic_at_output() -> (usize, usize) {
    run(async {
        let told = Rc::new(Cell::new(0));
        let count = told.clone();
        let event_loop = bucle_loop::get_running_loop();
        event_loop.set_exception_handler(move |_, context| {
            assert!(context.to_string().contains("too much"), "{context}");
            count.set(count.get() + 1);
        });
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .on_output(|line| panic!("`{}` is too much", line.text))
            .build()
            .unwrap();
        for n in 0..5 {
            let failed = failure(pool.submit(say_and_die, n).await);
            assert_eq!(failed.signal(), Some(6), "{failed}");
            for n in 0..3 {
                // What is written later has a reader, too.
                assert_eq!(pool.submit(say, n).await.unwrap(), n);
            }
        }
        let before = open_fds();
        assert!(pool.shutdown(WATCHDOG).await);
        assert!(told.get() >= 10, "{}", told.get());
        (before, open_fds_settled(before))
    })
}

#[test]
fn a_callback_for_output_that_panics_holds_up_nobody() {
    run(async {
        let (before, after) = pool(1).submit(panic_at_output, ()).await.unwrap();
        assert!(after <= before, "{before} descriptors, {after} at the end");
    });
}

#[test]
fn a_callback_for_progress_that_panics_holds_up_nobody() {
    run(async {
        bucle_loop::get_running_loop().set_exception_handler(|_, _| {});
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .on_progress(|progress| panic!("{progress:?}"))
            .build()
            .unwrap();
        for round in 0..20 {
            let tasks: Vec<_> = (0..30).map(|n| pool.submit(one_more, n)).collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n as u32 + 1, "round {round}");
            }
        }
        assert!(pool.shutdown(WATCHDOG).await);
    });
}
