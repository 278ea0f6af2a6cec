//! Futures: a value that is to come, set once, from wherever it comes.
//!
//! This one keeps a log of what happened to it, and is set by a call from another thread. A future
//! belongs to its loop's thread; the other thread sends the loop a callback that sets it.
//!
//! ```text
//! cargo run --example 02_futures
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use bucle::{AlreadySet, Future, FutureError};

/// A future that remembers who set it to what.
#[derive(Clone)]
struct LoggedFuture {
    future: Future<u32>,
    log: Rc<RefCell<Vec<String>>>,
}

impl LoggedFuture {
    fn new() -> LoggedFuture {
        let log = Rc::new(RefCell::new(vec!["made".to_string()]));
        let future = Future::new();
        future.add_done_callback({
            let log = log.clone();
            move |future: &Future<u32>| {
                log.borrow_mut()
                    .push(format!("done: {:?}", future.result()));
            }
        });
        LoggedFuture { future, log }
    }

    fn set_result(&self, value: u32) -> Result<(), AlreadySet<u32>> {
        let outcome = self.future.set_result(value);
        let what = if outcome.is_ok() { "set" } else { "refused" };
        self.log.borrow_mut().push(format!("{what}: {value}"));
        outcome
    }

    async fn wait(&self) -> Result<u32, FutureError<std::convert::Infallible>> {
        self.future.clone().await
    }
}

#[bucle::main]
async fn main() {
    let future = LoggedFuture::new();

    // Only `Send` things may travel, and the future isn't: the callback finds it on the loop's own
    // thread.
    thread_local!(static FUTURE: RefCell<Option<LoggedFuture>> = const { RefCell::new(None) });
    FUTURE.set(Some(future.clone()));
    let remote = bucle::get_running_loop().remote();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        remote.call_soon_threadsafe(|| {
            if let Some(future) = FUTURE.take() {
                future
                    .set_result(42)
                    .unwrap_or_else(|again| println!("{again}"));
                // Once is all: a second time is an error, and the value stays.
                if let Err(again) = future.set_result(43) {
                    println!("setting it to {} failed: {again}", again.0);
                }
            }
        })
    });

    match future.wait().await {
        Ok(value) => println!("the future came to {value}"),
        Err(error) => println!("no value: {error}"),
    }
    bucle::yield_now().await;
    for line in future.log.borrow().iter() {
        println!("  {line}");
    }
    match thread.join() {
        Ok(Ok(())) => println!("the other thread ended well"),
        Ok(Err(closed)) => println!("the other thread came too late: {closed}"),
        Err(_) => println!("the other thread panicked"),
    }
}
