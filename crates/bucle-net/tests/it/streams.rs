//! Streams.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{get_running_loop, sleep, timeout, yield_now};
use bucle_net::{
    ConnectOptions, Protocol, ReadError, ServerOptions, StreamProtocol, StreamReader, StreamWriter,
    Transport, create_server, open_connection, open_connection_with, start_server,
    start_server_with,
};
use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::support::*;
use crate::worlds::in_both;

/// A stream with a raw peer.
async fn stream(limit: usize) -> (StreamReader, StreamWriter, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reader, writer) = open_connection_with(
        listener.local_addr().unwrap(),
        ConnectOptions::default().limit(limit),
    )
    .await
    .unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(WATCHDOG)).unwrap();
    peer.set_nodelay(true).unwrap();
    (reader, writer, peer)
}

#[test]
fn reads_of_every_kind() {
    run(|| async {
        let (mut reader, _writer, mut peer) = stream(64).await;
        peer.write_all(b"line one\nline two\nkey=value;;rest of it")
            .unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"line one\n");
        assert_eq!(reader.read(4).await.unwrap(), b"line");
        assert_eq!(reader.readline().await.unwrap(), b" two\n");
        assert_eq!(reader.readuntil(b";;").await.unwrap(), b"key=value;;");
        assert_eq!(reader.readexactly(4).await.unwrap(), b"rest");
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert_eq!(reader.read(0).await.unwrap(), b"");
        assert!(!reader.at_eof());
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b" of it");
        assert!(reader.at_eof());
        assert_eq!(reader.read(10).await.unwrap(), b"");
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert!(matches!(
            reader.readuntil(b"").await,
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::InvalidInput
        ));
    });
}

#[test]
fn an_early_end_gives_what_there_was() {
    run(|| async {
        let (mut reader, _writer, mut peer) = stream(64).await;
        peer.write_all(b"abc").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        match reader.readexactly(5).await {
            Err(ReadError::Incomplete { partial, expected }) => {
                assert_eq!((&partial[..], expected), (&b"abc"[..], Some(5)));
            }
            other => panic!("{other:?}"),
        }
        let (mut reader, _writer, mut peer) = stream(64).await;
        peer.write_all(b"abc").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let error = io::Error::from(reader.readuntil(b"x").await.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let (mut reader, _writer, mut peer) = stream(64).await;
        peer.write_all(b"no newline").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"no newline");
    });
}

#[test]
fn going_over_the_limit_loses_nothing() {
    run(|| async {
        // The separator comes late.
        let (mut reader, _writer, mut peer) = stream(10).await;
        peer.write_all(b"0123456789abc\nnext\n").unwrap();
        let error = reader.readline().await.unwrap_err();
        assert!(error.to_string().contains("limit is 10"), "{error}");
        match error {
            ReadError::LimitOverrun { consumed, .. } => {
                assert!((11..=13).contains(&consumed), "{consumed}");
                let part = reader.readexactly(consumed).await.unwrap();
                let rest = reader.readline().await.unwrap();
                assert_eq!([part, rest].concat(), b"0123456789abc\n");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.readline().await.unwrap(), b"next\n");
        // At the limit is not over it.
        peer.write_all(b"0123456789\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"0123456789\n");
        // More than the limit may be asked for by number.
        peer.write_all(&pattern(1000)).unwrap();
        assert_eq!(reader.readexactly(1000).await.unwrap(), pattern(1000));
    });
}

#[test]
fn of_several_separators_the_first_to_end_counts() {
    run(|| async {
        let (mut reader, _writer, mut peer) = stream(20).await;
        peer.write_all(b"one\r\ntwo\nthree;\nABCDE").unwrap();
        for expected in [&b"one\r\n"[..], b"two\n", b"three;", b"\n"] {
            let separators: [&[u8]; 3] = [b"\n", b"\r\n", b";"];
            assert_eq!(reader.readuntil_any(&separators).await.unwrap(), expected);
        }
        // The longer one begins first and ends last.
        let separators: [&[u8]; 2] = [b"ABCDE", b"CD"];
        assert_eq!(reader.readuntil_any(&separators).await.unwrap(), b"ABCD");
        // However they are cut.
        assert_eq!(reader.readexactly(1).await.unwrap(), b"E");
        for byte in b"xxABCDE" {
            peer.write_all(&[*byte]).unwrap();
            let part = reader.readuntil_any(&[b"ABCDE", b"zz"]);
            match timeout(Duration::from_millis(2), part).await {
                Ok(read) => assert_eq!(read.unwrap(), b"xxABCDE"),
                Err(_) => assert_ne!(*byte, b'E'),
            }
        }
        peer.write_all(&pattern(50)).unwrap();
        let error = reader
            .readuntil_any(&[b"no", b"nothing"])
            .await
            .unwrap_err();
        assert!(matches!(
            error,
            ReadError::LimitOverrun { found: false, .. }
        ));
        assert_eq!(reader.readexactly(50).await.unwrap(), pattern(50));
        for wrong in [&[][..], &[&b""[..]], &[&b"x"[..], b""]] {
            assert!(matches!(
                reader.readuntil_any(wrong).await,
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::InvalidInput
            ));
        }
    });
}

#[test]
fn large_reads_take_what_there_is() {
    in_both(|| async {
        let sent = pattern(300_000);
        let server = {
            let sent = sent.clone();
            start_server("127.0.0.1:0", move |_, writer: StreamWriter| {
                let sent = sent.clone();
                async move {
                    for piece in sent.chunks(7_000) {
                        writer.write(piece);
                        writer.drain().await.unwrap();
                    }
                }
            })
            .unwrap()
        };
        for size in [1_000, 5_000, 65_536, 200_000] {
            let (mut reader, _writer) = open_connection(&server.sockets()[0]).await.unwrap();
            let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
            loop {
                let read = reader.read_into(&mut buffer).await.unwrap();
                if read == 0 {
                    break;
                }
                all.extend_from_slice(&buffer[..read]);
                // By another way, and by one that buffers.
                all.extend(reader.read(size).await.unwrap());
                all.extend(reader.readline().await.unwrap());
            }
            assert!(all == sent, "{size}");
            assert!(reader.at_eof());
        }
        server.close();
    });
}

/// Whatever came before, each message comes whole and in memory of about its length; one as long as
/// those before it comes in one piece.
#[test]
fn reads_make_room_for_what_comes() {
    run(|| async {
        let (mut reader, _writer, mut peer) = stream(65_536).await;
        let mut before = [0; 2];
        for size in [
            1000, 1000, 1000, 40, 40, 3000, 3000, 3000, 1, 60_000, 700, 700,
        ] {
            let sent = pattern(size);
            peer.write_all(&sent).unwrap();
            let (mut all, mut pieces) = (Vec::new(), 0);
            while all.len() < size {
                let piece = reader.read(65_536).await.unwrap();
                assert!(!piece.is_empty(), "an end after {} of {size}", all.len());
                assert!(piece.capacity() <= 2 * piece.len() + 8, "{size}");
                all.extend(piece);
                pieces += 1;
            }
            assert!(all == sent, "{size}");
            assert!(pieces == 1 || before != [size; 2], "{size} in {pieces}");
            before = [before[1], size];
        }
    });
}

#[test]
fn a_read_that_was_woken_and_dropped_loses_nothing() {
    run(|| async {
        let (mut reader, _writer, mut peer) = stream(64).await;
        let mut buffer = vec![0; 10_000];
        // Waits, and is gone when what it waited for has come.
        let gone = timeout(Duration::from_millis(1), reader.read_into(&mut buffer)).await;
        assert!(gone.is_err());
        peer.write_all(b"first").unwrap();
        sleep(Duration::from_millis(5)).await;
        peer.write_all(b" second").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"first second");
    });
}

#[test]
fn a_dropped_read_loses_nothing() {
    run(|| async {
        let (mut reader, _writer, mut peer) = stream(1000).await;
        for _ in 0..20 {
            peer.write_all(b"ab").unwrap();
            let short = Duration::from_millis(1);
            let _ = timeout(short, reader.readexactly(100)).await;
            let _ = timeout(short, reader.readline()).await;
            let _ = timeout(short, reader.read_to_end()).await;
        }
        peer.write_all(b"\n").unwrap();
        let expected = ["ab".repeat(20), "\n".into()].concat();
        assert_eq!(reader.readline().await.unwrap(), expected.as_bytes());
    });
}

#[test]
fn reading_pauses_above_twice_the_limit() {
    run(|| async {
        let (mut reader, writer, peer) = stream(1000).await;
        let content = pattern(20_000_000);
        let feeding = feed(peer, content.clone());
        while writer.transport().is_reading() {
            sleep(Duration::from_millis(1)).await;
        }
        // One read of the loop's buffer, at most, above the mark.
        let held = format!("{reader:?}");
        let buffered: usize = held
            .split("buffered: ")
            .nth(1)
            .and_then(|rest| rest.split(',').next())
            .unwrap()
            .parse()
            .unwrap();
        assert!(buffered > 2000 && buffered <= 2000 + 64 * 1024, "{held}");
        let mut all = Vec::new();
        loop {
            let some = reader.read(10_000).await.unwrap();
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
        assert!(all == content);
        feeding.join().unwrap().unwrap();
    });
}

#[test]
fn drain_waits_for_a_slow_reader() {
    run(|| async {
        let (_reader, writer, peer) = stream(1000).await;
        let content = pattern(8_000_000);
        writer.write(&content);
        let waited = timeout(Duration::from_millis(20), writer.drain()).await;
        assert!(waited.is_err(), "nobody reads");
        let received = drain(peer);
        writer.drain().await.unwrap();
        let (low, _) = writer.transport().get_write_buffer_limits();
        assert!(writer.transport().get_write_buffer_size() <= low);
        drop(writer);
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(received.join().unwrap().unwrap() == content);
    });
}

#[test]
fn several_tasks_drain_at_once() {
    run(|| async {
        let (_reader, writer, peer) = stream(64).await;
        let writer = Rc::new(writer);
        writer.write(&pattern(20_000_000));
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let writer = writer.clone();
                bucle_loop::spawn(async move { writer.drain().await })
            })
            .collect();
        yield_now().await;
        assert!(waiting.iter().all(|task| !task.done()));
        let received = drain(peer);
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        writer.close();
        writer.wait_closed().await.unwrap();
        assert_eq!(received.join().unwrap().unwrap().len(), 20_000_000);
    });
}

#[test]
fn closing_with_something_unread() {
    run(|| async {
        let (mut reader, writer, mut peer) = stream(64).await;
        peer.write_all(b"read\nnot read\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"read\n");
        writer.close();
        writer.wait_closed().await.unwrap();
        // What was received can still be read.
        assert_eq!(reader.readline().await.unwrap(), b"not read\n");
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert!(reader.at_eof());
        writer.write(b"dropped");
        assert!(writer.drain().await.is_err());
    });
}

#[test]
fn streams_can_be_printed() {
    run(|| async {
        let (mut reader, writer, mut peer) = stream(64).await;
        peer.write_all(b"12345").unwrap();
        assert_eq!(reader.readexactly(2).await.unwrap(), b"12");
        let text = format!("{reader:?} {writer:?}");
        assert!(
            text.contains("buffered: 3, eof: false, limit: 64"),
            "{text}"
        );
        assert!(text.contains("closing: false"), "{text}");
    });
}

#[test]
fn a_reset_is_told_to_reader_and_writer_after_what_was_received() {
    run(|| async {
        let (mut reader, writer, mut peer) = stream(1000).await;
        peer.write_all(b"last words").unwrap();
        // Received before the reset comes.
        while !format!("{reader:?}").contains("buffered: 10") {
            sleep(Duration::from_millis(1)).await;
        }
        bucle_sys::socket::reset_on_close(&peer).unwrap();
        drop(peer);
        assert_eq!(reader.readexactly(4).await.unwrap(), b"last");
        match reader.readexactly(100).await {
            Err(ReadError::Io(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.read(100).await.unwrap(), b" words");
        for _ in 0..2 {
            let error = reader.read(1).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        writer.write(b"too late");
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(writer.wait_closed().await.is_err());
    });
}

#[test]
fn a_failed_write_is_told_by_drain() {
    run(|| async {
        let (_reader, writer, peer) = stream(1000).await;
        writer.transport().pause_reading();
        bucle_sys::socket::reset_on_close(&peer).unwrap();
        drop(peer);
        sleep(Duration::from_millis(10)).await;
        writer.write(b"x");
        let error = writer.drain().await.unwrap_err();
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
            "{error}"
        );
    });
}

#[test]
fn closing_and_waiting_for_it() {
    run(|| async {
        let (mut reader, writer, peer) = stream(1000).await;
        writer.write(b"bye");
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        assert_eq!(drain(peer).join().unwrap().unwrap(), b"bye");
        assert_eq!(
            writer.drain().await.unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        assert_eq!(reader.read(10).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn a_half_closed_stream_gets_its_answer() {
    run(|| async {
        let server = start_server("127.0.0.1:0", async |mut reader, writer| {
            let question = reader.read_to_end().await.unwrap();
            writer.write(&question);
        })
        .unwrap();
        let (mut reader, writer) = open_connection(&server.sockets()[0]).await.unwrap();
        writer.write(b"all of ");
        writer.writelines([&b"the "[..], b"question"]);
        assert!(writer.can_write_eof());
        writer.write_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"all of the question");
        server.close();
        drop(writer);
        server.wait_closed().await;
    });
}

#[test]
fn a_handler_that_panics_is_told_and_its_connection_closed() {
    run(|| async {
        let told = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let told = told.clone();
            move |_, context| told.borrow_mut().push(context.to_string())
        });
        let server = start_server("127.0.0.1:0", async |mut reader: StreamReader, _writer| {
            let _ = reader.readline().await;
            panic!("handler trouble");
        })
        .unwrap();
        let (mut reader, writer) = open_connection(&server.sockets()[0]).await.unwrap();
        writer.write(b"go\n");
        assert_eq!(reader.read(1).await.unwrap(), b"");
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(told.borrow().len(), 1);
        assert!(told.borrow()[0].contains("handler trouble"), "{told:?}");
        assert!(told.borrow()[0].contains("stream handler"), "{told:?}");
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn many_echo_connections() {
    run(|| async {
        let served = Rc::new(Cell::new(0));
        let count = served.clone();
        let server = start_server_with(
            "127.0.0.1:0",
            ServerOptions::default(),
            4096,
            move |mut reader: StreamReader, writer: StreamWriter| {
                count.set(count.get() + 1);
                async move {
                    loop {
                        let some = reader.read(4096).await.unwrap();
                        if some.is_empty() {
                            break;
                        }
                        writer.write(&some);
                        writer.drain().await.unwrap();
                    }
                }
            },
        )
        .unwrap();
        let address = server.sockets()[0].clone();
        let clients = (0..50).map(|number| {
            let address = address.clone();
            async move {
                let (mut reader, writer) = open_connection(&address).await.unwrap();
                let message = pattern(1000 * number + 1);
                writer.write(&message);
                writer.write_eof();
                assert!(reader.read_to_end().await.unwrap() == message);
            }
        });
        for result in bucle_loop::gather(clients).await.unwrap() {
            let () = result;
        }
        assert_eq!(served.get(), 50);
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_reader_that_is_gone_does_not_block_its_peer() {
    run(|| async {
        let (reader, writer, peer) = stream(1000).await;
        let feeding = feed(peer, pattern(5_000_000));
        sleep(Duration::from_millis(5)).await;
        drop(reader);
        while !feeding.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        let peer = feeding.join().unwrap().unwrap();
        writer.write(b"thanks");
        // Not closed: what is still on its way to us would be answered with a reset.
        writer.write_eof();
        let received = drain(peer);
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(received.join().unwrap().unwrap(), b"thanks");
    });
}

#[test]
fn the_traits_of_futures_io() {
    run(|| async {
        let (mut reader, mut writer, mut peer) = stream(1000).await;
        let mut lines = String::new();
        peer.write_all(b"one\ntwo\nthree").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        AsyncBufReadExt::read_line(&mut reader, &mut lines)
            .await
            .unwrap();
        assert_eq!(lines, "one\n");
        let mut some = [0; 2];
        AsyncReadExt::read_exact(&mut reader, &mut some)
            .await
            .unwrap();
        assert_eq!(&some, b"tw");
        assert_eq!(reader.readline().await.unwrap(), b"o\n");
        let mut rest = Vec::new();
        AsyncReadExt::read_to_end(&mut reader, &mut rest)
            .await
            .unwrap();
        assert_eq!(rest, b"three");

        let content = pattern(3_000_000);
        let received = drain(peer);
        AsyncWriteExt::write_all(&mut writer, &content)
            .await
            .unwrap();
        AsyncWriteExt::flush(&mut writer).await.unwrap();
        assert_eq!(writer.transport().get_write_buffer_size(), 0);
        AsyncWriteExt::close(&mut writer).await.unwrap();
        assert!(!writer.is_closing());
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(received.join().unwrap().unwrap() == content);
        writer.close();
        assert!(AsyncWriteExt::write(&mut writer, b"x").await.is_err());
    });
}

#[test]
fn copying_from_stream_to_stream() {
    run(|| async {
        let server = start_server("127.0.0.1:0", async |reader, mut writer| {
            futures_util::io::copy(reader, &mut writer).await.unwrap();
        })
        .unwrap();
        let mut client = TcpStream::connect(server.sockets()[0].as_tcp().unwrap()).unwrap();
        let feeding = feed(client.try_clone().unwrap(), pattern(4_000_000));
        let received = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        while !received.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(received.join().unwrap() == pattern(4_000_000));
        feeding.join().unwrap().unwrap();
    });
}

/// Takes a first line itself, and goes on as streams with what comes behind it.
#[derive(Default)]
struct Upgrades {
    transport: Option<Transport>,
    first: Vec<u8>,
}

impl Protocol for Upgrades {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.first.extend_from_slice(data);
        let Some(end) = self.first.iter().position(|byte| *byte == b'\n') else {
            return;
        };
        let transport = self.transport.take().unwrap();
        let (mut protocol, mut reader, writer) = StreamProtocol::attach(&transport, 64);
        protocol.data_received(&self.first[end + 1..]);
        transport.set_protocol(protocol);
        let echo = async move {
            let all = reader.read_to_end().await.unwrap();
            writer.write(&all);
        };
        bucle_loop::spawn(echo).detach();
    }
}

#[test]
fn a_connection_goes_on_as_streams_and_loses_nothing() {
    run(|| async {
        let server = create_server("127.0.0.1:0", ServerOptions::default(), Upgrades::default);
        let server = server.unwrap();
        let address = server.sockets()[0].as_tcp().unwrap();
        // The first bytes behind the line come with it, or after it.
        for pieces in [
            &[&b"upgrade\nfirst, "[..], b"second"][..],
            &[b"up", b"grade\n", b"first, second"],
        ] {
            let (mut reader, writer) = open_connection(address).await.unwrap();
            for piece in pieces {
                writer.write(piece);
                sleep(Duration::from_millis(5)).await;
            }
            writer.write_eof();
            assert_eq!(reader.read_to_end().await.unwrap(), b"first, second");
        }
    });
}
