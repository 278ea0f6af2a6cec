//! Files sent by the system.

use std::fs::File;
use std::io::{self, Read, Write};
use std::rc::Rc;

use bucle_net::{HIGH_WATER, SEND_LIMIT};

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
            5_000_000,
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
