//! The reader against a model: whatever the peer sends, in whatever pieces, and whatever is asked,
//! every byte comes out once and in order.

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bucle_loop::{timeout, yield_now};
use bucle_net::{ConnectOptions, ReadError, StreamReader, open_connection_with};
use proptest::prelude::*;

use crate::support::within;

#[derive(Clone, Debug)]
enum Operation {
    Read(usize),
    Into(usize),
    Exactly(usize),
    Until(Vec<u8>),
    Line,
    /// Begins to read and gives up.
    GiveUp(usize),
    Yield,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0..40usize).prop_map(Operation::Read),
        (4_000..70_000usize).prop_map(Operation::Read),
        (0..40usize).prop_map(Operation::Into),
        (4_000..70_000usize).prop_map(Operation::Into),
        (0..60usize).prop_map(Operation::Exactly),
        prop::collection::vec(prop::sample::select(&b"\n;a"[..]), 1..3).prop_map(Operation::Until),
        Just(Operation::Line),
        (1..200usize).prop_map(Operation::GiveUp),
        Just(Operation::Yield),
    ]
}

/// What the stream says, from a small alphabet so that separators occur, and how it is cut: mostly
/// into less than is received in one piece, and sometimes into more.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let alphabet = &b"\n;abc"[..];
    let short = prop::collection::vec(prop::sample::select(alphabet), 1..50);
    let long = (3_000..20_000usize).prop_map(move |length| {
        let bytes = (0..length).map(|at| alphabet[at / 7 % alphabet.len()]);
        bytes.collect()
    });
    prop::collection::vec(prop_oneof![6 => short, 1 => long], 0..8)
}

/// The first place of `separator`, by the plainest way there is.
fn find(bytes: &[u8], separator: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|at| bytes[*at..].starts_with(separator))
}

async fn check(pieces: Vec<Vec<u8>>, operations: Vec<Operation>, limit: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut reader, _writer) = open_connection_with(
        listener.local_addr().unwrap(),
        ConnectOptions::default().limit(limit),
    )
    .await
    .unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    let all = pieces.concat();
    let mut pieces = pieces.into_iter();
    // What has not come out yet.
    let mut left = &all[..];
    for operation in operations {
        match pieces.next() {
            Some(piece) => peer.write_all(&piece).unwrap(),
            None => {
                let _ = peer.shutdown(Shutdown::Write);
            }
        }
        let taken = apply(&operation, &mut reader, left, limit).await;
        assert!(left.starts_with(&taken), "{operation:?}");
        left = &left[taken.len()..];
    }
    for piece in pieces {
        peer.write_all(&piece).unwrap();
    }
    let _ = peer.shutdown(Shutdown::Write);
    assert_eq!(reader.read_to_end().await.unwrap(), left);
    assert!(reader.at_eof());
}

/// Does one thing, holds it against what is `left`, and returns the bytes that came out. What needs
/// more than was sent so far is given up.
async fn apply(
    operation: &Operation,
    reader: &mut StreamReader,
    left: &[u8],
    limit: usize,
) -> Vec<u8> {
    let short = Duration::from_millis(1);
    let separator: &[u8] = match operation {
        Operation::Read(count) => {
            let Ok(some) = timeout(short, reader.read(*count)).await else {
                return Vec::new();
            };
            let some = some.unwrap();
            assert!(some.len() <= *count);
            assert!(!some.is_empty() || *count == 0 || left.is_empty());
            return some;
        }
        Operation::Into(count) => {
            let mut some = vec![0; *count];
            let Ok(read) = timeout(short, reader.read_into(&mut some)).await else {
                return Vec::new();
            };
            some.truncate(read.unwrap());
            assert!(!some.is_empty() || *count == 0 || left.is_empty());
            return some;
        }
        Operation::Exactly(count) => {
            return match timeout(short, reader.readexactly(*count)).await {
                Err(_) => Vec::new(),
                Ok(Ok(some)) => {
                    assert_eq!(some.len(), *count);
                    some
                }
                Ok(Err(ReadError::Incomplete { partial, expected })) => {
                    assert_eq!(expected, Some(*count));
                    assert_eq!(partial, left);
                    assert!(left.len() < *count);
                    partial
                }
                Ok(Err(other)) => panic!("{other:?}"),
            };
        }
        Operation::GiveUp(count) => {
            let mut reading = Box::pin(reader.readexactly(left.len() + count));
            let mut cx = Context::from_waker(Waker::noop());
            return match reading.as_mut().poll(&mut cx) {
                Poll::Pending => Vec::new(),
                Poll::Ready(Err(ReadError::Incomplete { partial, .. })) => partial,
                Poll::Ready(other) => panic!("{other:?}"),
            };
        }
        Operation::Yield => {
            yield_now().await;
            return Vec::new();
        }
        Operation::Until(separator) => separator,
        Operation::Line => b"\n",
    };
    let place = find(left, separator);
    match timeout(short, reader.readuntil(separator)).await {
        Err(_) => Vec::new(),
        Ok(Ok(some)) => {
            assert_eq!(Some(some.len() - separator.len()), place);
            assert!(some.len() - separator.len() <= limit);
            some
        }
        Ok(Err(ReadError::Incomplete { partial, .. })) => {
            assert_eq!(partial, left);
            assert_eq!(place, None);
            partial
        }
        Ok(Err(ReadError::LimitOverrun {
            consumed, found, ..
        })) => {
            assert!(consumed > limit);
            if found {
                assert_eq!(place, Some(consumed));
            } else {
                assert!(place.is_none_or(|place| place >= consumed));
            }
            // Nothing has gone: what belongs to the chunk can be read.
            reader.readexactly(consumed).await.unwrap()
        }
        Ok(Err(other)) => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_comes_out_once_and_in_order(
        pieces in pieces(),
        operations in prop::collection::vec(operation(), 0..12),
        limit in 1..80usize,
    ) {
        within(move || bucle_loop::run(check(pieces, operations, limit)).unwrap());
    }
}
