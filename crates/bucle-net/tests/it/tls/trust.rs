//! Whom to trust, and what is no TLS.

use super::*;

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
fn anybody_is_trusted_only_if_one_says_so() {
    run(|| async {
        let theirs = Record::new().on_data(|transport, data| transport.write(data));
        let (_server, address) = serve_tls(&theirs);
        let context = ClientContext::builder()
            .dangerously_trust_anybody()
            .build()
            .unwrap();
        // Neither the authority nor the name is known.
        let options = ConnectOptions::default()
            .tls(context)
            .server_hostname("other.test");
        let (mut reader, writer) = open_connection_with(address, options).await.unwrap();
        writer.write(b"hello");
        assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
        // A builder that says neither this nor whom to trust trusts nobody.
        assert!(ClientContext::builder().build().is_err());
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
        "not that of the first certificate",
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
