//! Tasks: coroutines the loop runs by themselves, and a monitor that knows them all.
//!
//! Three tasks make progress in turns, one fails, one is cancelled with a reason; the monitor sees
//! every one of them begin and end.
//!
//! ```text
//! cargo run --package bucle --example 03_tasks
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bucle::{Task, TaskHandle};

/// Knows the tasks that are alive, by name.
#[derive(Clone, Default)]
struct TaskMonitor {
    active: Rc<RefCell<BTreeMap<String, TaskHandle>>>,
}

impl TaskMonitor {
    #[track_caller]
    fn spawn<F: Future + 'static>(&self, name: &str, future: F) -> Task<F::Output> {
        let task = bucle::spawn_named(name, future);
        self.active.borrow_mut().insert(name.into(), task.handle());
        println!("{name}: spawned at {}", task.tag().location());
        let (active, name) = (self.active.clone(), name.to_string());
        task.add_done_callback(move || {
            active.borrow_mut().remove(&name);
            println!("{name}: ended");
        });
        task
    }

    fn names(&self) -> Vec<String> {
        self.active.borrow().keys().cloned().collect()
    }

    fn cancel(&self, name: &str, reason: &str) {
        if let Some(task) = self.active.borrow().get(name) {
            task.cancel(reason);
        }
    }
}

async fn long_running(name: String, steps: u32) -> String {
    for step in 1..=steps {
        bucle::sleep(Duration::from_millis(5)).await;
        println!("{name}: {}%", step * 100 / steps);
    }
    format!("{name} is through")
}

#[bucle::main]
async fn main() {
    let monitor = TaskMonitor::default();
    let tasks: Vec<Task<String>> = (1..=3)
        .map(|n| {
            let name = format!("fetch-{n}");
            monitor.spawn(&name, long_running(name.clone(), 2 * n))
        })
        .collect();
    let failing = monitor.spawn("failing", async { panic!("out of luck") });
    let endless = monitor.spawn("endless", std::future::pending::<()>());

    bucle::sleep(Duration::from_millis(7)).await;
    println!("alive: {}", monitor.names().join(", "));
    monitor.cancel("endless", "nobody needs it");

    // A panic and a cancellation are errors of the task, and of nobody else.
    let Err(error) = failing.await;
    println!("error: {error}");
    if let Err(error) = endless.await {
        println!("error: {error}");
    }
    for result in bucle::gather(tasks).return_exceptions().await {
        match result {
            Ok(Ok(value)) => println!("{value}"),
            Ok(Err(error)) | Err(error) => println!("error: {error}"),
        }
    }
    println!("alive: {}", monitor.names().len());
}
