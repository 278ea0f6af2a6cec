//! A connection that begins as plain text and goes on as TLS.

use super::*;

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
