//! Transports and protocols over TCP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::*;

#[test]
fn an_echo_and_its_end() {
    run(|| async {
        let record = Record::new().on_data(|transport, data| transport.write(data));
        let (server, address) = serve(&record);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        record.until(|record| record.bytes() == 5).await;
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        client.shutdown(Shutdown::Write).unwrap();
        record.lost().await;
        assert_eq!(
            record.told(),
            [
                Told::Made,
                Told::Data(b"hello".to_vec()),
                Told::Eof,
                Told::Lost(None)
            ]
        );
        assert_eq!(client.read(&mut answer).unwrap(), 0);
        server.close();
        server.wait_closed().await;
    });
}
