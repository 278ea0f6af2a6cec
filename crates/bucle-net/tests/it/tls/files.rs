//! Files, which are encrypted piece by piece.

use super::*;

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
