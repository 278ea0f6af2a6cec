//! A parent that the tests kill: prints the children it has, and waits for it. One child waits for
//! an item, one holds a lock and computes, one is stopped, one is detached.

use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{Pipe, Process, Queue, SharedMemory};

#[process(crate = bucle_pool)]
fn get(queue: Queue<u32>) {
    let _ = queue.get_blocking();
}

#[process(crate = bucle_pool)]
fn hold(memory: SharedMemory<u64>, pipe: Pipe<()>) {
    let mut numbers = memory.lock_blocking().expect("the lock");
    let _ = pipe.send_blocking(&());
    loop {
        numbers[0] = numbers[0].wrapping_add(1);
    }
}

#[process(crate = bucle_pool)]
fn stop() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    bucle_pool::init();
    bucle_loop::run(async {
        let queue = Queue::new(1)?;
        let memory = SharedMemory::new(1)?;
        let getter = Process::spawn(get, queue.clone()).await?;
        let (ours, theirs) = Pipe::new()?;
        let holder = Process::spawn(hold, (memory.clone(), theirs)).await?;
        ours.recv().await?;
        let stopped = Process::spawn(stop, ()).await?;
        let detached = Process::spawn(get, queue.clone()).await?;
        bucle_loop::sleep(Duration::from_millis(300)).await;
        let pids = [getter.pid(), holder.pid(), stopped.pid(), detached.pid()];
        detached.detach();
        println!("{}", pids.map(|pid| pid.to_string()).join(" "));
        bucle_loop::sleep(Duration::from_secs(600)).await;
        Ok(())
    })?
}
