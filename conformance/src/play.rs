//! Plays rows against a server, through real sockets.
//!
//! Pieces of a row are sent so that the server has taken one before the next is sent: behind each, a
//! few requests on another connection are answered, and a server of one thread takes what came
//! before them first. Many connections go on side by side.
//!
//! Behind every row but those that wait, another request is sent: if the connection is kept it is
//! answered, once and last; if it is closed it is not, and the client reads its answers to the end
//! all the same.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{Answer, Taken, take};
use crate::case::ETAG;
use crate::{Case, Fate};

/// What is sent behind a row, and what of it is in its answer.
const NEXT: &[u8] = b"GET /echo?canary HTTP/1.1\r\nHost: c\r\n\r\n";
const NEXT_SAYS: &str = "canary";

/// What is asked on another connection, to know that the server was there.
const PING: &[u8] = b"GET /echo?ping HTTP/1.1\r\nHost: p\r\n\r\n";

/// How often it is asked between two pieces: answers may take a turn or two.
const PINGS: usize = 4;

/// Connections side by side.
const SIDE_BY_SIDE: usize = 200;

/// No read waits longer; nothing is about speed.
pub const WATCHDOG: Duration = Duration::from_secs(30);

/// Rows that are longer are cut at some offsets, and in pieces of several bytes.
const SHORT: usize = 1000;

/// How a row is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// Not at all.
    Whole,
    /// Behind every byte; behind every 61st where the row is long.
    EveryByte,
    /// Once, at every offset; at a hundred offsets where the row is long.
    EachOffset,
}

/// A row that failed.
pub struct Failure {
    /// The row.
    pub id: &'static str,
    /// Where it was cut.
    pub cut: String,
    /// What was wrong.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.id, self.cut, self.why)
    }
}

/// Plays all `cases` in this way, waiting for `patience` at most where an answer is missing; returns how many connections it took, and what failed.
///
/// # Errors
/// The server can't be reached.
pub fn play(
    cases: &[Case],
    cuts: Cuts,
    address: SocketAddr,
    patience: Duration,
) -> io::Result<(usize, Vec<Failure>)> {
    let mut plays = Vec::new();
    let cases = with_tag(cases, &tag(address)?);
    for case in &cases {
        let length = case.sent.len();
        match cuts {
            Cuts::Whole => plays.push((case, Vec::new())),
            Cuts::EveryByte => {
                let step = if length > SHORT { 61 } else { 1 };
                plays.push((case, (1..length).step_by(step).collect()));
            }
            Cuts::EachOffset => {
                let step = if length > SHORT { length / 100 } else { 1 };
                plays.extend((1..=length).step_by(step).map(|at| (case, vec![at])));
            }
        }
    }
    let mut failures = Vec::new();
    // Those of a kind together: a batch takes as many steps as its longest.
    plays.sort_by_key(|(_, cuts)| cuts.len());
    for batch in plays.chunks(SIDE_BY_SIDE) {
        failures.extend(play_batch(batch, address, patience)?);
    }
    Ok((plays.len(), failures))
}

/// The entity tag of `count.txt`, once it is a strong one: for two seconds after a change there is none,
/// or a weak one.
pub(crate) fn tag(address: SocketAddr) -> io::Result<String> {
    const ASKED: &[u8] = b"HEAD /count.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    let end = Instant::now() + WATCHDOG;
    let mut stream = connect(address, WATCHDOG)?;
    loop {
        stream.write_all(ASKED)?;
        let received = receive(&mut stream, &[0], Some(1)).map_err(io::Error::other)?;
        let answer = received.answers.last();
        match answer.and_then(|answer| answer.field("etag")) {
            Some(tag) if !tag.starts_with("W/") => return Ok(tag.to_owned()),
            _ if Instant::now() > end => {
                let told = format!("the server told no strong tag of count.txt, but {answer:?}");
                return Err(io::Error::other(told));
            }
            // Some close after every answer to HEAD.
            _ if received.end != End::Open => stream = connect(address, WATCHDOG)?,
            _ => {}
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The rows with the tag in its place.
pub(crate) fn with_tag(cases: &[Case], tag: &str) -> Vec<Case> {
    let mut cases = cases.to_vec();
    for case in &mut cases {
        let found = case
            .sent
            .windows(ETAG.len())
            .any(|part| part == ETAG.as_bytes());
        if found && let Ok(sent) = std::str::from_utf8(&case.sent) {
            case.sent = sent.replace(ETAG, tag).into_bytes();
        }
    }
    cases
}

/// Whether a server in one process answers; what it costs to wait for it.
struct Barrier(TcpStream);

impl Barrier {
    fn new(address: SocketAddr) -> io::Result<Barrier> {
        Ok(Barrier(connect(address, WATCHDOG)?))
    }

    /// Returns once the server has taken all that was sent to it before.
    fn wait(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        for _ in 0..PINGS {
            self.0.write_all(PING)?;
            let mut received = Vec::new();
            while !matches!(take(&received, false, false), Taken::Whole(..)) {
                match self.0.read(&mut buffer)? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    count => received.extend_from_slice(&buffer[..count]),
                }
            }
        }
        Ok(())
    }
}

fn connect(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(WATCHDOG))?;
    // Ends without a trace: these are more connections than there are ports.
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    Ok(stream)
}

fn play_batch(
    batch: &[(&Case, Vec<usize>)],
    address: SocketAddr,
    patience: Duration,
) -> io::Result<Vec<Failure>> {
    let mut barrier = Barrier::new(address)?;
    let mut streams = Vec::new();
    for _ in batch {
        streams.push(connect(address, patience)?);
    }
    let steps = batch.iter().map(|(_, cuts)| cuts.len()).max().unwrap_or(0);
    let mut sent = vec![0; batch.len()];
    for step in 0..steps {
        for (place, (case, cuts)) in batch.iter().enumerate() {
            if let Some(&cut) = cuts.get(step) {
                send(&mut streams[place], &case.sent[sent[place]..cut]);
                sent[place] = cut;
            }
        }
        barrier.wait()?;
    }
    for (place, (case, _)) in batch.iter().enumerate() {
        let mut last = case.sent[sent[place]..].to_vec();
        if case.fate != Fate::Waits && !case.ends {
            last.extend_from_slice(NEXT);
        }
        send(&mut streams[place], &last);
        if case.ends {
            let _ = streams[place].shutdown(Shutdown::Write);
        }
    }
    barrier.wait()?;
    let mut failures = Vec::new();
    for ((case, cuts), stream) in batch.iter().zip(&mut streams) {
        if let Err(why) = check(case, stream) {
            let cut = match cuts[..] {
                [] => "whole".to_owned(),
                [at] => format!("cut at {at}"),
                _ => "byte by byte".to_owned(),
            };
            failures.push(Failure {
                id: case.id,
                cut,
                why,
            });
        }
    }
    Ok(failures)
}

/// Sends a piece. A server that has closed need not take it; what is amiss is seen in the answers.
fn send(stream: &mut TcpStream, piece: &[u8]) {
    let _ = stream.write_all(piece);
}

/// All answers as far as they come, and how the connection ended.
pub(crate) struct Received {
    pub(crate) answers: Vec<Answer>,
    /// Bytes of an answer that is not whole.
    pub(crate) part: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server has closed it.
    Closed,
    /// It was reset.
    Reset,
    /// It is open, and nothing comes.
    Open,
}

/// Reads until `enough` answers are there and `extra` tells that no more are to come, or the end.
/// `Ok(None)` from a read that would block, or takes too long, is [`End::Open`].
pub(crate) fn receive(
    stream: &mut TcpStream,
    heads: &[usize],
    enough: Option<usize>,
) -> Result<Received, String> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut bytes = Vec::new();
    let mut at = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut end = None;
    loop {
        // Interim answers are to the request whose answer comes next.
        let place = answers.iter().filter(|answer| answer.status >= 200).count();
        match take(&bytes[at..], heads.contains(&place), end.is_some()) {
            Taken::Whole(answer, length) => {
                at += length;
                answers.push(answer);
                continue;
            }
            Taken::Malformed(why) => return Err(why),
            Taken::Part => {}
        }
        let finals = answers.iter().filter(|answer| answer.status >= 200).count();
        if enough.is_some_and(|enough| finals >= enough) && at == bytes.len() {
            end.get_or_insert(End::Open);
        }
        if let Some(end) = end {
            return Ok(Received {
                answers,
                part: bytes[at..].to_vec(),
                end,
            });
        }
        match stream.read(&mut buffer) {
            Ok(0) => end = Some(End::Closed),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => end = Some(End::Open),
                ErrorKind::Interrupted => {}
                _ => end = Some(End::Reset),
            },
        }
    }
}

fn check(case: &Case, stream: &mut TcpStream) -> Result<(), String> {
    let waits = case.fate == Fate::Waits;
    let io = |error: io::Error| error.to_string();
    stream.set_nonblocking(waits).map_err(io)?;
    let finals = case
        .statuses
        .iter()
        .filter(|status| **status >= 200)
        .count();
    let enough = (case.fate == Fate::Kept).then_some(finals + 1);
    let received = receive(stream, &case.heads, enough)?;
    let mut answers = received.answers;
    if case.continue_may_come {
        answers.retain(|answer| answer.status != 100);
    }
    for answer in &answers {
        answer.check(case.http10 && !answer.says(NEXT_SAYS))?;
    }
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let next = (case.fate == Fate::Kept).then(|| (statuses.pop(), answers.pop()));
    let end = received.end;
    let told = || {
        format!(
            "{statuses:?}, {end:?}, {:?}",
            answers.last().map(|last| &last.head)
        )
    };
    if statuses != case.statuses {
        return Err(format!("{:?} expected, but got {}", case.statuses, told()));
    }
    if !received.part.is_empty() {
        return Err(format!("half an answer behind {}", told()));
    }
    let ended = match case.fate {
        Fate::Closed => End::Closed,
        Fate::Kept | Fate::Waits => End::Open,
    };
    if end != ended {
        return Err(format!("{ended:?} expected, but got {}", told()));
    }
    match next {
        Some((Some(200), Some(answer))) if answer.says(NEXT_SAYS) => {}
        Some((status, _)) => {
            return Err(format!("the next request got {status:?} behind {}", told()));
        }
        None if answers.iter().any(|answer| answer.says(NEXT_SAYS)) => {
            return Err(format!("the next request was answered: {}", told()));
        }
        None => {}
    }
    let closes = |answer: &Answer| answer.field("connection") == Some("close");
    for (place, answer) in answers.iter().enumerate() {
        let last = case.fate == Fate::Closed && place + 1 == answers.len();
        // One that the client itself has ended need not say so.
        if closes(answer) != last && !case.ends {
            return Err(format!("Connection: close is wrong in {:?}", answer.head));
        }
    }
    let Some(last) = answers.last() else {
        return Ok(());
    };
    if let Some(what) = case.says.iter().find(|what| !last.says(what)) {
        return Err(format!("{what:?} is not in {}", text(last)));
    }
    if let Some(what) = case.lacks.iter().find(|what| last.says(what)) {
        return Err(format!("{what:?} is in {}", text(last)));
    }
    if let Some(body) = &case.body
        && *body != last.body
    {
        return Err(format!(
            "{:?} expected, but got {}",
            String::from_utf8_lossy(body),
            text(last)
        ));
    }
    Ok(())
}

fn text(answer: &Answer) -> String {
    format!(
        "{:?} {:?}",
        answer.head,
        String::from_utf8_lossy(&answer.body)
    )
}
