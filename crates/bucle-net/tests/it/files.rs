//! Files sent by the system.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{sleep, timeout, yield_now};
use bucle_net::{
    HIGH_WATER, LINE_LIMIT, SEND_LIMIT, Transport, open_connection, open_write_pipe, sendfile,
};

use crate::support::*;

fn file(content: &[u8]) -> Rc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Rc::new(file)
}

#[test]
fn small_and_large_files_with_and_without_heads() {
    run(|| async {
        for length in [
            0,
            1,
            1000,
            HIGH_WATER,
            SEND_LIMIT,
            SEND_LIMIT + 1,
            LINE_LIMIT + SEND_LIMIT + 1,
        ] {
            let content = pattern(length);
            let record = Record::new();
            let (transport, peer) = pair(&record).await;
            let received = drain(peer);
            let file = file(&content);
            transport.send_file_after(b"head ", file.clone(), 0, length as u64);
            transport.write(b" between ");
            transport.send_file(
                file.clone(),
                length as u64 / 2,
                length as u64 - length as u64 / 2,
            );
            transport.send_file_after(b" head2 ", file, 0, length as u64 / 2);
            transport.write(b" tail");
            transport.close();
            record.lost().await;
            let expected = [
                b"head ",
                &content[..],
                b" between ",
                &content[length / 2..],
                b" head2 ",
                &content[..length / 2],
                b" tail",
            ]
            .concat();
            let received = received.join().unwrap().unwrap();
            assert!(
                received == expected,
                "{length}: {} of {} bytes",
                received.len(),
                expected.len()
            );
            assert!(record.saw(&Told::Lost(None)));
        }
    });
}

#[test]
fn a_queued_file_counts_for_the_water_marks() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let length = 20_000_000;
        transport.send_file(file(&pattern(length)), 0, length as u64);
        assert!(transport.get_write_buffer_size() > HIGH_WATER);
        assert!(transport.get_write_buffer_size() >= length - SEND_LIMIT);
        assert!(record.saw(&Told::Pause));
        let received = drain(peer);
        record.until(|record| record.saw(&Told::Resume)).await;
        transport.close();
        record.lost().await;
        assert!(received.join().unwrap().unwrap() == pattern(length));
    });
}

/// How much is left to send of all these.
fn left_of(transports: &[Transport]) -> usize {
    transports
        .iter()
        .map(Transport::get_write_buffer_size)
        .sum()
}

#[test]
fn long_files_share_what_is_sent_in_a_turn_and_nobody_is_left_out() {
    const FILES: usize = 8;
    const LENGTH: usize = 12_000_000;
    run(|| async {
        let content = Rc::new(pattern(LENGTH));
        let file = file(&content);
        let mut transports = Vec::new();
        let mut readers = Vec::new();
        for _ in 0..FILES {
            let record = Record::new();
            let (transport, peer) = pair(&record).await;
            readers.push((record, drain(peer)));
            transports.push(transport);
        }
        // All in one turn, whose end sends for them all together.
        for transport in &transports {
            transport.send_file(file.clone(), 0, LENGTH as u64);
        }
        let mut left = left_of(&transports);
        assert!(left >= FILES * (LENGTH - SEND_LIMIT));
        while left > 0 {
            yield_now().await;
            let now = left_of(&transports);
            // The last pieces of files are short, and don't stand in line.
            let most = LINE_LIMIT + FILES * SEND_LIMIT;
            assert!(left - now <= most, "{} bytes in a turn", left - now);
            left = now;
        }
        for transport in &transports {
            transport.close();
        }
        for (record, reader) in readers {
            record.lost().await;
            let received = reader.join().unwrap().unwrap();
            assert!(received == *content, "{} bytes", received.len());
        }
    });
}

#[test]
fn what_is_short_does_not_stand_in_line_behind_long_files() {
    const FILES: usize = 8;
    const LENGTH: usize = 12_000_000;
    run(|| async {
        let file = file(&pattern(LENGTH));
        let mut transports = Vec::new();
        let mut peers = Vec::new();
        for _ in 0..FILES {
            let (transport, peer) = pair(&Record::new()).await;
            transports.push(transport);
            peers.push(peer);
        }
        let record = Record::new();
        let (short, peer) = pair(&record).await;
        for transport in &transports {
            transport.send_file(file.clone(), 0, LENGTH as u64);
        }
        short.write(b"at once, ");
        short.write(b"and at the end of the turn");
        assert!(short.get_write_buffer_size() > 0, "it is gathered");
        yield_now().await;
        assert_eq!(short.get_write_buffer_size(), 0);
        short.close();
        record.lost().await;
        let received = drain(peer).join().unwrap().unwrap();
        assert_eq!(received, b"at once, and at the end of the turn");
        for transport in &transports {
            transport.abort();
        }
    });
}

#[test]
fn a_file_that_is_too_short_aborts_the_connection() {
    run(|| async {
        for (length, promised) in [(0, 10), (10, 11), (300_000, 2_000_000)] {
            let record = Record::new();
            let (transport, peer) = pair(&record).await;
            let received = drain(peer);
            transport.send_file_after(b"head", file(&pattern(length)), 0, promised);
            record.lost().await;
            let error = record.error().expect("a reason");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(error.to_string().contains("shorter"), "{error}");
            // Nothing was padded, and the end is seen to be missing.
            let error = received.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    });
}

#[test]
fn a_file_that_shrinks_while_it_is_sent() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let file = file(&pattern(20_000_000));
        transport.send_file(file.clone(), 0, 20_000_000);
        file.set_len(SEND_LIMIT as u64).unwrap();
        let received = drain(peer);
        record.lost().await;
        let error = record.error().expect("a reason");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(received.join().unwrap().is_err());
    });
}

#[test]
fn a_file_that_sendfile_does_not_serve_is_read_and_written() {
    run(|| async {
        // A file of procfs with a `read` and nothing else.
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let received = drain(peer);
        let file = Rc::new(File::open("/proc/self/auxv").unwrap());
        let mut content = Vec::new();
        File::open("/proc/self/auxv")
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        transport.send_file_after(b"head ", file, 0, content.len() as u64);
        transport.close();
        record.lost().await;
        assert_eq!(
            received.join().unwrap().unwrap(),
            [b"head ", &content[..]].concat()
        );
    });
}

/// The parts of a file that are asked for, and what is sent of them.
const PARTS: [(u64, Option<u64>, u64); 6] = [
    (0, None, 1_000_000),
    (0, Some(10), 10),
    (999_990, None, 10),
    (999_990, Some(100), 10),
    (1_000_000, None, 0),
    (2_000_000, Some(1), 0),
];

#[test]
fn a_sent_file_is_awaited() {
    run(|| async {
        let content = pattern(1_000_000);
        let file = file(&content);
        for (offset, count, sent) in PARTS {
            let record = Record::new();
            let (transport, peer) = pair(&record).await;
            let received = drain(peer);
            transport.write(b"before ");
            let result = sendfile(&transport, file.clone(), offset, count).await;
            assert_eq!(result.unwrap(), sent);
            assert_eq!(transport.get_write_buffer_size(), 0);
            transport.write(b" after");
            transport.close();
            record.lost().await;
            let start = offset.min(1_000_000) as usize;
            let part = &content[start..start + sent as usize];
            let expected = [b"before ", part, b" after"].concat();
            assert!(received.join().unwrap().unwrap() == expected);
        }
    });
}

#[test]
fn a_stream_sends_files() {
    run(|| async {
        let content = pattern(1_000_000);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_, writer) = open_connection(listener.local_addr().unwrap())
            .await
            .unwrap();
        let received = drain(listener.accept().unwrap().0);
        writer.write(b"head ");
        let sent = writer.sendfile(file(&content), 0, None).await.unwrap();
        assert_eq!(sent, 1_000_000);
        writer.send_file(file(&content), 0, 5);
        drop(writer);
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        let expected = [b"head ", &content[..], &content[..5]].concat();
        assert!(received.join().unwrap().unwrap() == expected);
    });
}

#[test]
fn files_that_can_not_be_sent() {
    run(|| async {
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let (read, write) = io::pipe().unwrap();
        let error = sendfile(&transport, read, 0, Some(1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        drop(write);
        transport.write_eof();
        let error = sendfile(&transport, file(b"x"), 0, None).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        transport.close();
        let error = sendfile(&transport, file(b"x"), 0, None).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        drop(peer);
    });
}

#[test]
fn a_connection_that_ends_while_a_file_is_sent() {
    run(|| async {
        let content = pattern(20_000_000);
        // By the peer.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_, writer) = open_connection(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (peer, _) = listener.accept().unwrap();
        bucle_loop::get_running_loop().call_later(Duration::from_millis(5), || drop(peer));
        let error = writer.sendfile(file(&content), 0, None).await.unwrap_err();
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
        // By us, at once.
        let record = Record::new();
        let (transport, _peer) = pair(&record).await;
        bucle_loop::get_running_loop().call_later(Duration::from_millis(5), {
            let transport = transport.clone();
            move || transport.abort()
        });
        let error = sendfile(&transport, file(&content), 0, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        // By us, when everything has left.
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        bucle_loop::get_running_loop().call_later(Duration::from_millis(5), {
            let transport = transport.clone();
            move || transport.close()
        });
        let received = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drain(peer).join().unwrap()
        });
        let sent = sendfile(&transport, file(&content), 0, None).await;
        assert_eq!(sent.unwrap(), 20_000_000);
        record.lost().await;
        assert!(received.join().unwrap().unwrap() == content);
    });
}

#[test]
fn a_dropped_wait_sends_on() {
    run(|| async {
        let content = pattern(20_000_000);
        let record = Record::new();
        let (transport, peer) = pair(&record).await;
        let sending = sendfile(&transport, file(&content), 0, None);
        assert!(timeout(Duration::from_millis(5), sending).await.is_err());
        let received = drain(peer);
        transport.close();
        record.lost().await;
        assert!(received.join().unwrap().unwrap() == content);
    });
}

#[test]
fn a_pipe_takes_files_too() {
    run(|| async {
        let content = pattern(1_000_000);
        let (mut read, write) = io::pipe().unwrap();
        let writer = open_write_pipe(write.into()).unwrap();
        let received = std::thread::spawn(move || {
            let mut all = Vec::new();
            read.read_to_end(&mut all).map(|_| all)
        });
        let sent = writer.sendfile(file(&content), 0, None).await;
        assert_eq!(sent.unwrap(), 1_000_000);
        drop(writer);
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(received.join().unwrap().unwrap() == content);
    });
}
