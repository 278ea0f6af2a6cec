//! Transports under arbitrary commands: whatever is called, from inside callbacks and from outside,
//! on either end, a protocol is told of its connection in the one right order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{get_running_loop, sleep, yield_now};
use bucle_net::Transport;
use bytes::Bytes;
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Write(usize),
    Shared(usize),
    Lines(usize),
    File(usize),
    FileTooShort,
    WriteEof,
    PauseReading,
    ResumeReading,
    Limits(usize, usize),
    Close,
    CloseAfter(usize),
    Abort,
    /// Gives the other end the word.
    Yield,
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    let size = prop_oneof![0..10usize, 0..100_000usize, 0..400_000usize];
    prop_oneof![
        6 => size.clone().prop_map(Command::Write),
        1 => size.clone().prop_map(Command::CloseAfter),
        3 => size.clone().prop_map(Command::Shared),
        2 => size.clone().prop_map(Command::Lines),
        3 => (0..600_000usize).prop_map(Command::File),
        1 => Just(Command::FileTooShort),
        1 => Just(Command::WriteEof),
        3 => Just(Command::PauseReading),
        4 => Just(Command::ResumeReading),
        2 => (0..200_000usize, 0..200_000usize).prop_map(|(a, b)| Command::Limits(a, b)),
        1 => Just(Command::Close),
        1 => Just(Command::Abort),
        6 => Just(Command::Yield),
    ]
}

fn obey(transport: &Transport, command: &Command, file: &Rc<File>) {
    match *command {
        Command::Write(size) => transport.write(&vec![1; size]),
        Command::Shared(size) => transport.write_bytes(Bytes::from(vec![2; size])),
        Command::Lines(size) => transport.writelines([vec![3; size], vec![3; size / 2]]),
        Command::File(size) => transport.send_file_after(b"head", file.clone(), 0, size as u64),
        Command::FileTooShort => transport.send_file(file.clone(), 0, 1_000_000),
        Command::WriteEof => transport.write_eof(),
        Command::PauseReading => transport.pause_reading(),
        Command::ResumeReading => transport.resume_reading(),
        Command::Limits(high, low) => transport.set_write_buffer_limits(high, low),
        Command::Close => transport.close(),
        Command::CloseAfter(size) => transport.close_after(&vec![4; size]),
        Command::Abort => transport.abort(),
        Command::Yield => {}
    }
}

/// One call at the start, one at the end, pause and resume in turns, nothing after an end.
pub(crate) fn check_order(told: &[Told]) {
    assert_eq!(told.first(), Some(&Told::Made));
    assert!(matches!(told.last(), Some(Told::Lost(_))));
    let mut paused = false;
    let mut eof = false;
    for (place, told) in told.iter().enumerate() {
        match told {
            Told::Made => assert_eq!(place, 0),
            Told::Data(_) => assert!(!eof),
            Told::Eof => assert!(!std::mem::replace(&mut eof, true)),
            Told::Pause => assert!(!std::mem::replace(&mut paused, true)),
            Told::Resume => assert!(std::mem::replace(&mut paused, false)),
            Told::Lost(_) => {}
        }
    }
    let lost = told.iter().filter(|told| matches!(told, Told::Lost(_)));
    assert_eq!(lost.count(), 1);
}

/// `connect` gives both protocols their connection, and may return what keeps it.
pub(crate) async fn check<T>(
    connect: impl AsyncFnOnce(&Record, &Record) -> (Transport, Transport, T),
    outside: Vec<(bool, Command)>,
    inside: Vec<Command>,
    keep_open: bool,
) {
    let complaints = Rc::new(RefCell::new(Vec::new()));
    get_running_loop().set_exception_handler({
        let complaints = complaints.clone();
        move |_, context| {
            let complaint = context.to_string();
            // The one that is right.
            if !complaint.contains("after write_eof()") {
                complaints.borrow_mut().push(complaint);
            }
        }
    });
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![4; 600_000]).unwrap();
    let file = Rc::new(file);
    let inside = Rc::new(RefCell::new(VecDeque::from(inside)));
    let end = || {
        let (inside, file) = (inside.clone(), file.clone());
        let record = Record::new().on_data(move |transport, _| {
            let command = inside.borrow_mut().pop_front();
            if let Some(command) = command {
                obey(transport, &command, &file);
            }
        });
        if keep_open {
            record.keep_open()
        } else {
            record
        }
    };
    let (left, right) = (end(), end());
    let (left_transport, right_transport, _keep) = connect(&left, &right).await;
    for (side, command) in outside {
        let transport = if side {
            &left_transport
        } else {
            &right_transport
        };
        obey(transport, &command, &file);
        if let Command::Yield = command {
            yield_now().await;
        }
    }
    for _ in 0..3 {
        yield_now().await;
    }
    // An orderly end, with a deadline.
    left_transport.resume_reading();
    right_transport.resume_reading();
    left_transport.close();
    right_transport.close();
    for _ in 0..5 {
        sleep(Duration::from_millis(1)).await;
    }
    left_transport.abort();
    right_transport.abort();
    left.lost().await;
    right.lost().await;
    sleep(Duration::from_millis(1)).await;
    for transport in [&left_transport, &right_transport] {
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert!(transport.is_closing() && !transport.is_reading());
        assert_eq!(transport.local_address(), None);
    }
    check_order(&left.told());
    check_order(&right.told());
    assert!(complaints.borrow().is_empty(), "{complaints:?}");
}

async fn plain(left: &Record, right: &Record) -> (Transport, Transport, ()) {
    let (a, b) = UnixStream::pair().unwrap();
    let left = Transport::from_connected(a.into(), left.protocol()).unwrap();
    let right = Transport::from_connected(b.into(), right.protocol()).unwrap();
    (left, right, ())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn protocols_are_told_in_order(
        outside in prop::collection::vec((any::<bool>(), command()), 0..30),
        inside in prop::collection::vec(command(), 0..20),
        keep_open: bool,
    ) {
        within(move || bucle_loop::run(check(plain, outside, inside, keep_open)).unwrap());
    }
}
