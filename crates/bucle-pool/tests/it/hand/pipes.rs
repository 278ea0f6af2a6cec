//! Pipes whose peers die.

use bucle_macros::process;
use bucle_pool::{ChannelError, Nothing, Pipe, Process};

use super::{both, kill, say_and_stop, stopped};
use crate::support::run;

#[process(crate = bucle_pool)]
fn echo(pipe: Pipe<String>) -> u32 {
    let mut count = 0;
    while let Some(text) = pipe.recv_blocking().unwrap() {
        pipe.send_blocking(&text).unwrap();
        count += 1;
    }
    count
}

#[process(crate = bucle_pool)]
fn echo_on_loop(pipe: Pipe<String>) -> u32 {
    let result = bucle_loop::run(async move {
        let mut count = 0;
        while let Some(text) = pipe.recv().await.unwrap() {
            pipe.send(&text).await.unwrap();
            count += 1;
        }
        count
    });
    result.unwrap()
}

async fn talk(child: Process<u32>, ours: Pipe<String>) {
    for len in [0, 1, 40_000, 5 << 20] {
        let text = "ñ".repeat(len);
        ours.send(&text).await.unwrap();
        assert!(ours.recv().await.unwrap() == Some(text), "{len}");
    }
    drop(ours);
    assert_eq!(child.join().await.unwrap(), 4, "it saw our end");
}

#[test]
fn values_go_there_and_back() {
    run(async {
        let (ours, theirs) = Pipe::new().unwrap();
        talk(Process::spawn(echo, theirs).await.unwrap(), ours).await;
        let (ours, theirs) = Pipe::new().unwrap();
        talk(Process::spawn(echo_on_loop, theirs).await.unwrap(), ours).await;
    });
}

#[process(crate = bucle_pool)]
fn say_three(pipe: Pipe<u32>) {
    for n in 0..3 {
        pipe.send_blocking(&n).unwrap();
    }
}

#[test]
fn what_was_sent_is_received_although_the_peer_left_something_unread() {
    run(async {
        let (ours, theirs) = Pipe::new().unwrap();
        ours.send(&7).await.unwrap();
        let child = Process::spawn(say_three, theirs).await.unwrap();
        child.join().await.unwrap();
        for n in 0..3 {
            assert_eq!(ours.recv().await.unwrap(), Some(n));
        }
        assert_eq!(ours.recv().await.unwrap(), None);
    });
}

#[test]
fn a_dead_peer_is_an_end_and_not_a_wait() {
    run(async {
        let (ours, theirs) = Pipe::new().unwrap();
        let child = Process::spawn(say_and_stop, theirs).await.unwrap();
        assert_eq!(ours.recv().await.unwrap(), Some(child.pid()));
        stopped(child.pid()).await;
        // It reads nothing: at some point there is no room, for which one waits, until it dies.
        let full = async {
            loop {
                if let Err(error) = ours.send(&1).await {
                    break error;
                }
            }
        };
        let die = async {
            bucle_loop::sleep(std::time::Duration::from_millis(100)).await;
            kill(&child).await;
        };
        let ((error, end), ()) = both(both(full, ours.recv()), die).await;
        assert!(matches!(error, ChannelError::Closed), "{error}");
        assert_eq!(end.unwrap(), None);
    });
}

/// Numbers and a tail that depends on them, without end.
#[process(crate = bucle_pool)]
fn flood(pipe: Pipe<(u32, Vec<u32>), Nothing>) {
    for number in 0.. {
        let len = if number % 7 == 0 {
            20_000
        } else {
            number as usize % 100
        };
        if pipe.send_blocking(&(number, vec![number; len])).is_err() {
            return;
        }
    }
}

#[test]
fn what_a_killed_sender_has_sent_is_whole() {
    run(async {
        for rounds in 0..5 {
            let (ours, theirs) = Pipe::one_way().unwrap();
            let child = Process::spawn(flood, theirs).await.unwrap();
            let mut expected = 0;
            while let Some((number, tail)) = ours.recv().await.unwrap() {
                assert_eq!(number, expected);
                assert!(tail.iter().all(|one| *one == number));
                expected += 1;
                if number == 50 + rounds * 13 {
                    child.kill();
                }
            }
            assert!(expected > 50);
            assert!(child.join().await.is_err());
        }
    });
}

#[test]
fn two_children_have_a_pipe_between_them() {
    run(async {
        let (one, other) = Pipe::new().unwrap();
        let sender = Process::spawn(flood, one).await.unwrap();
        let reader = Process::spawn(count_all, other).await.unwrap();
        bucle_loop::sleep(std::time::Duration::from_millis(100)).await;
        kill(&sender).await;
        let _count = reader.join().await.unwrap();
    });
}

#[process(crate = bucle_pool)]
fn count_all(pipe: Pipe<Nothing, (u32, Vec<u32>)>) -> usize {
    std::iter::from_fn(|| pipe.recv_blocking().unwrap()).count()
}

#[test]
fn without_a_loop_it_says_what_to_do() {
    let (one, other) = Pipe::<u32>::new().unwrap();
    let mut waiting = std::pin::pin!(one.recv());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match waiting.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(Err(ChannelError::Io(error))) => {
            assert!(error.to_string().contains("_blocking"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    other.send_blocking(&3).unwrap();
    assert_eq!(one.recv_blocking().unwrap(), Some(3));
}

#[test]
fn a_loop_is_not_blocked() {
    let (one, other) = Pipe::<u32>::new().unwrap();
    run(async move {
        let sent = one.send_blocking(&3).unwrap_err().to_string();
        let received = other.recv_blocking().unwrap_err().to_string();
        for error in [sent, received] {
            assert!(error.contains("await instead"), "{error}");
        }
        one.send(&4).await.unwrap();
        assert_eq!(
            other.recv().await.unwrap(),
            Some(4),
            "nothing was sent before"
        );
    });
}
