//! What can be said about a pool, and what can be seen of it.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{ProcessError, ProcessPoolExecutor, Rejected, TaskOptions, WorkerState};

use crate::support::{WATCHDOG, pool, run};

#[process(crate = bucle_pool)]
fn own_pid() -> u32 {
    std::process::id()
}

#[process(crate = bucle_pool)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[process(crate = bucle_pool)]
fn directory() -> std::path::PathBuf {
    std::env::current_dir().unwrap_or_default()
}

#[process(crate = bucle_pool)]
fn niceness() -> i32 {
    rustix::process::getpriority_process(None).unwrap_or(-100)
}

#[process(crate = bucle_pool)]
fn set_up(value: &str) {
    assert_ne!(value, "bad", "this set-up fails");
    if value == "exit" {
        std::process::exit(1);
    }
    let _ = VALUE.set(value.to_string());
}

static VALUE: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[process(crate = bucle_pool)]
fn kept() -> Option<String> {
    VALUE.get().cloned()
}

#[process(crate = bucle_pool)]
fn grow(bytes: usize) -> u32 {
    std::mem::forget(vec![1_u8; bytes]);
    std::process::id()
}

#[process(crate = bucle_pool)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn workers_have_what_was_said() {
    run(async {
        let here = std::fs::canonicalize(std::env::temp_dir()).unwrap();
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .env("BUCLE_TEST", "yes")
            .env_remove("PATH")
            .current_dir(&here)
            .nice(3)
            .initializer(set_up, "ready")
            .build()
            .unwrap();
        let var = |name| pool.submit(variable, name);
        assert_eq!(var("BUCLE_TEST").await.unwrap().as_deref(), Some("yes"));
        assert_eq!(var("PATH").await.unwrap(), None);
        assert_eq!(
            var("BUCLE_CHILD_OF").await.unwrap(),
            None,
            "for no grandchild"
        );
        assert_eq!(pool.submit(directory, ()).await.unwrap(), here);
        let own = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(pool.submit(niceness, ()).await.unwrap(), (own + 3).min(19));
        assert_eq!(
            pool.submit(kept, ()).await.unwrap().as_deref(),
            Some("ready")
        );
    });
}

#[test]
fn an_initializer_that_fails_breaks_the_pool() {
    run(async {
        for bad in ["bad", "exit"] {
            let builder = ProcessPoolExecutor::builder().initializer(set_up, bad);
            let pool = builder.on_output(|_| {}).build().unwrap();
            let error = pool.submit(own_pid, ()).await.unwrap_err();
            assert!(matches!(error, ProcessError::Broken(_)), "{error}");
            assert!(error.to_string().contains("initializer"), "{error}");
            assert!(pool.submit(own_pid, ()).await.is_err());
        }
        let builder = ProcessPoolExecutor::builder().current_dir("/nowhere/at/all");
        let error = builder
            .build()
            .unwrap()
            .submit(own_pid, ())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    });
}

#[test]
fn workers_make_place_for_fresh_ones() {
    run(async {
        let builder = ProcessPoolExecutor::builder().max_workers(1);
        let pool = builder.max_tasks_per_child(3).build().unwrap();
        let mut pids = Vec::new();
        for _ in 0..9 {
            pids.push(pool.submit(own_pid, ()).await.unwrap());
        }
        let all: HashSet<u32> = pids.iter().copied().collect();
        assert_eq!(all.len(), 3, "{pids:?}");
        let many: Vec<_> = (0..100).map(|_| pool.submit(own_pid, ())).collect();
        let mut runs = std::collections::HashMap::new();
        for one in many {
            *runs.entry(one.await.unwrap()).or_insert(0) += 1;
        }
        assert!(runs.values().all(|runs| *runs <= 3), "{runs:?}");

        let builder = ProcessPoolExecutor::builder().max_workers(1);
        let pool = builder.max_memory_per_child(100 << 20).build().unwrap();
        let first = pool.submit(grow, 1).await.unwrap();
        assert_eq!(pool.submit(grow, 200 << 20).await.unwrap(), first);
        assert_ne!(pool.submit(own_pid, ()).await.unwrap(), first);
    });
}

#[test]
fn a_full_queue_holds_back() {
    run(async {
        let builder = ProcessPoolExecutor::builder().max_workers(1).tasks_ahead(1);
        let pool = Rc::new(builder.queue_size(2).build().unwrap());
        let busy = pool.submit(sleep, WATCHDOG);
        while !busy.running() {
            bucle_loop::sleep(Duration::from_millis(1)).await;
        }
        let queued: Vec<_> = (0..2).map(|_| pool.submit(own_pid, ())).collect();
        assert_eq!(
            pool.try_submit(own_pid, ()).unwrap_err(),
            Rejected::QueueFull
        );
        let parked = pool.submit(own_pid, ());
        assert_eq!(pool.queued_tasks(), 2);
        // One that is dropped while it finds no room is never run.
        drop(pool.submit(sleep, WATCHDOG));
        let waiter = bucle_loop::spawn({
            let pool = pool.clone();
            async move { pool.room().await }
        });
        bucle_loop::sleep(Duration::from_millis(5)).await;
        assert!(!waiter.done());
        drop(busy);
        for one in queued {
            one.await.unwrap();
        }
        parked.await.unwrap();
        waiter.await.unwrap();
    });
}

#[test]
fn the_status_shows_who_does_what() {
    run(async {
        let done = Rc::new(Cell::new(0));
        let told = done.clone();
        let builder = ProcessPoolExecutor::builder().max_workers(2);
        let builder = builder.on_progress(move |progress| told.set(progress.done));
        let pool = builder.build().unwrap();
        let pid = pool.submit(own_pid, ()).await.unwrap();
        let options = TaskOptions::new().name("nap").deadline(WATCHDOG);
        let nap = pool.submit_with(options, sleep, WATCHDOG);
        while !nap.running() {
            bucle_loop::sleep(Duration::from_millis(1)).await;
        }
        let status = pool.status();
        assert_eq!((status.tasks_done, status.queued), (1, 0));
        assert_eq!(done.get(), 1);
        let worker = status
            .workers
            .iter()
            .find(|worker| worker.pid == pid)
            .unwrap();
        assert_eq!(worker.state, WorkerState::Busy);
        assert_eq!(worker.task.as_deref(), Some("nap"));
        assert_eq!(worker.deadline, Some(WATCHDOG));
        assert!(worker.elapsed.is_some() && worker.resident.is_some_and(|bytes| bytes > 4096));
        assert_eq!(worker.tasks_done, 1);
        nap.cancel("seen enough");
        assert!(nap.await.is_err());
        let status = pool.status();
        assert_eq!(status.restarts, 1);
        assert_eq!(status.last_exit.map(|exit| exit.pid), Some(pid));
        assert_eq!(done.get(), 2);
    });
}

#[test]
fn wrong_settings_say_what_is_right() {
    run(async {
        let builder = ProcessPoolExecutor::builder;
        for (wrong, name) in [
            (builder().max_workers(0), "max_workers"),
            (builder().queue_size(0), "queue_size"),
            (builder().tasks_ahead(0), "tasks_ahead"),
            (builder().max_tasks_per_child(0), "max_tasks_per_child"),
        ] {
            let error = wrong.build().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let pool = pool(1);
        assert!(pool.shutdown(WATCHDOG).await);
        assert_eq!(
            pool.try_submit(own_pid, ()).unwrap_err(),
            Rejected::Shutdown
        );
    });
}
