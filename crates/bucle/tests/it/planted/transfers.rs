//! A bank behind streams. A request is two lines: which account pays which, and how much. The
//! accounts are locked as soon as they are known, in the order in which they were named: two
//! customers who pay one another lock one account each and wait for the other, if the second line
//! of both is late.

use std::rc::Rc;

use bucle::net::{Address, StreamReader, StreamWriter, open_connection, start_server};
use bucle::sync::Lock;

/// In which order two accounts are locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The bug.
    AsAsked,
    ByAccount,
}

type Accounts = [Lock<i64>; 2];

async fn line(reader: &mut StreamReader) -> String {
    let line = reader.readline().await.unwrap();
    String::from_utf8(line).unwrap().trim().to_owned()
}

async fn transfer(
    accounts: Rc<Accounts>,
    order: Order,
    mut reader: StreamReader,
    writer: StreamWriter,
) {
    let (from, to) = match line(&mut reader).await.as_str() {
        "0 pays 1" => (0, 1),
        "1 pays 0" => (1, 0),
        other => panic!("no request: {other:?}"),
    };
    let (first, second) = match order {
        Order::AsAsked => (from, to),
        Order::ByAccount => (from.min(to), from.max(to)),
    };
    let mut one = accounts[first].acquire().await;
    // The amount, which most often is there already.
    let amount: i64 = line(&mut reader).await.parse().unwrap();
    let mut other = accounts[second].acquire().await;
    let (paying, paid) = if first == from {
        (&mut one, &mut other)
    } else {
        (&mut other, &mut one)
    };
    **paying -= amount;
    **paid += amount;
    writer.write(b"done\n");
}

async fn customer(bank: Address, request: &str) {
    let (mut reader, writer) = open_connection(bank).await.unwrap();
    writer.write(request.as_bytes());
    assert_eq!(line(&mut reader).await, "done");
}

pub(super) async fn program(order: Order) {
    let accounts: Rc<Accounts> = Rc::new([Lock::of(100), Lock::of(100)]);
    let bank = start_server("127.0.0.1:0", {
        let accounts = accounts.clone();
        move |reader, writer| transfer(accounts.clone(), order, reader, writer)
    })
    .unwrap();
    let address = &bank.sockets()[0];
    for _ in 0..3 {
        let customers = (
            customer(address.clone(), "0 pays 1\n30\n"),
            customer(address.clone(), "1 pays 0\n10\n"),
        );
        bucle::gather(customers).await.unwrap();
    }
    assert_eq!(*accounts[0].acquire().await, 40);
    assert_eq!(*accounts[1].acquire().await, 160);
}
