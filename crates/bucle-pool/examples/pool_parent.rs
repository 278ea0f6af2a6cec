//! A parent that the tests kill, and one that has forgotten the line of set-up.
//!
//!   pool_parent forgotten    makes a pool without `init`, and prints the error
//!   pool_parent orphans      prints the processes it has, and waits to be killed
//!   pool_parent stuck        has workers that never come to life, and prints what a task comes to
//!   pool_parent signals      prints which signals a worker ignores and blocks, and how a child of it ended

use std::process::Command;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::ProcessPoolExecutor;

#[process(crate = bucle_pool)]
fn own_pid() -> u32 {
    std::process::id()
}

#[process(crate = bucle_pool)]
fn burn() {
    loop {
        std::hint::spin_loop();
    }
}

#[process(crate = bucle_pool)]
fn stop() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    burn();
}

/// Leaves a child of its own behind, and says which.
#[process(crate = bucle_pool)]
fn have_child() -> u32 {
    Command::new("sleep")
        .arg("600")
        .spawn()
        .map_or(0, |child| child.id())
}

/// As the system says it, and what became of `false`.
#[process(crate = bucle_pool)]
fn signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines();
    let masks: Vec<&str> = lines
        .filter(|line| line.starts_with("SigIgn") || line.starts_with("SigBlk"))
        .collect();
    format!("{masks:?} {:?}", Command::new("false").status())
}

fn main() {
    if std::env::var_os("POOL_PARENT_STUCK").is_some() {
        std::thread::sleep(Duration::from_secs(600));
    }
    let what = std::env::args().nth(1).unwrap_or_default();
    if what != "forgotten" {
        bucle_pool::init();
    }
    let result = bucle_loop::run(async move {
        let pool = ProcessPoolExecutor::builder().max_workers(4).build();
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => return println!("{error}"),
        };
        if what == "stuck" {
            let stuck = ProcessPoolExecutor::builder()
                .env("POOL_PARENT_STUCK", "")
                .start_within(Duration::from_millis(20));
            return match stuck.build() {
                Ok(pool) => println!("{:?}", pool.submit(own_pid, ()).await),
                Err(error) => println!("{error}"),
            };
        }
        if what == "signals" {
            return println!("{}", pool.submit(signals, ()).await.unwrap_or_default());
        }
        let child = pool.submit(have_child, ()).await.unwrap_or(0);
        let _busy = [pool.submit(burn, ()), pool.submit(stop, ())];
        bucle_loop::sleep(Duration::from_millis(300)).await;
        let own = pool.submit(own_pid, ()).await.unwrap_or(0);
        let workers = pool.status().workers;
        let pids: Vec<String> = workers
            .iter()
            .map(|worker| worker.pid.to_string())
            .collect();
        assert!(pids.contains(&own.to_string()));
        println!("{child} {}", pids.join(" "));
        bucle_loop::sleep(Duration::from_secs(600)).await;
    });
    result.expect("there is a loop");
}
