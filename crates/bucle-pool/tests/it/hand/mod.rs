//! Processes by hand, with real processes.

mod pipes;
mod processes;
mod queues;
mod shared;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bucle_macros::process;
use bucle_pool::{Pipe, Process};

/// Ends when it is killed, or when its parent ends.
#[process(crate = bucle_pool)]
fn wait() {
    loop {
        std::thread::park();
    }
}

/// A child that answers with its pid, and then does not read what is sent to it any more.
#[process(crate = bucle_pool)]
fn say_and_stop(pipe: Pipe<u32>) {
    pipe.send_blocking(&std::process::id()).unwrap();
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    wait();
}

/// Waits until a process is stopped by a signal.
async fn stopped(pid: u32) {
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('T'))
        {
            return;
        }
        bucle_loop::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Kills a child, and waits for its end.
async fn kill<T>(child: &Process<T>) {
    child.kill();
    assert!(child.join().await.is_err());
    assert_eq!(child.exitcode(), Some(-9));
}

/// Polls two futures, which may borrow, until both are done.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|cx| {
        if a_done.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            a_done = Some(output);
        }
        if b_done.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            b_done = Some(output);
        }
        match (a_done.take(), b_done.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_done, b_done) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
