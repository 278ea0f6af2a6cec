//! TLS as whoever runs a server for long needs it: new certificates, failed handshakes, clients that
//! speak something else.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bucle_loop::sleep;
use bucle_net::tls::{ClientContext, ServerContext};
use bucle_net::{
    ConnectOptions, Server, ServerOptions, StreamReader, StreamWriter, create_server,
    open_connection_with,
};

use crate::certificates::{Certified, SERVER, client};
use crate::support::*;

/// A server that sends back what it gets.
fn echo(context: ServerContext) -> (Server, SocketAddr) {
    let record = Record::new().on_data(|transport, data| transport.write(data));
    let options = ServerOptions::default().tls(context);
    let server = create_server("127.0.0.1:0", options, move || record.protocol()).unwrap();
    let address = server.sockets()[0].as_tcp().unwrap();
    (server, address)
}

async fn connect(
    address: SocketAddr,
    trusted: &ClientContext,
) -> io::Result<(StreamReader, StreamWriter)> {
    open_connection_with(address, ConnectOptions::default().tls(trusted.clone())).await
}

async fn speak((reader, writer): &mut (StreamReader, StreamWriter)) {
    writer.write(b"hello\n");
    assert_eq!(reader.readline().await.unwrap(), b"hello\n");
}

fn context() -> ServerContext {
    ServerContext::from_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes()).unwrap()
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_disturbs_none() {
    run(|| async {
        let context = context();
        let (_server, address) = echo(context.clone());
        let mut before = connect(address, &client()).await.unwrap();
        speak(&mut before).await;

        let renewed = Certified::new(&["127.0.0.1"]);
        // What can't be used changes nothing.
        let wrong_key = (renewed.certificate.as_bytes(), SERVER.key.as_bytes());
        for (certificate, key) in [
            (&b"no certificate"[..], renewed.key.as_bytes()),
            (renewed.certificate.as_bytes(), b"no key"),
            wrong_key,
        ] {
            let error = context
                .replace_certificate_pem(certificate, key)
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        speak(&mut connect(address, &client()).await.unwrap()).await;

        context
            .replace_certificate_pem(renewed.certificate.as_bytes(), renewed.key.as_bytes())
            .unwrap();
        let trusting_the_new = ClientContext::from_roots_pem(renewed.certificate.as_bytes());
        let mut after = connect(address, &trusting_the_new.unwrap()).await.unwrap();
        speak(&mut after).await;
        let error = connect(address, &client()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        speak(&mut before).await;
    });
}

#[test]
fn failed_handshakes_of_clients_are_told() {
    run(|| async {
        type Told = Vec<(Option<SocketAddr>, io::ErrorKind)>;
        let told: Arc<Mutex<Told>> = Arc::default();
        let context = ServerContext::builder()
            .certificate_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes())
            .unwrap()
            .handshake_timeout(Duration::from_millis(50))
            .on_handshake_error({
                let told = told.clone();
                move |peer, error| {
                    let peer = peer.and_then(|peer| peer.as_tcp());
                    told.lock().unwrap().push((peer, error.kind()));
                }
            })
            .build()
            .unwrap();
        let (_server, address) = echo(context);
        let wait_for = |count| {
            let told = told.clone();
            async move {
                while told.lock().unwrap().len() < count {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        };
        // One that speaks no TLS, one that goes, one that says nothing.
        let mut no_tls = TcpStream::connect(address).unwrap();
        no_tls.write_all(b"\0\0\0\0\0\0\0\0").unwrap();
        wait_for(1).await;
        drop(TcpStream::connect(address).unwrap());
        wait_for(2).await;
        let silent = TcpStream::connect(address).unwrap();
        wait_for(3).await;
        // One that does well is not told of.
        speak(&mut connect(address, &client()).await.unwrap()).await;
        let told = told.lock().unwrap();
        let kinds: Vec<_> = told.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(
            kinds,
            [
                io::ErrorKind::InvalidData,
                io::ErrorKind::UnexpectedEof,
                io::ErrorKind::TimedOut
            ]
        );
        assert_eq!(told[2].0, Some(silent.local_addr().unwrap()));
    });
}

#[test]
fn a_client_that_sends_text_is_answered_in_text() {
    run(|| async {
        let context = ServerContext::builder()
            .certificate_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes())
            .unwrap()
            .plain_text_answer(&b"this port speaks TLS\n"[..])
            .build()
            .unwrap();
        let (_server, address) = echo(context);
        // One that goes on sending reads the answer to its end, too.
        for pieces in [0, 100] {
            let client = std::thread::spawn(move || {
                let mut client = TcpStream::connect(address).unwrap();
                client.set_read_timeout(Some(WATCHDOG)).unwrap();
                client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                let mut answer = vec![0; 21];
                client.read_exact(&mut answer).unwrap();
                for _ in 0..pieces {
                    client.write_all(&[b'x'; 1000]).unwrap();
                }
                client.read_to_end(&mut answer).unwrap();
                answer
            });
            while !client.is_finished() {
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(client.join().unwrap(), b"this port speaks TLS\n");
        }
    });
}

#[test]
fn sessions_are_resumed() {
    run(|| async {
        let (_server, address) = echo(context());
        let trusting = client();
        let mut reused = Vec::new();
        for _ in 0..3 {
            let mut connection = connect(address, &trusting).await.unwrap();
            speak(&mut connection).await;
            let transport = connection.1.transport();
            reused.push(transport.tls_info().unwrap().session_reused);
            connection.1.close();
            let _ = connection.1.wait_closed().await;
        }
        assert_eq!(reused, [false, true, true]);
    });
}
