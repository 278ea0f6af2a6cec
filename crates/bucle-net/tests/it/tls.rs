//! TLS: what both ends of a connection see.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use bucle_loop::{EventLoop, get_running_loop, sleep, timeout, yield_now};
use bucle_net::tls::{ClientContext, ServerContext, start_tls};
use bucle_net::{
    ConnectOptions, HIGH_WATER, Protocol, ReadError, Server, ServerOptions, StreamReader,
    StreamWriter, Transport, create_connection, create_connection_with, create_server,
    open_connection_with, start_server_with,
};

use crate::certificates::{CLIENT, SERVER, client, server};
use crate::support::*;
use crate::worlds::in_both;

fn accepting() -> ServerOptions {
    ServerOptions::default().tls(server())
}

fn connecting() -> ConnectOptions {
    ConnectOptions::default().tls(client())
}

/// A TLS server whose connections all tell the same record.
fn serve_tls(record: &Record) -> (Server, SocketAddr) {
    let record = record.clone();
    let server = create_server("127.0.0.1:0", accepting(), move || record.protocol()).unwrap();
    let address = server.sockets()[0].as_tcp().unwrap();
    (server, address)
}

/// Both ends of a connection.
pub(crate) async fn both(ours: &Record, theirs: &Record) -> (Transport, Transport, Server) {
    let (server, address) = serve_tls(theirs);
    let transport = create_connection_with(address, connecting(), || ours.protocol())
        .await
        .unwrap();
    let peer = theirs.made().await;
    (transport, peer, server)
}

/// Both ends of a connection as streams.
async fn streams() -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter)) {
    let accepted = Rc::new(RefCell::new(None));
    let server = start_server_with("127.0.0.1:0", accepting(), 65536, {
        let accepted = accepted.clone();
        move |reader, writer| {
            accepted.replace(Some((reader, writer)));
            async {}
        }
    })
    .unwrap();
    let ours = open_connection_with(&server.sockets()[0], connecting())
        .await
        .unwrap();
    loop {
        if let Some(theirs) = accepted.take() {
            return (ours, theirs);
        }
        yield_now().await;
    }
}

/// Stands between a client and the server at `target`: `relay` is run for both directions, with
/// whether it is the client's.
fn between(
    target: SocketAddr,
    relay: impl Fn(bool, TcpStream, TcpStream) + Send + Clone + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(target).unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let upwards = relay.clone();
        thread::spawn(move || upwards(true, from, to));
        relay(false, server, client);
    });
    address
}

#[test]
fn streams_speak_tls() {
    run(|| async {
        let ((mut reader, writer), (mut their_reader, their_writer)) = streams().await;
        writer.write(b"hello\n");
        assert_eq!(their_reader.readline().await.unwrap(), b"hello\n");
        their_writer.write(b"HELLO\n");
        assert_eq!(reader.readline().await.unwrap(), b"HELLO\n");
        let info = writer.transport().tls_info().unwrap();
        assert_eq!(info.version, "TLSv1_3");
        assert!(info.cipher.starts_with("TLS13_"), "{}", info.cipher);
        assert_eq!(
            (info.alpn_protocol.as_ref(), info.peer_certificates.len()),
            (None, 1)
        );
        let info = their_writer.transport().tls_info().unwrap();
        // An address is no name to ask for.
        assert_eq!(
            (info.server_name.as_ref(), info.peer_certificates.len()),
            (None, 0)
        );
        assert!(their_writer.transport().peer_address().is_some());
        drop(their_writer);
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn names_and_protocols_are_agreed_upon() {
    run(|| async {
        let context = |names: &[&str]| {
            ServerContext::builder()
                .certificate_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes())
                .unwrap()
                .alpn_protocols(names)
                .build()
                .unwrap()
        };
        let connecting = |names: &[&str]| {
            let context = ClientContext::builder()
                .roots_pem(SERVER.certificate.as_bytes())
                .unwrap()
                .alpn_protocols(names)
                .build()
                .unwrap();
            ConnectOptions::default()
                .tls(context)
                .server_hostname("example.test")
        };
        let theirs = Record::new();
        let options = ServerOptions::default().tls(context(&["h2", "http/1.1"]));
        let server = create_server("127.0.0.1:0", options, {
            let theirs = theirs.clone();
            move || theirs.protocol()
        })
        .unwrap();
        let address = server.sockets()[0].clone();
        let ours = Record::new();
        // The server's order counts.
        let options = connecting(&["http/1.1", "h2"]);
        let transport = create_connection_with(&address, options, || ours.protocol());
        let transport = transport.await.unwrap();
        let info = transport.tls_info().unwrap();
        assert_eq!(info.alpn_protocol.as_deref(), Some(&b"h2"[..]));
        let info = theirs.made().await.tls_info().unwrap();
        assert_eq!(info.alpn_protocol.as_deref(), Some(&b"h2"[..]));
        assert_eq!(info.server_name.as_deref(), Some("example.test"));
        // None in common.
        let options = connecting(&["smtp"]);
        let refused = create_connection_with(&address, options, || ours.protocol());
        assert!(refused.await.is_err());
    });
}

#[test]
fn protocols_are_told_as_without_tls() {
    run(|| async {
        let (ours, theirs) = (Record::new(), Record::new());
        let (transport, _, _server) = both(&ours, &theirs).await;
        transport.write(b"one ");
        transport.writelines([&b"two "[..], b"", b"three"]);
        transport.close();
        theirs.lost().await;
        ours.lost().await;
        assert_eq!(
            theirs.told(),
            [
                Told::Made,
                Told::Data(b"one two three".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
        assert_eq!(ours.told(), [Told::Made, Told::Lost(None)]);
        assert!(transport.is_closing());
        transport.write(b"dropped");
        assert_eq!(transport.get_write_buffer_size(), 0);
    });
}

#[test]
fn answers_from_callbacks() {
    run(|| async {
        let theirs = Record::new().on_data(|transport, data| {
            for byte in data {
                transport.write(&[byte.to_ascii_uppercase()]);
            }
            if data.contains(&b'.') {
                transport.close();
            }
        });
        let ours = Record::new().on_made(|transport| transport.write(b"from the start "));
        let (transport, _, _server) = both(&ours, &theirs).await;
        transport.write(b"to the end.");
        ours.lost().await;
        assert_eq!(
            ours.told(),
            [
                Told::Made,
                Told::Data(b"FROM THE START TO THE END.".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
    });
}

#[test]
fn much_goes_both_ways_and_waits_for_readers() {
    run(|| async {
        let ((mut reader, writer), (mut their_reader, their_writer)) = streams().await;
        let content = pattern(3_000_000);
        let sending = |writer: StreamWriter, content: Vec<u8>| {
            bucle_loop::spawn(async move {
                let mut most = 0;
                for piece in content.chunks(10_000) {
                    writer.write(piece);
                    most = most.max(writer.transport().get_write_buffer_size());
                    writer.drain().await.unwrap();
                }
                writer.write_eof();
                (most, writer)
            })
        };
        let one = sending(writer, content.clone());
        let two = sending(their_writer, content.clone());
        sleep(Duration::from_millis(5)).await;
        assert!(their_reader.read_to_end().await.unwrap() == content);
        assert!(reader.read_to_end().await.unwrap() == content);
        for task in [one, two] {
            let (most, _) = task.await.unwrap();
            // The marks, a write, and what TLS adds.
            assert!(most < HIGH_WATER + 200_000, "{most}");
        }
    });
}

#[test]
fn a_peer_that_does_not_read_pauses_the_writer() {
    run(|| async {
        for (high, low) in [(HIGH_WATER, 16 * 1024), (1000, 0), (0, 0)] {
            let (ours, theirs) = (Record::new(), Record::new());
            let (transport, peer, _server) = both(&ours, &theirs).await;
            peer.pause_reading();
            transport.set_write_buffer_limits(high, low);
            assert_eq!(transport.get_write_buffer_limits(), (low, high));
            let content = pattern(20_000_000);
            transport.write(&content);
            assert!(ours.saw(&Told::Pause));
            assert!(transport.get_write_buffer_size() > high);
            assert!(!ours.saw(&Told::Resume));
            peer.resume_reading();
            ours.until(|ours| ours.saw(&Told::Resume)).await;
            assert!(transport.get_write_buffer_size() <= low);
            transport.close();
            theirs.lost().await;
            assert_eq!(theirs.bytes(), content.len());
        }
    });
}

#[test]
fn reading_can_be_paused() {
    run(|| async {
        let (ours, theirs) = (Record::new(), Record::new());
        let (transport, peer, _server) = both(&ours, &theirs).await;
        let theirs_pauses = theirs
            .clone()
            .on_data(|transport, _| transport.pause_reading());
        let content = pattern(300_000);
        transport.write(&content);
        transport.close();
        let mut rounds = 0;
        while !theirs_pauses.is_lost() {
            let before = theirs_pauses.bytes();
            for _ in 0..3 {
                sleep(Duration::from_micros(100)).await;
            }
            if before > 0 && !peer.is_closing() {
                assert_eq!(theirs_pauses.bytes(), before, "told while paused");
            }
            assert!(before == 0 || !peer.is_reading());
            peer.resume_reading();
            sleep(Duration::from_micros(100)).await;
            rounds += 1;
        }
        assert!(rounds > 3);
        assert_eq!(theirs_pauses.bytes(), content.len());
        assert!(theirs_pauses.saw(&Told::Eof) && theirs_pauses.saw(&Told::Lost(None)));
    });
}

#[test]
fn one_side_can_end_before_the_other() {
    run(|| async {
        let ((mut reader, writer), (mut their_reader, their_writer)) = streams().await;
        writer.write(b"question");
        writer.write_eof();
        assert_eq!(their_reader.read_to_end().await.unwrap(), b"question");
        their_writer.write(b"late answer");
        their_writer.drain().await.unwrap();
        their_writer.close();
        assert_eq!(reader.read_to_end().await.unwrap(), b"late answer");
        writer.close();
        writer.wait_closed().await.unwrap();
        their_writer.wait_closed().await.unwrap();
    });
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    run(|| async {
        let theirs = Record::new();
        let (_server, address) = serve_tls(&theirs);
        // Ends the connection between them when the client has sent so many bytes.
        let address = between(address, |upwards, mut from, mut to| {
            let mut buffer = [0; 4096];
            let mut cut = false;
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                // The client's message is larger than what it says in the handshake.
                cut |= upwards && count > 2000;
                if to.write_all(&buffer[..count]).is_err() || cut {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let ours = Record::new().keep_open();
        let transport = create_connection_with(address, connecting(), || ours.protocol());
        let transport = transport.await.unwrap();
        transport.write(&pattern(3000));
        theirs.lost().await;
        // What came before is told.
        assert_eq!(theirs.bytes(), 3000);
        assert!(!theirs.saw(&Told::Eof));
        let error = theirs.error().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("close_notify"), "{error}");
        transport.abort();
    });
}

#[test]
fn servers_that_cannot_be_trusted() {
    run(|| async {
        let theirs = Record::new();
        let (server, address) = serve_tls(&theirs);
        let stranger = ClientContext::from_roots_pem(CLIENT.certificate.as_bytes()).unwrap();
        let untrusted = ConnectOptions::default().tls(stranger);
        let misnamed = connecting().server_hostname("other.test");
        for (options, part) in [
            (untrusted, "invalid peer certificate"),
            (misnamed, "other.test"),
        ] {
            let ours = Record::new();
            let connection = create_connection_with(address, options, || ours.protocol());
            let error = connection.await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let text = error.to_string();
            assert!(
                text.contains("TLS handshake") && text.contains(part),
                "{text}"
            );
            assert_eq!(ours.told(), []);
        }
        while server.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(theirs.told(), []);
        let unnamed = create_connection_with(address, connecting().server_hostname(""), || {
            Record::new().protocol()
        });
        assert_eq!(
            unnamed.await.unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    });
}

#[test]
fn clients_can_be_asked_who_they_are() {
    run(|| async {
        let asking = || {
            ServerContext::builder()
                .certificate_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes())
                .unwrap()
                .client_roots_pem(CLIENT.certificate.as_bytes())
                .unwrap()
        };
        let known = ClientContext::builder()
            .roots_pem(SERVER.certificate.as_bytes())
            .unwrap()
            .certificate_pem(CLIENT.certificate.as_bytes(), CLIENT.key.as_bytes())
            .unwrap()
            .build()
            .unwrap();
        for strict in [true, false] {
            let context = if strict {
                asking()
            } else {
                asking().clients_may_be_anonymous()
            };
            let theirs = Record::new();
            let options = ServerOptions::default().tls(context.build().unwrap());
            let server = create_server("127.0.0.1:0", options, {
                let theirs = theirs.clone();
                move || theirs.protocol()
            })
            .unwrap();
            let address = &server.sockets()[0];
            let ours = Record::new();
            let options = ConnectOptions::default().tls(known.clone());
            let transport = create_connection_with(address, options, || ours.protocol());
            transport.await.unwrap().write(b"x");
            let info = theirs.made().await.tls_info().unwrap();
            assert_eq!(info.peer_certificates.len(), 1);
            // A client that has none learns of it with the first thing it reads (TLS 1.3).
            let (mut reader, writer) = open_connection_with(address, connecting()).await.unwrap();
            writer.write(b"y");
            if strict {
                let error = reader.read(1).await.unwrap_err();
                assert!(error.to_string().contains("CertificateRequired"), "{error}");
            } else {
                writer.close();
                writer.wait_closed().await.unwrap();
            }
        }
    });
}

#[test]
fn silence_is_timed_out() {
    run(|| async {
        let short = Duration::from_millis(20);
        // A server that says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let context = ClientContext::builder()
            .roots_pem(SERVER.certificate.as_bytes())
            .unwrap()
            .handshake_timeout(short)
            .build()
            .unwrap();
        let options = ConnectOptions::default().tls(context);
        let connection = open_connection_with(silent.local_addr().unwrap(), options);
        let error = connection.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("20ms"), "{error}");
        // A client that says nothing.
        let context = ServerContext::builder()
            .certificate_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes())
            .unwrap()
            .handshake_timeout(short)
            .build()
            .unwrap();
        let theirs = Record::new();
        let options = ServerOptions::default().tls(context);
        let server = create_server("127.0.0.1:0", options, {
            let theirs = theirs.clone();
            move || theirs.protocol()
        })
        .unwrap();
        let address = server.sockets()[0].as_tcp().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        while server.connections() == 0 {
            yield_now().await;
        }
        while server.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(theirs.told(), []);
    });
}

#[test]
fn what_is_no_tls_is_refused() {
    run(|| async {
        let theirs = Record::new().on_data(|transport, data| transport.write(data));
        let (server, address) = serve_tls(&theirs);
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(WATCHDOG)).unwrap();
        peer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let reading = drain(peer);
        while !reading.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        // An alert, or a reset that has overtaken it.
        if let Ok(alert) = reading.join().unwrap() {
            assert_eq!(alert[0], 21, "{alert:?}");
        }
        // Ends in the handshake.
        drop(TcpStream::connect(address).unwrap());
        while server.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(theirs.told(), []);
        // Others are served.
        let (mut reader, writer) = open_connection_with(address, connecting()).await.unwrap();
        writer.write(b"still here\n");
        assert_eq!(reader.readline().await.unwrap(), b"still here\n");
        // A server that speaks something else.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(b"220 mail.example ESMTP\r\n").unwrap();
            let _ = peer.read_to_end(&mut Vec::new());
        });
        let error = open_connection_with(address, connecting())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        while !peer.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn records_that_were_tampered_with_end_the_connection() {
    run(|| async {
        let theirs = Record::new();
        let (_server, address) = serve_tls(&theirs);
        let address = between(address, |upwards, mut from, mut to| {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                if upwards && count > 2000 {
                    buffer[1000] ^= 1;
                }
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        });
        let ours = Record::new();
        let transport = create_connection_with(address, connecting(), || ours.protocol());
        transport.await.unwrap().write(&pattern(3000));
        theirs.lost().await;
        assert_eq!(
            theirs.told(),
            [Told::Made, Told::Lost(Some(io::ErrorKind::InvalidData))]
        );
    });
}

#[test]
fn dropping_the_attempt_closes_the_connection() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let attempt = open_connection_with(address, connecting());
        assert!(timeout(Duration::from_millis(20), attempt).await.is_err());
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(WATCHDOG)).unwrap();
        let ended = thread::spawn(move || peer.read_to_end(&mut Vec::new()));
        while !ended.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        let _ = ended.join().unwrap();
    });
}

#[test]
fn a_server_ends_its_clients_politely() {
    run(|| async {
        let theirs = Record::new();
        let (server, address) = serve_tls(&theirs);
        let (mut reader, writer) = open_connection_with(address, connecting()).await.unwrap();
        theirs.made().await.write(b"bye");
        server.close();
        server.close_clients();
        assert_eq!(reader.read_to_end().await.unwrap(), b"bye");
        drop(writer);
        server.wait_closed().await;
        assert!(theirs.saw(&Told::Lost(None)));
    });
}

/// A peer that is told the end and doesn't end its side.
#[test]
fn a_peer_that_does_not_end_is_waited_for_in_vain() {
    run(|| async {
        let context = ServerContext::builder()
            .certificate_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes())
            .unwrap()
            .shutdown_timeout(Duration::from_millis(20))
            .build()
            .unwrap();
        let theirs = Record::new();
        let options = ServerOptions::default().tls(context);
        let server = create_server("127.0.0.1:0", options, {
            let theirs = theirs.clone();
            move || theirs.protocol()
        })
        .unwrap();
        for stubborn in [false, true] {
            let ours = Record::new().keep_open();
            let address = &server.sockets()[0];
            let transport = create_connection_with(address, connecting(), || ours.protocol());
            let transport = transport.await.unwrap();
            let peer = theirs.made().await;
            if stubborn {
                // Does not even take what was sent.
                transport.pause_reading();
                peer.write(&pattern(20_000_000));
            }
            peer.close();
            theirs.lost().await;
            assert!(ours.saw(&Told::Eof) != stubborn);
            theirs.forget();
            transport.resume_reading();
            transport.close();
            ours.lost().await;
        }
    });
}

/// A peer that goes on sending after the end is not read for ever.
#[test]
fn a_peer_that_goes_on_is_cut_off() {
    run(|| async {
        let (ours, theirs) = (Record::new().keep_open(), Record::new());
        let (transport, peer, _server) = both(&ours, &theirs).await;
        peer.close();
        ours.until(|ours| ours.saw(&Told::Eof)).await;
        while !ours.is_lost() {
            transport.write(&pattern(50_000));
            sleep(Duration::from_millis(1)).await;
        }
        theirs.lost().await;
        assert!(theirs.saw(&Told::Lost(None)));
    });
}

#[test]
fn a_reset_reaches_the_protocol() {
    run(|| async {
        let (ours, theirs) = (Record::new(), Record::new());
        let (transport, peer, _server) = both(&ours, &theirs).await;
        peer.abort();
        ours.lost().await;
        assert!(ours.saw(&Told::Lost(Some(io::ErrorKind::ConnectionReset))));
        assert!(theirs.saw(&Told::Lost(None)) || !theirs.is_lost());
        assert!(transport.is_closing());
        theirs.lost().await;
    });
}

#[test]
fn files_are_encrypted_piece_by_piece() {
    run(|| async {
        for length in [0, 1, 65_536, 3_000_001] {
            let content = pattern(length);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            let file = Rc::new(file);
            let (ours, theirs) = (Record::new(), Record::new());
            let (transport, peer, _server) = both(&ours, &theirs).await;
            peer.pause_reading();
            transport.send_file_after(b"head ", file.clone(), 0, length as u64);
            transport.write(b" tail ");
            transport.send_file(file, length as u64 / 2, length as u64 - length as u64 / 2);
            let size = transport.get_write_buffer_size();
            if length > 1_000_000 {
                assert!(size > HIGH_WATER && ours.saw(&Told::Pause), "{size}");
            }
            transport.close();
            peer.resume_reading();
            theirs.lost().await;
            let expected = [b"head ", &content[..], b" tail ", &content[length / 2..]].concat();
            assert!(theirs.told()[1] == Told::Data(expected));
        }
    });
}

/// Answers everything with a file.
struct AnswersWithFile(Rc<File>, u64, Option<Transport>);

impl Protocol for AnswersWithFile {
    fn connection_made(&mut self, transport: Transport) {
        self.2 = Some(transport);
    }

    fn data_received(&mut self, _: &[u8]) {
        let transport = self.2.as_ref().unwrap();
        transport.send_file(self.0.clone(), 0, self.1);
    }
}

/// What is encrypted is in memory: a file that nobody takes is not read, and is missed when it is
/// gone.
#[test]
fn a_file_sent_from_a_callback_is_encrypted_as_the_peer_takes_it() {
    run(|| async {
        let length = 1 << 26;
        let file = Rc::new(tempfile::tempfile().unwrap());
        file.set_len(length).unwrap();
        let answers = {
            let file = file.clone();
            move || AnswersWithFile(file.clone(), length, None)
        };
        let server = create_server("127.0.0.1:0", accepting(), answers).unwrap();
        let ours = Record::new();
        let address = &server.sockets()[0];
        let transport = create_connection_with(address, connecting(), || ours.protocol())
            .await
            .unwrap();
        transport.write(b"the file, please");
        ours.until(|ours| ours.bytes() > 0).await;
        transport.pause_reading();
        for _ in 0..20 {
            sleep(Duration::from_millis(1)).await;
        }
        file.set_len(0).unwrap();
        transport.resume_reading();
        ours.lost().await;
        assert!((ours.bytes() as u64) < length / 2, "{}", ours.bytes());
    });
}

#[test]
fn a_sent_file_is_awaited() {
    run(|| async {
        let content = pattern(3_000_000);
        let file = || {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            file
        };
        let (ours, theirs) = (Record::new(), Record::new());
        let (transport, peer, _server) = both(&ours, &theirs).await;
        let sent = bucle_net::sendfile(&transport, file(), 1, None).await;
        assert_eq!(sent.unwrap(), 2_999_999);
        theirs.until(|theirs| theirs.bytes() == 2_999_999).await;
        peer.pause_reading();
        get_running_loop().call_later(Duration::from_millis(5), move || peer.abort());
        // More than the system's buffers ever hold.
        let huge = tempfile::tempfile().unwrap();
        huge.set_len(1 << 28).unwrap();
        let sent = bucle_net::sendfile(&transport, huge, 0, None).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let sent = bucle_net::sendfile(&transport, file(), 0, None).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn the_name_that_was_connected_to_is_asked_for() {
    run(|| async {
        let theirs = Record::new();
        let (_server, address) = serve_tls(&theirs);
        let name = format!("localhost:{}", address.port());
        let (_reader, _writer) = open_connection_with(name, connecting()).await.unwrap();
        let info = theirs.made().await.tls_info().unwrap();
        assert_eq!(info.server_name.as_deref(), Some("localhost"));
    });
}

#[test]
fn a_file_that_is_too_short_aborts_the_connection() {
    run(|| async {
        let (ours, theirs) = (Record::new(), Record::new());
        let (transport, _, _server) = both(&ours, &theirs).await;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        transport.send_file(Rc::new(file), 0, 10);
        ours.lost().await;
        let error = ours.error().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("shorter"), "{error}");
        theirs.lost().await;
        assert!(!theirs.saw(&Told::Eof) && !theirs.saw(&Told::Lost(None)));
    });
}

#[test]
fn a_panicking_protocol_loses_its_connection_only() {
    run(|| async {
        let reports = Rc::new(Cell::new(0));
        get_running_loop().set_exception_handler({
            let reports = reports.clone();
            move |_, context| {
                assert!(
                    context.to_string().contains("data_received panicked"),
                    "{context}"
                );
                reports.set(reports.get() + 1);
            }
        });
        let theirs = Record::new().on_data(|transport, data| {
            assert_ne!(data, b"panic");
            transport.write(data);
        });
        let (server, address) = serve_tls(&theirs);
        let (mut reader, writer) = open_connection_with(address, connecting()).await.unwrap();
        writer.write(b"panic");
        assert!(reader.read(1).await.is_err());
        let (mut reader, writer) = open_connection_with(address, connecting()).await.unwrap();
        writer.write(b"echo\n");
        assert_eq!(reader.readline().await.unwrap(), b"echo\n");
        assert_eq!((reports.get(), server.connections()), (1, 1));
    });
}

#[test]
fn over_a_unix_socket_the_name_has_to_be_given() {
    run(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.sock");
        let theirs = Record::new().on_data(|transport, data| transport.write(data));
        let _server = create_server(&path, accepting(), {
            let theirs = theirs.clone();
            move || theirs.protocol()
        })
        .unwrap();
        let error = open_connection_with(&path, connecting()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("server_hostname"), "{error}");
        let named = connecting().server_hostname("localhost");
        let (mut reader, writer) = open_connection_with(&path, named).await.unwrap();
        writer.write(b"echo\n");
        assert_eq!(reader.readline().await.unwrap(), b"echo\n");
    });
}

#[test]
fn the_loop_lets_go_of_open_connections() {
    struct Dropped(Rc<Cell<usize>>, Option<Transport>);
    impl Protocol for Dropped {
        fn connection_made(&mut self, transport: Transport) {
            self.1 = Some(transport);
        }
        fn data_received(&mut self, _: &[u8]) {}
    }
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    within(|| {
        let event_loop = EventLoop::new().unwrap();
        let dropped = Rc::new(Cell::new(0));
        let body = {
            let dropped = dropped.clone();
            async move {
                let theirs = dropped.clone();
                let server = create_server("127.0.0.1:0", accepting(), move || {
                    Dropped(theirs.clone(), None)
                })
                .unwrap();
                let address = &server.sockets()[0];
                create_connection_with(address, connecting(), || Dropped(dropped, None))
                    .await
                    .unwrap();
                while server.connections() == 0 {
                    yield_now().await;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        event_loop.run_until_complete(body).unwrap();
        assert_eq!(dropped.get(), 0);
        event_loop.close();
        assert_eq!(dropped.get(), 2);
    });
}

#[test]
fn contexts_that_make_no_sense() {
    let certificate = SERVER.certificate.as_bytes();
    let key = SERVER.key.as_bytes();
    let told = [
        ServerContext::builder().build().unwrap_err(),
        ServerContext::from_pem(b"", key).unwrap_err(),
        ServerContext::from_pem(certificate, b"").unwrap_err(),
        ServerContext::from_pem(certificate, CLIENT.key.as_bytes()).unwrap_err(),
        ServerContext::builder()
            .certificate_pem(certificate, key)
            .unwrap()
            .handshake_timeout(Duration::ZERO)
            .build()
            .unwrap_err(),
        ServerContext::builder()
            .certificate_pem(certificate, key)
            .unwrap()
            .alpn_protocols([""])
            .build()
            .unwrap_err(),
        ClientContext::builder().build().unwrap_err(),
        ClientContext::from_roots_pem(b"nothing").unwrap_err(),
    ];
    let parts = [
        "needs a certificate",
        "no certificate",
        "private key",
        "can't be used",
        "longer than nothing",
        "1 to 255",
        "nobody is trusted",
        "no certificate",
    ];
    for (error, part) in told.iter().zip(parts) {
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = ServerContext::from_pem_files("/no/such/cert", "/no/such/key").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("/no/such/cert"), "{error}");
}

/// A plain server that upgrades when asked to by a line.
fn upgrading() -> Server {
    start_server_with(
        "127.0.0.1:0",
        ServerOptions::default(),
        65536,
        |mut reader, mut writer| async move {
            while let Ok(line) = reader.readline().await {
                match &line[..] {
                    b"" => break,
                    b"STARTTLS\n" => {
                        writer.write(b"go\n");
                        if let Err(error) = writer.start_tls(server()).await {
                            writer.write(format!("{:?}: {error}\n", error.kind()).as_bytes());
                        }
                    }
                    line => writer.write(&line.to_ascii_uppercase()),
                }
            }
        },
    )
    .unwrap()
}

#[test]
fn a_stream_is_upgraded() {
    run(|| async {
        let server = upgrading();
        let address = &server.sockets()[0];
        let (mut reader, mut writer) = bucle_net::open_connection(address).await.unwrap();
        writer.write(b"plain\n");
        assert_eq!(reader.readline().await.unwrap(), b"PLAIN\n");
        writer.write(b"STARTTLS\n");
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        writer.start_tls((client(), "localhost")).await.unwrap();
        assert!(writer.transport().tls_info().is_some());
        writer.write(b"secret\n");
        assert_eq!(reader.readline().await.unwrap(), b"SECRET\n");
        // Back-pressure works as before.
        let many = "x".repeat(100).into_bytes();
        for _ in 0..3000 {
            writer.write(&many);
            writer.write(b"\n");
            writer.drain().await.unwrap();
            assert_eq!(reader.readline().await.unwrap().len(), 101);
        }
        // The server ends it as TLS.
        server.close_clients();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn bytes_before_the_upgrade_are_refused() {
    run(|| async {
        let server = upgrading();
        let address = server.sockets()[0].as_tcp().unwrap();
        // To a server: a command that was slipped in behind the word.
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(WATCHDOG)).unwrap();
        peer.write_all(b"STARTTLS\nslipped in\n").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let reading = drain(peer);
        while !reading.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        let answer = String::from_utf8(reading.join().unwrap().unwrap()).unwrap();
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!(lines[0], "go");
        assert!(lines[1].starts_with("InvalidData: 11 bytes"), "{answer}");
        // Nothing was lost: it was plain text, and is read as such.
        assert_eq!(lines[2..], ["SLIPPED IN"]);
        // To a client: an answer that was slipped in.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut reader, mut writer) = bucle_net::open_connection(address).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"go\n250 slipped in\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        let error = writer.start_tls((client(), "localhost")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(reader.readline().await.unwrap(), b"250 slipped in\n");
        // Read, it is in nobody's way.
        let upgrade = writer.start_tls((client(), "localhost"));
        assert!(timeout(Duration::from_millis(10), upgrade).await.is_err());
    });
}

/// What comes after the upgrade has begun is TLS, whatever it looks like.
#[test]
fn plain_text_after_the_upgrade_is_never_read() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut reader, mut writer) = bucle_net::open_connection(address).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"go\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        // On its way already, and not seen by us.
        peer.write_all(b"250 slipped in\n").unwrap();
        let error = writer.start_tls((client(), "localhost")).await.unwrap_err();
        assert!(error.to_string().contains("TLS handshake"), "{error}");
        let error = reader.readline().await.unwrap_err();
        assert!(matches!(error, ReadError::Io(_)), "{error}");
        assert!(reader.read(1).await.is_err());
        assert!(writer.start_tls((client(), "localhost")).await.is_err());
    });
}

#[test]
fn protocols_upgrade_too_even_twice() {
    run(|| async {
        let (ours, theirs) = (Record::new(), Record::new());
        let (transport, peer, server_of_both) = both(&ours, &theirs).await;
        let (inner_ours, inner_theirs) = (Record::new(), Record::new());
        inner_theirs
            .clone()
            .on_data(|transport, data| transport.write(data));
        // TLS within TLS.
        let accepting = start_tls(&peer, inner_theirs.protocol(), server());
        let connecting = start_tls(&transport, inner_ours.protocol(), (client(), "localhost"));
        let accepting = bucle_loop::spawn(accepting);
        let inner = connecting.await.unwrap();
        let inner_peer = accepting.await.unwrap().unwrap();
        inner.write(&pattern(100_000));
        inner_peer.write(b"from the other end");
        inner_ours.until(|inner| inner.bytes() > 0).await;
        inner.close();
        inner_theirs.lost().await;
        inner_ours.lost().await;
        assert_eq!(inner_theirs.bytes(), 100_000);
        // The one below is not told anything, and nobody is told of being made again.
        assert_eq!(ours.told(), [Told::Made]);
        assert_eq!(theirs.told(), [Told::Made]);
        assert_eq!(
            inner_ours.told(),
            [Told::Data(b"from the other end".to_vec()), Told::Lost(None)]
        );
        while server_of_both.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let error = start_tls(&transport, ours.protocol(), (client(), "localhost"));
        assert_eq!(error.await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn simulated_connections_speak_tls_too() {
    in_both(|| async {
        let ((mut reader, writer), (mut their_reader, their_writer)) = streams().await;
        let content = pattern(20_000);
        writer.write(&content);
        writer.write_eof();
        assert!(their_reader.read_to_end().await.unwrap() == content);
        their_writer.write(b"answer");
        their_writer.close();
        assert_eq!(reader.read_to_end().await.unwrap(), b"answer");
        writer.close();
        writer.wait_closed().await.unwrap();
        their_writer.wait_closed().await.unwrap();
    });
}

/// However the records are cut on their way, what was written arrives.
#[test]
fn a_dribble_of_single_bytes() {
    run(|| async {
        let theirs = Record::new().on_data(|transport, data| transport.write(data));
        let (_server, address) = serve_tls(&theirs);
        let address = between(address, |_, mut from, mut to| {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                for byte in buffer[..count].chunks(1) {
                    if to.write_all(byte).is_err() {
                        return;
                    }
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let (mut reader, writer) = open_connection_with(address, connecting()).await.unwrap();
        let content = pattern(5000);
        writer.write(&content);
        assert_eq!(reader.readexactly(5000).await.unwrap(), content);
        writer.write_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn a_plain_client_of_the_same_loop_is_not_touched() {
    run(|| async {
        let theirs = Record::new();
        let (_server, address) = serve(&theirs);
        let ours = Record::new();
        let transport = create_connection(address, || ours.protocol())
            .await
            .unwrap();
        transport.write(b"plain");
        theirs.until(|theirs| theirs.bytes() == 5).await;
        assert!(transport.tls_info().is_none());
    });
}
