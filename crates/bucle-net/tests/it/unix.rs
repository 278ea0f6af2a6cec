//! Unix sockets.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use bucle_net::{Address, ServerOptions, create_connection, create_server, open_connection};

use crate::support::*;

#[test]
fn a_connection_by_path() {
    run(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let record = Record::new().on_data(|transport, data| transport.write(data));
        let factory = record.clone();
        let server = create_server(path.as_path(), ServerOptions::default(), move || {
            factory.protocol()
        })
        .unwrap();
        assert_eq!(server.sockets(), [Address::Unix(Some(path.clone()))]);
        let name = format!("unix:{}", path.display());
        let client = Record::new();
        let transport = create_connection(name.as_str(), || client.protocol())
            .await
            .unwrap();
        assert_eq!(transport.peer_address().unwrap().to_string(), name);
        assert_eq!(transport.local_address(), Some(Address::Unix(None)));
        let content = pattern(3_000_000);
        transport.write(&content);
        client.until(|client| client.bytes() == content.len()).await;
        assert_eq!(record.transport().peer_address(), Some(Address::Unix(None)));
        transport.close();
        client.lost().await;
        record.lost().await;
        server.close();
        server.wait_closed().await;
        assert!(!path.exists(), "removed with the server");
    });
}

#[test]
fn what_is_at_the_path_already() {
    run(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let serve = || {
            create_server(path.as_path(), ServerOptions::default(), || {
                Record::new().protocol()
            })
        };
        // Left behind by somebody who is gone.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let server = serve().unwrap();
        // In use.
        let error = serve().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error.to_string().contains("another program listens"),
            "{error}"
        );
        assert!(path.exists());
        drop(server);
        assert!(!path.exists());
        // No socket.
        std::fs::write(&path, "precious").unwrap();
        let error = serve().unwrap_err();
        assert!(error.to_string().contains("no socket"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        // Replaced by another one in the meantime: not ours to remove.
        std::fs::remove_file(&path).unwrap();
        let server = serve().unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(server);
        assert!(path.exists());
    });
}

#[test]
fn a_full_queue_is_waited_for() {
    run(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = bucle_sys::socket::bind_unix(&path).unwrap();
        bucle_sys::socket::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        // Until one more would not be taken.
        loop {
            match bucle_sys::socket::connect_unix(&path) {
                Ok(socket) => waiting.push(socket),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        let target = path.clone();
        let opening = bucle_loop::spawn(async move { open_connection(target).await });
        bucle_loop::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!opening.done());
        let listener = UnixListener::from(listener);
        let first = listener.accept().unwrap();
        let (_reader, writer) = opening.await.unwrap().unwrap();
        assert_eq!(
            writer.transport().peer_address(),
            Some(Address::Unix(Some(path)))
        );
        drop(first);
    });
}

#[test]
fn a_missing_path_is_told() {
    run(|| async {
        let error = open_connection("unix:/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent/socket"), "{error}");
    });
}

#[test]
fn the_end_of_a_peer_is_seen() {
    run(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let record = Record::new();
        let factory = record.clone();
        let _server =
            create_server(&path, ServerOptions::default(), move || factory.protocol()).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"bye").unwrap();
        drop(client);
        record.lost().await;
        assert_eq!(
            record.told(),
            [
                Told::Made,
                Told::Data(b"bye".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
        // A large answer to somebody who is gone.
        let mut client = UnixStream::connect(&path).unwrap();
        record.until(|record| record.saw(&Told::Made)).await;
        record.transport().write(&vec![0; 3_000_000]);
        let mut some = [0; 1000];
        client.read_exact(&mut some).unwrap();
        drop(client);
        record.lost().await;
        assert!(record.error().is_some());
    });
}
