//! Shared memory, its lock, and semaphores, whose holders die.

use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{LockError, Pipe, Process, Semaphore, SharedMemory};

use super::{both, kill};
use crate::support::run;

#[process(crate = bucle_pool)]
fn increment(memory: SharedMemory<u64>, times: u32) {
    for _ in 0..times {
        let mut numbers = memory.lock_blocking().unwrap();
        for number in &mut *numbers {
            *number += 1;
        }
    }
}

#[process(crate = bucle_pool)]
fn increment_on_loop(memory: SharedMemory<u64>, times: u32) {
    let result = bucle_loop::run(async move {
        for _ in 0..times {
            let mut numbers = memory.lock().await.unwrap();
            numbers.iter_mut().for_each(|number| *number += 1);
        }
    });
    result.unwrap();
}

#[test]
fn the_lock_excludes() {
    run(async {
        let memory = SharedMemory::<u64>::new(1000).unwrap();
        let args = || (memory.clone(), 200);
        let one = Process::spawn(increment, args()).await.unwrap();
        let two = Process::spawn(increment_on_loop, args()).await.unwrap();
        for _ in 0..200 {
            let mut numbers = memory.lock().await.unwrap();
            numbers.iter_mut().for_each(|number| *number += 1);
        }
        one.join().await.unwrap();
        two.join().await.unwrap();
        assert_eq!(memory.snapshot().unwrap(), vec![600; 1000]);
    });
}

/// Takes the lock, changes half of it, says so, and keeps it.
#[process(crate = bucle_pool)]
fn hold(memory: SharedMemory<f64>, pipe: Pipe<bool>) {
    let (mut numbers, told) = match memory.lock_blocking() {
        Ok(numbers) => (numbers, false),
        Err(error) => (error.into_guard().unwrap(), true),
    };
    let half = numbers.len() / 2;
    numbers[..half].fill(1.0);
    pipe.send_blocking(&told).unwrap();
    let _ = pipe.recv_blocking();
}

async fn holder(memory: &SharedMemory<f64>) -> (Process<()>, Pipe<bool>) {
    let (ours, theirs) = Pipe::new().unwrap();
    let child = Process::spawn(hold, (memory.clone(), theirs))
        .await
        .unwrap();
    (child, ours)
}

#[test]
fn the_next_holder_is_told_of_a_death() {
    run(async {
        let memory = SharedMemory::<f64>::new(10).unwrap();
        let (first, pipe) = holder(&memory).await;
        assert_eq!(pipe.recv().await.unwrap(), Some(false));
        // Without the lock it can be copied.
        assert_eq!(memory.snapshot().unwrap()[4..6], [1.0, 0.0]);
        let waiting = bucle_loop::timeout(Duration::from_millis(30), memory.lock());
        assert!(waiting.await.is_err(), "the child has it");
        let (locked, ()) = both(memory.lock(), kill(&first)).await;
        match locked {
            Err(LockError::HolderDied(numbers)) => assert_eq!(numbers[4..6], [1.0, 0.0]),
            other => panic!("{other:?}"),
        }
        assert!(memory.lock().await.is_ok(), "told once");

        // A child is told, too; when it lets go, nobody is any more.
        let (second, pipe) = holder(&memory).await;
        assert_eq!(pipe.recv().await.unwrap(), Some(false));
        let (third, next_pipe) = holder(&memory).await;
        bucle_loop::sleep(Duration::from_millis(50)).await;
        kill(&second).await;
        assert_eq!(next_pipe.recv().await.unwrap(), Some(true));
        drop(next_pipe);
        third.join().await.unwrap();
        assert!(memory.lock().await.is_ok());

        // One who dies waiting holds nothing.
        let guard = memory.lock().await.unwrap();
        let (waits, _pipe) = holder(&memory).await;
        bucle_loop::sleep(Duration::from_millis(50)).await;
        kill(&waits).await;
        drop(guard);
        assert!(memory.lock().await.is_ok());
    });
}

/// Tells what it has got, and waits to be killed.
#[process(crate = bucle_pool)]
fn take_permits(semaphore: Semaphore, count: usize, pipe: Pipe<usize>) {
    let permits: Vec<_> = (0..count)
        .map(|_| semaphore.acquire_blocking().unwrap())
        .collect();
    pipe.send_blocking(&permits.len()).unwrap();
    let _ = pipe.recv_blocking();
}

#[test]
fn permits_of_the_dead_come_back() {
    run(async {
        let semaphore = Semaphore::new(3).unwrap();
        let (pipe, theirs) = Pipe::new().unwrap();
        let args = (semaphore.clone(), 2, theirs);
        let child = Process::spawn(take_permits, args).await.unwrap();
        assert_eq!(pipe.recv().await.unwrap(), Some(2));
        assert_eq!(semaphore.available_permits(), Some(1));
        let ours = semaphore.acquire().await.unwrap();
        assert!(!ours.holder_died());
        let (next, ()) = both(semaphore.acquire(), kill(&child)).await;
        let next = next.unwrap();
        assert!(next.holder_died());
        let last = semaphore.acquire().await.unwrap();
        assert!(last.holder_died());
        assert_eq!(semaphore.available_permits(), Some(0));
        drop((ours, next, last));
        assert_eq!(semaphore.available_permits(), Some(3));
        let permit = semaphore.acquire().await.unwrap();
        assert!(!permit.holder_died());

        // Who gives them back in order is no dead holder.
        let (pipe, theirs) = Pipe::new().unwrap();
        let args = (semaphore.clone(), 2, theirs);
        let child = Process::spawn(take_permits, args).await.unwrap();
        assert_eq!(pipe.recv().await.unwrap(), Some(2));
        drop(pipe);
        child.join().await.unwrap();
        assert_eq!(semaphore.available_permits(), Some(2));
        assert!(!semaphore.acquire().await.unwrap().holder_died());
    });
}

/// Gives up again and again, and holds now and then.
#[process(crate = bucle_pool)]
fn jostle(semaphore: Semaphore) {
    let result = bucle_loop::run(async move {
        for wait in 0..500 {
            let acquire = semaphore.acquire();
            if let Ok(permit) = bucle_loop::timeout(Duration::from_micros(wait % 70), acquire).await
            {
                let _permit = permit.unwrap();
                bucle_loop::sleep(Duration::from_micros(50)).await;
            }
        }
    });
    result.unwrap();
}

#[test]
fn no_permit_is_lost_or_made() {
    run(async {
        let semaphore = Semaphore::new(2).unwrap();
        let steady = Process::spawn(jostle, semaphore.clone()).await.unwrap();
        for round in 0..10 {
            let child = Process::spawn(jostle, semaphore.clone()).await.unwrap();
            bucle_loop::sleep(Duration::from_micros(3000 + 977 * round)).await;
            child.kill();
            let _ = child.join().await;
            assert!(semaphore.available_permits().unwrap() <= 2);
        }
        steady.join().await.unwrap();
        let one = semaphore.acquire().await.unwrap();
        let two = semaphore.acquire().await.unwrap();
        assert_eq!(semaphore.available_permits(), Some(0));
        drop((one, two));
        assert_eq!(semaphore.available_permits(), Some(2));
    });
}

#[test]
fn edges() {
    run(async {
        let empty = SharedMemory::<u16>::new(0).unwrap();
        assert!(empty.is_empty());
        assert_eq!(empty.lock().await.unwrap().len(), 0);
        assert!(SharedMemory::<[u8; 0]>::new(3).is_err());
        assert!(SharedMemory::<u64>::new(usize::MAX).is_err());
        let memory = SharedMemory::<[u16; 3]>::new(5).unwrap();
        memory.lock().await.unwrap()[4] = [1, 2, 3];
        let mut items = [[0; 3]; 2];
        memory.copy_to(3, &mut items).unwrap();
        assert_eq!(items, [[0; 3], [1, 2, 3]]);
        assert!(memory.copy_to(4, &mut items).is_err());
        assert!(memory.copy_to(usize::MAX, &mut items).is_err());
        assert!(memory.lock_blocking().is_err(), "its own loop");
        // A wait that is given up.
        let guard = memory.lock().await.unwrap();
        let waiting = bucle_loop::timeout(Duration::from_millis(10), memory.lock());
        assert!(waiting.await.is_err());
        drop(guard);
        assert!(memory.lock().await.is_ok());
    });
}
