//! Bytes that leave only as they are allowed to.

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{get_running_loop, sleep};
use bucle_net::{HIGH_WATER, Transport};
use bytes::Bytes;

use crate::support::*;

/// Lets the loop do what it can, and the system too.
async fn settle() {
    for _ in 0..10 {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What is left after all that is allowed has left.
async fn left(transport: &Transport, wanted: usize) -> usize {
    // A socket with room in it, and a peer that reads, take it at once or soon.
    for _ in 0..1000 {
        if transport.get_write_buffer_size() <= wanted {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    settle().await;
    transport.get_write_buffer_size()
}

#[test]
fn no_more_leaves_than_is_allowed() {
    run(|| async {
        let content = pattern(1_000_000);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let file = Rc::new(file);
        for kind in 0..4 {
            let record = Record::new();
            let (transport, peer) = pair(&record).await;
            let received = drain(peer);
            transport.limit_sending(1000);
            match kind {
                0 => transport.write(&content),
                1 => transport.write_bytes(content.clone().into()),
                2 => transport.writelines(content.chunks(777).map(Bytes::copy_from_slice)),
                _ => transport.send_file_after(&content[..10], file.clone(), 10, 999_990),
            }
            assert_eq!(left(&transport, 999_000).await, 999_000, "{kind}");
            // No more than so much at a time, however often it is allowed.
            transport.allow_sending(3_000, 5_000);
            transport.allow_sending(3_000, 5_000);
            assert_eq!(left(&transport, 994_000).await, 994_000, "{kind}");
            // A turn's share and a full socket are waited for as ever.
            transport.allow_sending(u64::MAX, 990_000);
            assert_eq!(left(&transport, 4_000).await, 4_000, "{kind}");
            transport.allow_sending(4_000, 4_000);
            transport.close();
            record.lost().await;
            assert!(received.join().unwrap().unwrap() == content, "{kind}");
        }
    });
}

#[test]
fn what_is_held_back_waits_as_for_a_peer_that_does_not_read() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        transport.limit_sending(10);
        let content = pattern(2 * HIGH_WATER);
        transport.write(&content);
        record.until(|record| record.saw(&Told::Pause)).await;
        // The loop sleeps meanwhile, though the socket has room.
        let turns = get_running_loop().turn_number();
        sleep(Duration::from_millis(50)).await;
        let turns = get_running_loop().turn_number() - turns;
        assert!(turns < 10, "{turns} turns for nothing");
        // What is closed still leaves when it may.
        transport.close();
        settle().await;
        assert!(!record.is_lost());
        let received = drain(peer);
        transport.allow_sending(content.len() as u64, u64::MAX);
        record.lost().await;
        assert!(received.join().unwrap().unwrap() == content);
    });
}

#[test]
fn a_full_socket_and_no_leave_make_no_loop_spin() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let content = pattern(64 * 1024 * 1024);
        // More than the buffers between the two take.
        transport.limit_sending(content.len() as u64 - 1);
        transport.write_bytes(content.clone().into());
        settle().await;
        let received = drain(peer);
        // The leave runs out while the socket is watched for room.
        assert_eq!(left(&transport, 1).await, 1);
        let turns = get_running_loop().turn_number();
        sleep(Duration::from_millis(50)).await;
        let turns = get_running_loop().turn_number() - turns;
        assert!(turns < 10, "{turns} turns for nothing");
        transport.allow_sending(1, 1);
        transport.close();
        record.lost().await;
        assert!(received.join().unwrap().unwrap() == content);
    });
}
