//! Sending when the system has no room, which loopback does not show.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::sleep;

use super::*;

struct Recorder(Rc<RefCell<Vec<String>>>);

impl DatagramProtocol for Recorder {
    fn datagram_received(&mut self, _: &[u8], _: SocketAddr) {}

    fn error_received(&mut self, error: io::Error) {
        self.0.borrow_mut().push(format!("{:?}", error.kind()));
    }

    fn pause_writing(&mut self) {
        self.0.borrow_mut().push("pause".to_owned());
    }

    fn resume_writing(&mut self) {
        self.0.borrow_mut().push("resume".to_owned());
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.0
            .borrow_mut()
            .push(format!("lost {}", error.is_some()));
    }
}

async fn endpoint(told: &Rc<RefCell<Vec<String>>>) -> (DatagramTransport, UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_address().unwrap();
    let options = DatagramOptions::default().local_addr("127.0.0.1:0");
    let recorder = Recorder(told.clone());
    let transport = create_datagram_endpoint(options, || recorder)
        .await
        .unwrap();
    (transport, socket, address)
}

#[test]
fn what_has_no_room_is_queued_in_order() {
    bucle_loop::run(async {
        let told = Rc::default();
        let (transport, socket, address) = endpoint(&told).await;
        transport.set_write_buffer_limits(100, 50);
        assert_eq!(transport.get_write_buffer_limits(), (50, 100));
        transport.set_full(true);
        for number in 0..12_u8 {
            transport.sendto(&[number; 10], Some(address));
        }
        assert_eq!(transport.get_write_buffer_size(), 120);
        assert_eq!(*told.borrow(), ["pause"]);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(transport.get_write_buffer_size(), 120);
        transport.set_full(false);
        let mut buffer = [0; 100];
        for number in 0..12_u8 {
            assert_eq!(socket.recv(&mut buffer).await.unwrap(), 10);
            assert_eq!(buffer[..10], [number; 10]);
        }
        assert_eq!(*told.borrow(), ["pause", "resume"]);
        // Closing sends what is queued first; what is too long for that is told.
        transport.set_full(true);
        transport.sendto(b"last", Some(address));
        transport.sendto(&[0; 70_000], Some(address));
        transport.close();
        transport.sendto(b"too late", Some(address));
        transport.set_full(false);
        assert_eq!(socket.recv(&mut buffer).await.unwrap(), 4);
        while told.borrow().last().is_none_or(|told| told != "lost false") {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(told.borrow().len(), 6, "{told:?}");
        assert_eq!(transport.local_address(), None);
    })
    .unwrap();
}

#[test]
fn aborting_drops_what_is_queued() {
    bucle_loop::run(async {
        let told = Rc::default();
        let (transport, socket, address) = endpoint(&told).await;
        transport.set_full(true);
        transport.sendto(b"dropped", Some(address));
        transport.abort();
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert!(transport.is_closing());
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*told.borrow(), ["lost false"]);
        let mut buffer = [0; 10];
        let nothing = socket.recv(&mut buffer);
        let short = Duration::from_millis(5);
        assert!(bucle_loop::timeout(short, nothing).await.is_err());
    })
    .unwrap();
}
