//! How connections end.

use super::*;

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
