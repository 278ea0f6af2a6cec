//! The access log: one line a request, written by a thread of its own, so that whoever reads it,
//! or doesn't, never holds a loop.
//!
//! ```text
//!   AccessLog (one a loop)  ── at the end of a turn ──>  LogWriter  ── its thread ──>  the sink
//!     formats lines                                      holds at most LOG_BUFFER bytes
//! ```
//!
//! When the sink takes nothing any more (a closed pipe), the log ends; when it takes too little,
//! lines are dropped and counted. Both are said once on standard error, and the server goes on; at
//! its end is said how many lines were lost in all.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bucle_http::RequestHead;
use bucle_loop::{LoopRef, Readiness, Source};
use bucle_net::Address;

use crate::date::DateCache;
use crate::request::HeadPool;

/// How much of the log may wait for its reader, in bytes; lines beyond that are dropped.
pub const LOG_BUFFER: usize = 1024 * 1024;

/// After each write the thread lets lines gather for so long: under load it is not woken for every
/// one of them.
const GATHER: Duration = Duration::from_millis(10);

/// How much is told of the line of a request that could not be read, in bytes.
const LINE: usize = 1024;

/// What is kept of a record's text for the next request of a connection, in bytes.
const KEPT_TEXT: usize = 1024;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Not at all.
    #[default]
    Off,
    /// Apache's "combined": address, time, request line, status, bytes, referer, user agent.
    Combined,
    /// One JSON object a line.
    Json,
}

/// What is known of one request, from its head to its end; used again for the next one of the
/// same connection.
pub(crate) struct Record {
    peer: Option<Address>,
    /// Whom the connection is for.
    connected: Option<Address>,
    /// For whom the request is.
    client: Option<IpAddr>,
    started: Instant,
    /// Whether it was begun and not ended.
    under_way: bool,
    /// Whether the request could be read.
    readable: bool,
    /// Method, target, version, referer and user agent, one behind the other; or, of what could not
    /// be read, its first line.
    text: Vec<u8>,
    ends: [usize; 5],
    status: u16,
    sent: u64,
}

impl Record {
    /// The record of a connection with `peer`, that is for `connected`.
    pub(crate) fn new(peer: Option<Address>, connected: Option<Address>, now: Instant) -> Record {
        Record {
            peer,
            connected,
            client: None,
            started: now,
            under_way: false,
            readable: false,
            text: Vec::new(),
            ends: [0; 5],
            status: 0,
            sent: 0,
        }
    }

    /// Begins with a request, or with what came and could not be read as one.
    pub(crate) fn begin(
        &mut self,
        request: Result<&RequestHead, &[u8]>,
        now: Instant,
        pool: &HeadPool,
    ) {
        let connected = self.connected.as_ref();
        self.client = match request {
            Ok(head) => pool.client(connected, head),
            Err(_) => connected
                .and_then(Address::as_tcp)
                .map(|address| address.ip().to_canonical()),
        };
        self.started = now;
        self.under_way = true;
        self.readable = request.is_ok();
        self.text.clear();
        self.ends = [0; 5];
        (self.status, self.sent) = (0, 0);
        let head = match request {
            Ok(head) => head,
            Err(input) => {
                self.text.extend_from_slice(first_line(input));
                self.ends = [self.text.len(); 5];
                return;
            }
        };
        let parts = [
            head.method_str().as_bytes(),
            head.target().as_bytes(),
            head.version().as_str().as_bytes(),
            head.header("referer").unwrap_or_default(),
            head.header("user-agent").unwrap_or_default(),
        ];
        self.ends = parts.map(|part| {
            self.text.extend_from_slice(part);
            self.text.len()
        });
    }

    /// The answer's head was written; its body will come to so many bytes.
    pub(crate) fn answered(&mut self, status: u16, sent: u64) {
        self.status = status;
        self.sent = sent;
    }

    /// So much of a body was sent after all.
    pub(crate) fn sent(&mut self, sent: u64) {
        self.sent = sent;
    }

    /// So much more of a body that comes by and by was sent.
    pub(crate) fn sent_more(&mut self, sent: u64) {
        self.sent = self.sent.saturating_add(sent);
    }

    /// So much of it never left.
    pub(crate) fn unsent(&mut self, unsent: u64) {
        self.sent = self.sent.saturating_sub(unsent);
    }

    /// Ends it; false if it was not under way.
    pub(crate) fn end(&mut self) -> bool {
        std::mem::take(&mut self.under_way)
    }

    /// Gives back what a long request needed: the connection may be idle for long from here on.
    pub(crate) fn shrink(&mut self) {
        if self.text.capacity() > KEPT_TEXT {
            self.text = Vec::new();
            self.ends = [0; 5];
        }
    }

    fn part(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[number]]
    }

    fn combined(&self, out: &mut Vec<u8>, date: &DateCache) -> io::Result<()> {
        match self.client {
            Some(client) => write!(out, "{client}")?,
            None => out.push(b'-'),
        }
        write!(out, " - - [{}] \"", date.common())?;
        if !self.readable && self.text.is_empty() {
            out.push(b'-');
        }
        for number in 0..3 {
            if number > 0 && self.readable {
                out.push(b' ');
            }
            push_quoted(out, self.part(number));
        }
        write!(out, "\" {} {}", self.status, self.sent)?;
        for number in [3, 4] {
            out.extend_from_slice(b" \"");
            match self.part(number) {
                b"" => out.push(b'-'),
                part => push_quoted(out, part),
            }
            out.push(b'"');
        }
        out.push(b'\n');
        Ok(())
    }

    fn json(&self, out: &mut Vec<u8>, date: &DateCache, now: Instant) -> io::Result<()> {
        write!(out, "{{\"time\":\"{}\",\"peer\":", date.iso())?;
        match &self.peer {
            Some(Address::Tcp(address)) => write!(out, "\"{address}\"")?,
            Some(unix) => push_json(out, unix.to_string().as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        match self.client {
            Some(client) => write!(out, ",\"client\":\"{client}\"")?,
            None => out.extend_from_slice(b",\"client\":null"),
        }
        let names = ["method", "target", "version", "referer", "user_agent"];
        if !self.readable && !self.text.is_empty() {
            out.extend_from_slice(b",\"line\":");
            push_json(out, &self.text);
        }
        for (number, name) in names.into_iter().enumerate() {
            write!(out, ",\"{name}\":")?;
            match self.part(number) {
                _ if !self.readable => out.extend_from_slice(b"null"),
                b"" => out.extend_from_slice(b"null"),
                part => push_json(out, part),
            }
        }
        let took = now.saturating_duration_since(self.started).as_micros();
        let (status, sent) = (self.status, self.sent);
        writeln!(
            out,
            ",\"status\":{status},\"bytes\":{sent},\"microseconds\":{took}}}"
        )
    }
}

/// The line that a request began with, as far as it came, and not more than [`LINE`] of it.
fn first_line(input: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| b"\r\n".contains(byte);
    let start = input.iter().position(|byte| !is_end(byte));
    let line = &input[start.unwrap_or(input.len())..];
    let line = &line[..line.len().min(LINE)];
    &line[..line.iter().position(is_end).unwrap_or(line.len())]
}

/// Text between quotes; what could end them or the line is written as `\xHH`, as nginx does.
fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => out.push(byte),
            _ => push_hex(out, b"\\x", byte),
        }
    }
}

/// Text as a JSON string; what is no UTF-8 becomes the replacement character.
fn push_json(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            // C1 as well, which terminals heed.
            control if control.is_control() => push_hex(out, b"\\u00", control as u8),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn push_hex(out: &mut Vec<u8>, before: &[u8], byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(before);
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 15)]);
}

/// The log as one loop writes it.
pub(crate) struct AccessLog {
    format: LogFormat,
    writer: LogWriter,
    lines: RefCell<Vec<u8>>,
    count: Cell<u64>,
}

impl AccessLog {
    pub(crate) fn new(format: LogFormat, writer: LogWriter) -> Rc<AccessLog> {
        Rc::new(AccessLog {
            format,
            writer,
            lines: RefCell::default(),
            count: Cell::new(0),
        })
    }

    /// Writes a line, which leaves at the end of the turn.
    pub(crate) fn write(self: &Rc<Self>, record: &Record, event_loop: &LoopRef, date: &DateCache) {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            event_loop.flush_soon(self.clone());
        }
        // Writing to a vector never fails.
        let _ = match self.format {
            LogFormat::Json => record.json(&mut lines, date, event_loop.time()),
            LogFormat::Combined | LogFormat::Off => record.combined(&mut lines, date),
        };
        self.count.set(self.count.get() + 1);
    }

    fn hand_over(&self) {
        self.writer
            .take(&mut self.lines.borrow_mut(), self.count.take());
    }
}

impl Source for AccessLog {
    fn ready(&self, _: Readiness) {}

    fn flush(&self) {
        self.hand_over();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// The thread that writes, as the loops see it.
#[derive(Clone)]
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end is wanted.
    work: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// How many lines these are, and how many are at the sink.
    waiting: u64,
    at_sink: u64,
    /// Dropped and not told of.
    dropped: u64,
    /// All that were, told or not.
    all_dropped: u64,
    /// The thread waits for work, and has to be woken when there is some.
    idle: bool,
    ending: bool,
    ended: bool,
    /// It ended because the sink is closed, which was told.
    failed: bool,
}

impl State {
    /// Takes no more; what was not written is lost.
    fn end(&mut self) {
        self.ended = true;
        self.lines.clear();
        self.all_dropped += std::mem::take(&mut self.waiting) + std::mem::take(&mut self.at_sink);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub(crate) fn start(sink: impl Write + Send + 'static) -> io::Result<LogWriter> {
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        thread::Builder::new()
            .name("bucle-access-log".into())
            .spawn(move || {
                let result = write_lines(&theirs, sink);
                let mut state = theirs.lock();
                state.failed = result.is_err();
                state.end();
                drop(state);
                theirs.ended.notify_all();
                if let Err(error) = result {
                    say(format_args!(
                        "the access log ends, it can't be written: {error}"
                    ));
                }
            })?;
        Ok(LogWriter { shared })
    }

    /// Takes whole lines over, and leaves the vector empty.
    fn take(&self, lines: &mut Vec<u8>, count: u64) {
        if lines.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        let mut wake = false;
        if state.ended {
            state.all_dropped += count;
        } else if state.lines.len() + lines.len() > LOG_BUFFER {
            state.dropped += count;
            state.all_dropped += count;
        } else {
            state.lines.extend_from_slice(lines);
            state.waiting += count;
            wake = std::mem::take(&mut state.idle);
        }
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
        lines.clear();
    }

    /// How many lines were dropped so far.
    pub(crate) fn lines_dropped(&self) -> u64 {
        self.shared.lock().all_dropped
    }

    /// Has everything written that was taken so far, if that is done within `patience`; a sink that
    /// takes nothing is left to itself. What was lost that way is told on standard error.
    pub(crate) fn finish(&self, patience: Duration) {
        let lost = self.finish_quietly(patience);
        if lost > 0 && !self.shared.lock().failed {
            say(format_args!(
                "{lost} lines of the access log were lost, since its reader was too slow"
            ));
        }
    }

    /// The same without telling; returns how many lines were lost.
    fn finish_quietly(&self, patience: Duration) -> u64 {
        let mut state = self.shared.lock();
        state.ending = true;
        self.shared.work.notify_one();
        let waited = self
            .shared
            .ended
            .wait_timeout_while(state, patience, |state| !state.ended);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // What nobody has taken by now, nobody will. From here on it is counted as dropped.
        state.end();
        state.all_dropped
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogWriter")
    }
}

fn write_lines(shared: &Shared, mut sink: impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    let mut said = false;
    loop {
        let dropped;
        {
            let mut state = shared.lock();
            while state.lines.is_empty() && !state.ending {
                state.idle = true;
                state = shared
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.idle = false;
            if state.lines.is_empty() {
                return Ok(());
            }
            lines.clear();
            std::mem::swap(&mut lines, &mut state.lines);
            state.at_sink = std::mem::take(&mut state.waiting);
            dropped = std::mem::take(&mut state.dropped);
        }
        write_whole(&mut sink, &lines)?;
        shared.lock().at_sink = 0;
        if dropped > 0 && !said {
            said = true;
            say(format_args!(
                "the access log is read too slowly: {dropped} lines were dropped, and more may be"
            ));
        }
        let pause = shared
            .work
            .wait_timeout_while(shared.lock(), GATHER, |state| !state.ending);
        drop(pause);
    }
}

/// Writes all of `lines`, also where the sink is non-blocking: standard output may be, when another
/// program that shares it wants it so.
fn write_whole(sink: &mut impl Write, mut lines: &[u8]) -> io::Result<()> {
    while !lines.is_empty() {
        match sink.write(lines) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => lines = &lines[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
    sink.flush()
}

/// Standard error may be gone as well, which is no reason to end.
fn say(message: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "bucle: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use bucle_http::{Limits, ServerConnection};
    use std::sync::mpsc;

    const WATCHDOG: Duration = Duration::from_secs(30);

    fn pool() -> HeadPool {
        let proxies = crate::TrustedProxies::nobody().and("192.0.2.0/24").unwrap();
        HeadPool::new(Arc::default(), proxies)
    }

    fn record(request: &[u8]) -> Record {
        let mut head = RequestHead::default();
        let mut connection = ServerConnection::default();
        connection
            .receive(request, &mut head, &Limits::default())
            .unwrap();
        let peer = Address::Tcp("192.0.2.7:5000".parse().unwrap());
        let now = Instant::now();
        let mut record = Record::new(Some(peer.clone()), Some(peer), now);
        record.begin(Ok(&head), now, &pool());
        record.answered(200, 12);
        record
    }

    fn date() -> DateCache {
        DateCache::at(784_111_777)
    }

    fn combined(record: &Record) -> String {
        let mut out = Vec::new();
        record.combined(&mut out, &date()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn combined_lines_are_apache_s_and_can_t_be_forged() {
        let record = record(
            b"GET /a?b HTTP/1.1\r\nHost: x\r\nUser-Agent: a\"b\\c\xff\t\r\nReferer: http://y/\r\n\r\n",
        );
        assert_eq!(
            combined(&record),
            "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 12 \
             \"http://y/\" \"a\\x22b\\x5cc\\xff\"\n"
        );
        let mut unreadable = record;
        unreadable.connected = Some(Address::Unix(None));
        unreadable.begin(Err(b""), Instant::now(), &pool());
        unreadable.answered(400, 3);
        assert_eq!(
            combined(&unreadable),
            "- - - [06/Nov/1994:08:49:37 +0000] \"-\" 400 3 \"-\" \"-\"\n"
        );
        for (input, line) in [
            (
                &b"\r\nGET /\"\x07 HTTP/9.9\r\nHost: x\r\n"[..],
                "GET /\\x22\\x07 HTTP/9.9",
            ),
            (b"GET /ha", "GET /ha"),
            (b"\r\n", "-"),
            (&[b'a'; 2 * LINE], &"a".repeat(LINE)),
        ] {
            unreadable.begin(Err(input), Instant::now(), &pool());
            let told = combined(&unreadable);
            assert!(
                told.contains(&format!("+0000] \"{line}\" 0 0 \"-\" \"-\"\n")),
                "{told}"
            );
        }
    }

    #[test]
    fn what_a_long_request_needed_is_given_back() {
        let long = format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(KEPT_TEXT));
        let mut long = record(long.as_bytes());
        long.shrink();
        assert_eq!(long.text.capacity(), 0);
        assert!(combined(&long).contains("\"  \" 200 "));
        let mut short = record(b"GET / HTTP/1.0\r\n\r\n");
        short.shrink();
        assert!(combined(&short).contains("\"GET / HTTP/1.0\" 200 "));
    }

    #[test]
    fn json_lines_are_objects() {
        let record = record(
            b"HEAD / HTTP/1.0\r\nUser-Agent: a\"\\\x80\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n",
        );
        let mut out = Vec::new();
        let later = record.started + Duration::from_micros(7);
        record.json(&mut out, &date(), later).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"time\":\"1994-11-06T08:49:37Z\",\"peer\":\"192.0.2.7:5000\",\"client\":\"198.51.100.1\",\"method\":\"HEAD\",\
             \"target\":\"/\",\"version\":\"HTTP/1.0\",\"referer\":null,\
             \"user_agent\":\"a\\\"\\\\\u{fffd}\",\"status\":200,\"bytes\":12,\"microseconds\":7}\n"
        );
        let mut control = Vec::new();
        push_json(&mut control, "a\x01\x7f\n\u{9b}31m\u{e9}".as_bytes());
        assert_eq!(
            String::from_utf8(control).unwrap(),
            "\"a\\u0001\\u007f\\u000a\\u009b31m\u{e9}\""
        );
    }

    /// A sink that says when it is given something, and takes it once it is let.
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.send(bytes.to_vec());
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_takes_nothing_holds_nobody_and_costs_a_bounded_buffer() {
        let (leave, left) = mpsc::channel();
        let (sender, given) = mpsc::channel();
        let writer = LogWriter::start(Stuck(left, sender)).unwrap();
        writer.take(&mut b"first\n".to_vec(), 1);
        assert_eq!(given.recv_timeout(WATCHDOG).unwrap(), b"first\n");
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let fit = LOG_BUFFER / line.len();
        for _ in 0..fit + 10 {
            writer.take(&mut line.clone(), 1);
        }
        assert_eq!(writer.shared.lock().lines.len(), fit * line.len());
        assert_eq!(writer.shared.lock().dropped, 10);
        leave.send(()).unwrap();
        assert_eq!(given.recv_timeout(WATCHDOG).unwrap(), line.repeat(fit));
        leave.send(()).unwrap();
        assert_eq!(writer.finish_quietly(WATCHDOG), 10);
        assert!(writer.shared.lock().ended);
        writer.take(&mut line.clone(), 1);
        assert_eq!(writer.lines_dropped(), 11);
    }

    #[test]
    fn what_a_stuck_sink_has_not_taken_by_the_end_is_lost_and_nobody_waits() {
        let (_leave, left) = mpsc::channel();
        let (sender, given) = mpsc::channel();
        let writer = LogWriter::start(Stuck(left, sender)).unwrap();
        writer.take(&mut b"first\nsecond\n".to_vec(), 2);
        assert_eq!(given.recv_timeout(WATCHDOG).unwrap(), b"first\nsecond\n");
        writer.take(&mut b"third\n".to_vec(), 1);
        assert_eq!(writer.finish_quietly(Duration::from_millis(1)), 3);
    }

    #[test]
    fn a_closed_sink_ends_the_log_and_nothing_else() {
        let (leave, left) = mpsc::channel();
        let (sender, _written) = mpsc::channel();
        drop(leave);
        let writer = LogWriter::start(Stuck(left, sender)).unwrap();
        writer.take(&mut b"line\n".to_vec(), 1);
        assert_eq!(writer.finish_quietly(WATCHDOG), 1);
        assert!(writer.shared.lock().ended);
        writer.take(&mut b"line\n".to_vec(), 1);
        assert!(writer.shared.lock().lines.is_empty());
        assert_eq!(writer.lines_dropped(), 2);
    }
}
