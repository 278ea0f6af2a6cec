//! Futures of other crates, which need nothing but wakers: they are awaited as they are, and those
//! that cross threads are woken from there.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use event_listener::{Event, Listener};
use futures_channel::{mpsc, oneshot};
use futures_util::{FutureExt, SinkExt, StreamExt, future, pin_mut, select};

const ITEMS: u32 = 1000;

#[bucle::test]
async fn a_oneshot_between_tasks() {
    let (sender, receiver) = oneshot::channel();
    let task = bucle::spawn(receiver);
    bucle::yield_now().await;
    sender.send("sent").unwrap();
    assert_eq!(task.await.unwrap(), Ok("sent"));

    let (sender, receiver) = oneshot::channel::<()>();
    let task = bucle::spawn(receiver);
    bucle::yield_now().await;
    drop(sender);
    assert_eq!(task.await.unwrap(), Err(oneshot::Canceled));
}

/// Cancelling a task drops the foreign future where it waits, which is how its sender learns of it.
#[bucle::test]
async fn a_cancelled_receiver_is_told_to_its_sender() {
    let (mut sender, receiver) = oneshot::channel::<()>();
    let task = bucle::spawn(receiver);
    bucle::yield_now().await;
    task.cancel("nobody needs it");
    sender.cancellation().await;
    assert!(sender.is_canceled());
    assert!(task.await.unwrap_err().cancelled().is_some());
}

#[bucle::test]
async fn a_bounded_channel_makes_its_sender_wait() {
    let (mut sender, receiver) = mpsc::channel(2);
    let sent = Rc::new(Cell::new(0));
    let count = sent.clone();
    let sending = bucle::spawn(async move {
        for n in 0..ITEMS {
            sender.send(n).await.unwrap();
            count.set(n + 1);
        }
    });
    bucle::sleep(Duration::from_millis(1)).await;
    assert!(sent.get() < ITEMS, "nobody has received");
    let received: Vec<u32> = receiver.collect().await;
    assert_eq!(received, (0..ITEMS).collect::<Vec<_>>());
    sending.await.unwrap();
}

#[bucle::test]
async fn async_channels_between_many_tasks() {
    let (sender, receiver) = async_channel::bounded(3);
    let receivers = bucle::gather((0..4).map(|_| {
        let receiver = receiver.clone();
        async move {
            let mut sum = 0;
            while let Ok(n) = receiver.recv().await {
                sum += n;
            }
            sum
        }
    }));
    let senders = bucle::gather((0..4).map(|_| {
        let sender = sender.clone();
        async move {
            for n in 0..ITEMS {
                sender.send(n).await.unwrap();
            }
        }
    }));
    drop(sender);
    let (sums, sent) = future::join(receivers, senders).await;
    sent.unwrap();
    let total: u32 = sums.unwrap().into_iter().sum();
    assert_eq!(total, 4 * (0..ITEMS).sum::<u32>());
}

#[bucle::test]
async fn a_receiver_that_is_timed_out_loses_no_item() {
    let (sender, receiver) = async_channel::unbounded();
    let short = Duration::from_millis(1);
    assert!(bucle::timeout(short, receiver.recv()).await.is_err());
    sender.send(1).await.unwrap();
    assert_eq!(bucle::timeout(short, receiver.recv()).await, Ok(Ok(1)));
}

#[bucle::test]
async fn event_listeners_between_tasks() {
    let event = Rc::new(Event::new());
    let ready = Rc::new(Cell::new(false));
    let waiting = bucle::gather((0..3).map(|_| {
        let (event, ready) = (event.clone(), ready.clone());
        async move {
            while !ready.get() {
                event.listen().await;
            }
        }
    }));
    bucle::yield_now().await;
    ready.set(true);
    event.notify(usize::MAX);
    waiting.await.unwrap();
}

#[bucle::test]
async fn select_of_the_futures_crate() {
    let (sender, receiver) = oneshot::channel();
    let receiver = receiver.fuse();
    let ticks = bucle::sleep(Duration::from_secs(1)).fuse();
    pin_mut!(receiver, ticks);
    let mut sender = Some(sender);
    let mut seen = Vec::new();
    loop {
        select! {
            () = ticks => {
                seen.push("a second");
                sender.take().unwrap().send(()).unwrap();
            }
            sent = receiver => {
                sent.unwrap();
                seen.push("a message");
                break;
            }
        }
    }
    assert_eq!(seen, ["a second", "a message"]);
}

// From other threads. A thread is real, so these run in the real world.

#[bucle::test(real)]
async fn channels_that_are_filled_by_a_thread() {
    let (done, end) = oneshot::channel();
    let (sender, mut stream) = mpsc::unbounded();
    let (other, receiver) = async_channel::bounded(1);
    let thread = thread::spawn(move || {
        for n in 0..ITEMS {
            sender.unbounded_send(n).unwrap();
            other.send_blocking(n).unwrap();
        }
        done.send("through").unwrap();
    });
    let pairs = bucle::spawn(async move {
        for n in 0..ITEMS {
            assert_eq!(stream.next().await, Some(n));
            assert_eq!(receiver.recv().await, Ok(n));
        }
        assert_eq!(stream.next().await, None);
    });
    assert_eq!(end.await, Ok("through"));
    pairs.await.unwrap();
    thread.join().unwrap();
}

#[bucle::test(real)]
async fn a_thread_and_a_task_take_turns_by_events() {
    let (ours, theirs) = (Event::new(), std::sync::Arc::new(Event::new()));
    let ours = std::sync::Arc::new(ours);
    let (wake_us, wait_for_us) = (ours.clone(), theirs.clone());
    // Each listens before it notifies, so that no notice is missed.
    let mut listener = ours.listen();
    let their_listener = theirs.listen();
    let thread = thread::spawn(move || {
        let mut listener = their_listener;
        for _ in 0..100 {
            listener.wait();
            listener = wait_for_us.listen();
            wake_us.notify(1);
        }
    });
    for _ in 0..100 {
        theirs.notify(1);
        listener.await;
        listener = ours.listen();
    }
    thread.join().unwrap();
}
