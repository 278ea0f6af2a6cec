//! The queue against a sink that takes what it is told to take.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::BorrowedFd;

use super::*;

/// One call that a sink got.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Send(String, bool),
    Vectored(Vec<String>, bool),
    File(u64, usize),
}

/// What a call is answered.
enum Answer {
    All,
    Take(usize),
    Fail(io::ErrorKind),
}

#[derive(Default)]
struct Fake {
    calls: RefCell<Vec<Call>>,
    answers: RefCell<VecDeque<Answer>>,
    bytes: RefCell<Vec<u8>>,
    no_sendfile: bool,
}

impl Fake {
    fn answering(answers: impl IntoIterator<Item = Answer>) -> Fake {
        Fake {
            answers: RefCell::new(answers.into_iter().collect()),
            ..Fake::default()
        }
    }

    fn answer(&self, offered: usize) -> io::Result<usize> {
        match self.answers.borrow_mut().pop_front() {
            None | Some(Answer::All) => Ok(offered),
            Some(Answer::Take(count)) => Ok(count.min(offered)),
            Some(Answer::Fail(kind)) => Err(kind.into()),
        }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Sink for Fake {
    fn send(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        self.calls.borrow_mut().push(Call::Send(text(bytes), more));
        let count = self.answer(bytes.len())?;
        self.bytes.borrow_mut().extend(&bytes[..count]);
        Ok(count)
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let texts = buffers.iter().map(|buffer| text(buffer)).collect();
        self.calls.borrow_mut().push(Call::Vectored(texts, more));
        let all: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
        let count = self.answer(all.len())?;
        self.bytes.borrow_mut().extend(&all[..count]);
        Ok(count)
    }

    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
        self.calls.borrow_mut().push(Call::File(offset, count));
        if self.no_sendfile {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let count = self.answer(count)?;
        let mut buffer = vec![0; count];
        let count = read_at(file, &mut buffer, offset)?;
        self.bytes.borrow_mut().extend(&buffer[..count]);
        Ok(count)
    }
}

const ALL: usize = 1 << 20;

fn file(content: &[u8]) -> Rc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    Rc::new(file)
}

fn send(queue: &mut WriteQueue, sink: &Fake, budget: usize) -> (usize, io::Result<Progress>) {
    let result = queue.send(sink, budget);
    while queue.discard().is_some() {}
    result
}

fn shared(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn neighbours_leave_in_one_call() {
    let mut queue = WriteQueue::default();
    let long = "x".repeat(COPY_SHARED + 1);
    queue.push(b"a");
    queue.push(b"b");
    queue.push_shared(shared("c"));
    queue.push_shared(shared(&long));
    queue.push(b"d");
    assert_eq!(queue.size(), long.len() as u64 + 4);
    let sink = Fake::default();
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!((sent, result.unwrap()), (long.len() + 4, Progress::Drained));
    assert_eq!(
        sink.calls(),
        [Call::Vectored(vec!["abc".into(), long, "d".into()], false)]
    );
    assert_eq!(queue.size(), 0);
}

#[test]
fn what_is_not_taken_stays_in_order() {
    let mut queue = WriteQueue::default();
    queue.push_shared(shared("abc"));
    queue.push_shared(shared("def"));
    let sink = Fake::answering([
        Answer::Take(4),
        Answer::Fail(io::ErrorKind::WouldBlock),
        Answer::All,
    ]);
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!((sent, result.unwrap()), (4, Progress::Blocked));
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!((sent, result.unwrap()), (0, Progress::Blocked));
    queue.push(b"ghi");
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!((sent, result.unwrap()), (5, Progress::Drained));
    assert_eq!(*sink.bytes.borrow(), b"abcdefghi");
}

#[test]
fn the_budget_is_not_exceeded() {
    let mut queue = WriteQueue::default();
    let file = file(&[7; 100]);
    queue.push_shared(shared("abcdef"));
    queue.push_file(FileRange::new(file, 10, 20));
    queue.push(b"end");
    let sink = Fake::default();
    let mut sent_by_turn = Vec::new();
    loop {
        let (sent, result) = send(&mut queue, &sink, 8);
        assert!(sent <= 8);
        sent_by_turn.push(sent);
        match result.unwrap() {
            Progress::Spent => {}
            Progress::Drained => break,
            Progress::Blocked => panic!("it takes everything"),
        }
    }
    assert_eq!(sent_by_turn, [8, 8, 8, 5]);
    let mut expected = b"abcdef".to_vec();
    expected.extend([7; 20]);
    expected.extend(b"end");
    assert_eq!(*sink.bytes.borrow(), expected);
}

#[test]
fn a_head_says_that_its_file_follows() {
    let mut queue = WriteQueue::default();
    let file = file(b"0123456789");
    queue.push(b"head ");
    queue.push_file(FileRange::new(file.clone(), 2, 3));
    queue.push(b"head2 ");
    queue.push_file(FileRange::new(file, 0, 1));
    queue.push(b"tail");
    let sink = Fake::default();
    let (_, result) = send(&mut queue, &sink, ALL);
    assert_eq!(result.unwrap(), Progress::Drained);
    assert_eq!(
        sink.calls(),
        [
            Call::Send("head ".into(), true),
            Call::File(2, 3),
            Call::Send("head2 ".into(), true),
            Call::File(0, 1),
            Call::Send("tail".into(), false),
        ]
    );
    assert_eq!(*sink.bytes.borrow(), b"head 234head2 0tail");
}

#[test]
fn a_file_that_became_shorter_is_an_error() {
    for no_sendfile in [false, true] {
        let mut queue = WriteQueue::default();
        queue.push_file(FileRange::new(file(b"0123456789"), 4, 10));
        let sink = Fake {
            no_sendfile,
            ..Fake::default()
        };
        let (sent, result) = send(&mut queue, &sink, ALL);
        assert_eq!((sent, result.unwrap()), (6, Progress::Blocked));
        let (_, result) = send(&mut queue, &sink, ALL);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("4 bytes are missing"), "{error}");
        assert_eq!(*sink.bytes.borrow(), b"456789");
    }
}

#[test]
fn without_sendfile_the_file_is_read_and_written() {
    let content: Vec<u8> = (0..COPY_BUFFER * 2 + 10).map(|at| at as u8).collect();
    let mut queue = WriteQueue::default();
    queue.push_file(FileRange::new(file(&content), 0, content.len() as u64));
    let sink = Fake {
        no_sendfile: true,
        ..Fake::answering([Answer::All, Answer::Take(5), Answer::All])
    };
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!(
        (sent, result.unwrap()),
        (COPY_BUFFER + 5, Progress::Blocked)
    );
    let (_, result) = send(&mut queue, &sink, ALL);
    assert_eq!(result.unwrap(), Progress::Drained);
    assert_eq!(*sink.bytes.borrow(), content);
    let tried = sink.calls();
    let tried = tried.iter().filter(|call| matches!(call, Call::File(..)));
    assert_eq!(tried.count(), 1, "asked once, remembered");
}

#[test]
fn more_buffers_than_one_call_takes() {
    let mut queue = WriteQueue::default();
    for _ in 0..MAX_IOV + 1 {
        queue.push_shared(shared("x"));
    }
    let sink = Fake::default();
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!((sent, result.unwrap()), (MAX_IOV + 1, Progress::Drained));
    let calls = sink.calls();
    assert!(
        matches!(&calls[..], [Call::Vectored(first, true), Call::Send(_, false)] if first.len() == MAX_IOV),
        "{calls:?}"
    );
}

#[test]
fn nothing_is_no_segment() {
    let mut queue = WriteQueue::default();
    queue.push(b"");
    queue.push_shared(Bytes::new());
    queue.push_file(FileRange::new(file(b""), 0, 0));
    assert_eq!(queue.size(), 0);
    let sink = Fake::default();
    let (sent, result) = send(&mut queue, &sink, ALL);
    assert_eq!((sent, result.unwrap()), (0, Progress::Drained));
    assert!(sink.calls().is_empty());
}
