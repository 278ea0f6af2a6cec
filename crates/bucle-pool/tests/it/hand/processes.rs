//! Starts, results and ends.

use std::io;
use std::process::Command;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{Cause, Pipe, Process, ProcessError, ProcessPoolExecutor, Queue};

use super::{both, kill, stopped, wait};
use crate::hostile::{
    assert_dies, assert_ends_with_its_parent, borrowed, channels, example, is_alive,
};
use crate::support::{children_settled, open_fds, open_fds_settled, pool, run};

#[process(crate = bucle_pool)]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[process(crate = bucle_pool)]
fn scale(numbers: &[f64], by: f64) -> Vec<f64> {
    numbers.iter().map(|number| number * by).collect()
}

#[process(crate = bucle_pool)]
fn refuse(what: String) -> Result<(), String> {
    Err(format!("no {what}"))
}

#[process(crate = bucle_pool)]
fn panics(number: u32) -> u32 {
    panic!("no {number}")
}

#[process(crate = bucle_pool)]
fn exits(code: i32) {
    std::process::exit(code)
}

#[process(crate = bucle_pool)]
fn own_name() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap()
}

#[test]
fn a_function_runs_and_returns() {
    run(async {
        let child = Process::spawn(add, (1, 2)).await.unwrap();
        assert_eq!(child.name(), "add");
        assert_ne!(child.pid(), std::process::id());
        assert_eq!(child.join().await.unwrap(), 3);
        assert_eq!(child.join().await.unwrap(), 3, "a second time");
        assert!(!child.is_alive());
        assert_eq!(child.exitcode(), Some(0));
        let refused = Process::spawn(refuse, "way".into()).await.unwrap();
        assert_eq!(refused.join().await.unwrap(), Err("no way".to_string()));
        let numbers: Vec<f64> = (0..100_000).map(f64::from).collect();
        let scaled = Process::spawn(scale, (&numbers, 2.0)).await.unwrap();
        let scaled = scaled.join().await.unwrap();
        assert_eq!(scaled.len(), numbers.len());
        assert_eq!(scaled[99_999], 199_998.0);
    });
}

#[test]
fn it_has_its_own_name() {
    run(async {
        let child = Process::spawn_named("a longer näme than fits", own_name, ());
        let child = child.await.unwrap();
        assert_eq!(child.name(), "a longer näme than fits");
        assert_eq!(child.join().await.unwrap(), "a longer näme \n");
    });
}

#[test]
fn ends_are_told_apart() {
    run(async {
        let child = Process::spawn_named("seven", panics, 7).await.unwrap();
        let ProcessError::Panicked(panic) = child.join().await.unwrap_err() else {
            panic!("no panic");
        };
        assert_eq!(panic.message, "no 7");
        assert_eq!((panic.task.as_str(), panic.pid), ("seven", child.pid()));
        assert!(panic.location.unwrap().contains("processes.rs"));
        assert_eq!(child.exitcode(), Some(1));

        let child = Process::spawn(exits, 7).await.unwrap();
        let error = child.join().await.unwrap_err();
        assert_eq!(error.failure().unwrap().exit_code(), Some(7));
        assert_eq!(error.failure().unwrap().cause, Cause::Died);
        assert_eq!(child.exitcode(), Some(7));

        let child = Process::spawn(wait, ()).await.unwrap();
        assert!(child.is_alive());
        assert_eq!(child.exitcode(), None);
        child.terminate();
        let error = child.join().await.unwrap_err();
        assert_eq!(error.failure().unwrap().signal(), Some(15));
        assert_eq!(child.exitcode(), Some(-15));

        let child = Process::spawn(wait, ()).await.unwrap();
        kill(&child).await;
        // After its end, all of it does nothing.
        child.kill();
        child.terminate();
        assert_eq!(child.exitcode(), Some(-9));
    });
}

#[test]
fn a_wait_may_be_given_up() {
    run(async {
        let (ours, theirs) = Pipe::<()>::new().unwrap();
        let child = Process::spawn(until_told, theirs).await.unwrap();
        let waited = bucle_loop::timeout(Duration::from_millis(20), child.join());
        assert!(waited.await.is_err());
        assert!(child.is_alive());
        ours.send(&()).await.unwrap();
        // Two wait at once.
        let (one, other) = both(child.join(), child.join()).await;
        assert_eq!((one.unwrap(), other.unwrap()), (5, 5));
    });
}

#[process(crate = bucle_pool)]
fn until_told(pipe: Pipe<()>) -> u32 {
    let _ = pipe.recv_blocking();
    5
}

#[test]
fn dropped_it_is_killed_and_buried() {
    let before = open_fds();
    run(async {
        let child = Process::spawn(wait, ()).await.unwrap();
        let pid = child.pid();
        assert!(is_alive(pid));
        drop(child);
        assert_dies(pid);
        // While it starts.
        for _ in 0..5 {
            let starting = Process::spawn(wait, ());
            let _ = bucle_loop::timeout(Duration::ZERO, starting).await;
        }
        // By the end of the loop.
        Process::spawn(wait, ()).await.unwrap().detach();
    });
    // Other tests of this binary have descriptors and children, too.
    if std::env::args().any(|arg| arg == "--exact") {
        assert_eq!(children_settled(), 0);
        // The selector and the like of the loop are gone; the spawner has none.
        assert!(open_fds_settled(before) <= before);
    }
}

#[test]
fn detached_it_runs_on() {
    run(async {
        let (ours, theirs) = Pipe::<()>::new().unwrap();
        let child = Process::spawn(until_told, theirs).await.unwrap();
        let pid = child.pid();
        child.detach();
        bucle_loop::sleep(Duration::from_millis(20)).await;
        assert!(is_alive(pid));
        ours.send(&()).await.unwrap();
        // It ends, and the loop waits for it.
        while std::fs::exists(format!("/proc/{pid}")).unwrap() {
            bucle_loop::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[process(crate = bucle_pool)]
fn says_garbage() {
    for path in channels() {
        let number = path.file_name().unwrap().to_string_lossy().parse().unwrap();
        let flags = rustix::net::SendFlags::empty();
        let _ = rustix::net::send(borrowed(number), b"what is this?", flags);
    }
    wait();
}

#[test]
fn a_child_that_talks_nonsense_is_killed() {
    run(async {
        let child = Process::spawn(says_garbage, ()).await.unwrap();
        let error = child.join().await.unwrap_err();
        let failure = error.failure().unwrap();
        assert!(
            matches!(failure.cause, Cause::BrokeProtocol(_)),
            "{failure}"
        );
        assert_eq!(child.exitcode(), Some(-9));
    });
}

#[process(crate = bucle_pool)]
fn has_child(pipe: Pipe<u32>) {
    bucle_loop::run(async move {
        let child = Process::spawn(wait, ()).await.unwrap();
        pipe.send(&child.pid()).await.unwrap();
        let _ = child.join().await;
    })
    .unwrap();
}

#[test]
fn a_child_of_a_child_ends_with_it() {
    run(async {
        let (ours, theirs) = Pipe::new().unwrap();
        let child = Process::spawn(has_child, theirs).await.unwrap();
        let grandchild = ours.recv().await.unwrap().unwrap();
        assert!(is_alive(grandchild));
        kill(&child).await;
        assert_dies(grandchild);
    });
}

#[test]
fn no_child_outlives_its_parent() {
    // One that waits for an item, one that holds a lock, one that is stopped, one detached.
    assert_ends_with_its_parent(&mut Command::new(example("hand_parent")), 4);
}

#[process(crate = bucle_pool)]
fn takes_queue(_queue: Queue<u32>) {}

#[process(crate = bucle_pool)]
fn takes_pipe(_pipe: Pipe<u32>) {}

#[process(crate = bucle_pool)]
fn gives_queue_on(queue: Queue<u32>) -> String {
    let result = bucle_loop::run(async move {
        let spawned = Process::spawn(takes_queue, queue).await;
        spawned.unwrap_err().to_string()
    });
    result.unwrap()
}

#[test]
fn what_can_not_be_is_said() {
    run(async {
        let pool: ProcessPoolExecutor = pool(1);
        let (_ours, theirs) = Pipe::new().unwrap();
        let error = pool.submit(takes_pipe, theirs).await.unwrap_err();
        assert!(
            error.to_string().contains("argument of `Process::spawn`"),
            "{error}"
        );
        let queue = Queue::new(1).unwrap();
        let child = Process::spawn(gives_queue_on, queue.clone()).await.unwrap();
        let text = child.join().await.unwrap();
        assert!(text.contains("only by the process that made it"), "{text}");
        let many: Vec<_> = (0..200).map(|_| Pipe::<u32>::new().unwrap()).collect();
        let many = many.into_iter().map(|(one, _)| one).collect();
        let error = Process::spawn(takes_many, many).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("200 descriptors"), "{error}");
    });
    assert!(Queue::<u32>::new(1).is_err(), "without a loop");
}

#[process(crate = bucle_pool)]
fn takes_many(pipes: Vec<Pipe<u32>>) -> usize {
    pipes.len()
}

#[test]
fn many_descriptors_go_along() {
    run(async {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..100 {
            let (one, other) = Pipe::<u32>::new().unwrap();
            ours.push(one);
            theirs.push(other);
        }
        let child = Process::spawn(takes_many, theirs).await.unwrap();
        assert_eq!(child.join().await.unwrap(), 100);
        for pipe in ours {
            assert_eq!(pipe.recv().await.unwrap(), None);
        }
    });
}

#[test]
fn a_stopped_child_can_be_killed() {
    run(async {
        let (ours, theirs) = Pipe::new().unwrap();
        let child = Process::spawn(super::say_and_stop, theirs).await.unwrap();
        assert_eq!(ours.recv().await.unwrap(), Some(child.pid()));
        stopped(child.pid()).await;
        kill(&child).await;
    });
}
