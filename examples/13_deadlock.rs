//! A deadlock that hides, found by a model checker.
//!
//! Two threads take two locks, each in its own order. Run a thousand times it may never stop; the
//! model checker (loom) runs it once in every order of steps that there is, and so comes to the one
//! in which each has one lock and waits for the other. With one order for both there is none, and
//! the checker says so having seen them all.
//!
//! ```text
//! cargo run --package bucle --example 13_deadlock
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::sync::{Arc, Mutex};
use loom::thread;

/// Moves one from `from` to `to`. Takes the locks in the order of the arguments, which is wrong, or
/// in the order of the accounts' numbers.
fn transfer(accounts: &[Mutex<i32>; 2], from: usize, to: usize, in_order: bool) {
    let (first, second) = match in_order && from > to {
        true => (to, from),
        false => (from, to),
    };
    let (Ok(mut one), Ok(mut other)) = (accounts[first].lock(), accounts[second].lock()) else {
        return;
    };
    let sign = if first == from { -1 } else { 1 };
    *one += sign;
    *other -= sign;
}

/// Tries all orders of steps, and says how many there are. In a process of its own: at a deadlock
/// the checker panics while threads hold locks, which ends the process.
#[bucle::process]
fn check(in_order: bool) -> usize {
    let tried = std::sync::Arc::new(AtomicUsize::new(0));
    let count = tried.clone();
    loom::model(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let accounts = Arc::new([Mutex::new(100), Mutex::new(100)]);
        let others = accounts.clone();
        let there = thread::spawn(move || transfer(&others, 0, 1, in_order));
        transfer(&accounts, 1, 0, in_order);
        let _ = there.join();
        let sums = accounts
            .iter()
            .map(|account| account.lock().map_or(0, |sum| *sum));
        assert_eq!(sums.sum::<i32>(), 200, "no money is lost");
    });
    tried.load(Ordering::Relaxed)
}

#[bucle::main]
async fn main() -> std::io::Result<()> {
    let said = Rc::new(RefCell::new(String::new()));
    let heard = said.clone();
    let builder = bucle::ProcessPoolExecutor::builder().on_output(move |line| {
        if line.text.starts_with("deadlock;") {
            *heard.borrow_mut() = line.text.to_string();
        }
    });
    let pool = builder.build()?;
    for (what, in_order) in [
        ("each in its own order", false),
        ("both in one order", true),
    ] {
        match pool.submit(check, in_order).await {
            Ok(tried) => println!("{what}: no deadlock in all {tried} orders of steps"),
            Err(error) if said.borrow().is_empty() => println!("{what}: {error}"),
            Err(_) => println!("{what}: a {}", said.borrow()),
        }
    }
    Ok(())
}
