//! TLS: what both ends of a connection see.

mod ends;
mod files;
mod trust;
mod upgrade;

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
