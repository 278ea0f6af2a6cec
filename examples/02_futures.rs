//! Futures: a value that is to come, set once, from wherever it comes.
//!
//! The first one keeps a log of what happened to it, and is set by a call from another thread. A
//! future belongs to its loop's thread; the other thread sends the loop a callback that sets it.
//!
//! The second comes from a pool of threads: work for the processor, out of the loop's way. It is a
//! future of another kind, one that crosses threads, and `wrap_future` ties it to the loop.
//!
//! ```text
//! cargo run --package bucle --example 02_futures
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use bucle::concurrent::{self, ThreadPoolExecutor};
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

/// Long work for the processor. On the loop's thread, nobody else would run meanwhile.
async fn cpu_bound(n: u64) -> Result<u64, concurrent::FutureError> {
    let pool = ThreadPoolExecutor::new();
    let sum = pool.submit(move || (0..n).sum());
    bucle::wrap_future(sum).await
}

async fn demo_pool() {
    let ticks = bucle::spawn(async {
        let mut ticks = 0_u32;
        loop {
            bucle::yield_now().await;
            ticks += 1;
            if ticks == 3 {
                println!("the loop goes on while the pool works");
            }
        }
    })
    .cancel_on_drop();
    match cpu_bound(10_000_000).await {
        Ok(sum) => println!("the pool came to {sum}"),
        Err(error) => println!("no sum: {error}"),
    }
    drop(ticks);

    // The short form, on the loop's own pool; and what becomes of a panic there.
    match bucle::to_thread(|| "one, two, three".split(", ").count()).await {
        Ok(words) => println!("{words} words were counted in a thread"),
        Err(error) => println!("no count: {error}"),
    }
    if let Err(error) = bucle::to_thread(|| -> u32 { panic!("out of luck") }).await {
        println!("error: {error}");
    }
}

#[bucle::main]
async fn main() {
    demo_future().await;
    demo_pool().await;
}

async fn demo_future() {
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
