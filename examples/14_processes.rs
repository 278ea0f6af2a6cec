//! Processes by hand: a queue of jobs for two of them, memory that they share, and what becomes of
//! all that when one is killed.
//!
//! ```text
//! cargo run --package bucle --example 14_processes
//! ```

use bucle::process::{LockError, Pipe, Process, Queue, SharedMemory};

/// Counts, for each job, in memory that all have.
#[bucle::process]
fn count(jobs: Queue<usize>, counts: SharedMemory<u64>) {
    while let Ok(Some(job)) = jobs.get_blocking() {
        if let Ok(mut counts) = counts.lock_blocking() {
            counts[job % 10] += 1;
        }
    }
}

/// Takes the lock, changes half of what belongs together, and does not come back.
#[bucle::process]
fn get_stuck(counts: SharedMemory<u64>, pipe: Pipe<String>) {
    if let Ok(mut counts) = counts.lock_blocking() {
        counts[0] = 0;
        let _ = pipe.send_blocking(&"I have the lock".to_string());
        let _ = pipe.recv_blocking();
    }
}

#[bucle::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let jobs = Queue::new(100)?;
    let counts = SharedMemory::<u64>::new(10)?;
    let one = Process::spawn_named("one", count, (jobs.clone(), counts.clone())).await?;
    let two = Process::spawn_named("two", count, (jobs.clone(), counts.clone())).await?;
    for job in 0..1000 {
        jobs.put(&job).await?;
    }
    jobs.shutdown();
    for process in [one, two] {
        process.join().await?;
        println!("`{}` has ended: {:?}", process.name(), process.exitcode());
    }
    println!("counted: {:?}", counts.snapshot()?);

    let (ours, theirs) = Pipe::new()?;
    let stuck = Process::spawn(get_stuck, (counts.clone(), theirs)).await?;
    println!("`get_stuck` says: {:?}", ours.recv().await?);
    stuck.kill();
    match counts.lock().await {
        Err(LockError::HolderDied(mut counts)) => {
            println!("its lock is ours, and we are told; found: {:?}", counts[0]);
            counts[0] = 100;
        }
        Ok(_) => println!("nobody has told us"),
        Err(LockError::Channel(error)) => return Err(error.into()),
    }
    println!("and its pipe: {:?}", ours.recv().await?);
    println!(
        "{}",
        stuck
            .join()
            .await
            .err()
            .map_or_else(String::new, |error| error.to_string())
    );
    Ok(())
}
