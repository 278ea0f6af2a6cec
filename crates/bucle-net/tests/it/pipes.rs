//! Pipes as transports and as streams.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use bucle_loop::sleep;
use bucle_net::{
    HIGH_WATER, connect_read_pipe, connect_write_pipe, open_read_pipe, open_read_pipe_with,
    open_write_pipe,
};

use crate::support::*;

fn pipe() -> (PipeReader, PipeWriter) {
    io::pipe().unwrap()
}

#[test]
fn a_read_pipe_receives_and_ends() {
    run(|| async {
        let (read, mut write) = pipe();
        // Kept open or not, a pipe whose other end is closed is at its end.
        let record = Record::new().keep_open();
        let transport = connect_read_pipe(read.into(), record.protocol()).unwrap();
        write.write_all(b"12345").unwrap();
        record.until(|record| record.bytes() == 5).await;
        drop(write);
        record.lost().await;
        assert_eq!(
            record.told(),
            [
                Told::Made,
                Told::Data(b"12345".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
        assert!(transport.is_closing());
    });
}

#[test]
fn writing_to_the_end_that_reads_is_an_error() {
    run(|| async {
        let (read, _write) = pipe();
        let record = Record::new();
        let transport = connect_read_pipe(read.into(), record.protocol()).unwrap();
        transport.write(b"no");
        record.lost().await;
        let error = record.error().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("for reading"), "{error}");
    });
}

#[test]
fn a_write_pipe_sends_what_was_queued_before_it_closes() {
    run(|| async {
        let (mut read, write) = pipe();
        let record = Record::new();
        let transport = connect_write_pipe(write.into(), record.protocol()).unwrap();
        // More than a pipe holds.
        let sent = pattern(1_000_000);
        transport.write(&sent[..10]);
        transport.write(&sent[10..]);
        assert!(transport.get_write_buffer_size() > HIGH_WATER);
        transport.write_eof();
        assert!(transport.is_closing());
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            read.read_to_end(&mut all).map(|_| all)
        });
        record.lost().await;
        assert!(reading.join().unwrap().unwrap() == sent);
        assert_eq!(
            record.told(),
            [Told::Made, Told::Pause, Told::Resume, Told::Lost(None)]
        );
    });
}

#[test]
fn a_write_pipe_nobody_reads_ends_by_itself() {
    run(|| async {
        // Nothing was lost by it.
        let (read, write) = pipe();
        let record = Record::new();
        let transport = connect_write_pipe(write.into(), record.protocol()).unwrap();
        transport.write(b"x");
        drop(read);
        record.lost().await;
        assert_eq!(record.told(), [Told::Made, Told::Lost(None)]);
        // Something was.
        let (read, write) = pipe();
        let record = Record::new();
        let transport = connect_write_pipe(write.into(), record.protocol()).unwrap();
        transport.write(&pattern(1_000_000));
        drop(read);
        record.lost().await;
        assert!(record.saw(&Told::Lost(Some(io::ErrorKind::BrokenPipe))));
    });
}

#[test]
fn pausing_a_read_pipe_leaves_the_writer_blocked() {
    run(|| async {
        let (read, write) = pipe();
        let record = Record::new();
        let transport = connect_read_pipe(read.into(), record.protocol()).unwrap();
        transport.pause_reading();
        let writer_record = Record::new();
        let writer = connect_write_pipe(write.into(), writer_record.protocol()).unwrap();
        writer.write(&pattern(500_000));
        for _ in 0..20 {
            bucle_loop::yield_now().await;
        }
        assert_eq!(record.bytes(), 0);
        assert!(writer.get_write_buffer_size() > 0);
        transport.resume_reading();
        writer.close();
        record.lost().await;
        assert_eq!(record.bytes(), 500_000);
    });
}

#[test]
fn regular_files_are_refused() {
    run(|| async {
        for connect in [connect_read_pipe, connect_write_pipe] {
            let file = tempfile::tempfile().unwrap();
            let error = connect(file.into(), Record::new().protocol()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("regular file"), "{error}");
        }
    });
}

#[test]
fn a_device_that_is_always_ready_is_written_to() {
    run(|| async {
        let null = std::fs::File::options().write(true).open("/dev/null");
        let writer = open_write_pipe(OwnedFd::from(null.unwrap())).unwrap();
        writer.write(b"gone");
        writer.drain().await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

/// What comes to read is what we have written ourselves, and no sign that nobody reads.
#[test]
fn a_fifo_that_is_open_for_reading_too_goes_on_after_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut file = std::fs::File::options();
    let mut file = file.read(true).write(true).open(&path).unwrap();
    run(|| async move {
        let record = Record::new();
        let ours = file.try_clone().unwrap();
        let transport = connect_write_pipe(ours.into(), record.protocol()).unwrap();
        transport.write(b"first");
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(!record.is_lost());
        transport.write(b"second");
        let mut read = [0; 11];
        file.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"firstsecond");
    });
}

#[test]
fn streams_over_a_pipe() {
    run(|| async {
        let (read, write) = pipe();
        let mut reader = open_read_pipe_with(read.into(), 10).unwrap();
        let writer = open_write_pipe(write.into()).unwrap();
        writer.write(b"a line\nand ");
        assert_eq!(reader.readline().await.unwrap(), b"a line\n");
        writer.write(b"the rest");
        drop(writer);
        assert_eq!(reader.read_to_end().await.unwrap(), b"and the rest");
        assert!(reader.at_eof());
    });
}

#[test]
fn dropping_the_reader_of_a_pipe_closes_it() {
    run(|| async {
        let (read, write) = pipe();
        let reader = open_read_pipe(read.into()).unwrap();
        let writer = open_write_pipe(write.into()).unwrap();
        writer.write(b"not read");
        drop(reader);
        writer.wait_closed().await.unwrap();
        writer.write(b"more");
        assert!(writer.drain().await.is_err());
    });
}
