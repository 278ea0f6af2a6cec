//! The loop from outside. Each selector is put to the same tests by `BUCLE_SELECTOR`.

mod callbacks;
mod cancel_points;
mod cancelling;
mod catching;
mod closing;
mod concurrent_future;
mod concurrent_wait;
mod context;
mod deadlock;
mod eager;
mod exceptions;
mod executor;
mod fds;
mod gather;
mod long_turns;
mod remote;
mod runners;
mod scopes;
mod selectors;
mod settable;
mod shield;
mod signals;
mod sim;
#[cfg(target_os = "linux")]
mod sim_kernel;
mod sync;
mod task_groups;
mod tasks;
mod thread_pool;
mod thread_pool_end;
mod threadsafe;
mod time;
mod timeouts;
mod waiting;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use bucle_loop::EventLoop;

/// Runs `body` in a thread of its own; a test that hangs fails instead.
fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(body());
    });
    match wait.recv_timeout(limit) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(payload) => std::panic::resume_unwind(payload),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// Far more than any test takes, also on a busy machine.
const WATCHDOG: Duration = Duration::from_secs(60);

fn new_loop() -> EventLoop {
    EventLoop::new().expect("a loop")
}

/// Runs the future that `make` makes on a loop of its own, under the watchdog.
fn drive<F>(make: impl FnOnce() -> F + Send + 'static) -> F::Output
where
    F: Future + 'static,
    F::Output: Send + 'static,
{
    within(WATCHDOG, move || bucle_loop::run(make()).expect("a result"))
}

/// Lets the others run `count` times.
async fn turns(count: usize) {
    for _ in 0..count {
        bucle_loop::yield_now().await;
    }
}

/// A list that several tasks write to.
type Log<T> = Rc<RefCell<Vec<T>>>;

/// Keeps what the running loop's exception handler is told.
fn told() -> Log<String> {
    let log = Log::<String>::default();
    let told = log.clone();
    bucle_loop::get_running_loop().set_exception_handler(move |_, context| {
        told.borrow_mut().push(context.to_string());
    });
    log
}

/// A panic that prints nothing.
fn quiet_panic(message: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(message))
}
