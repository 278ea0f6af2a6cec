//! The same rows against other servers, in one piece, and how they differ from us.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::play::{End, receive, tag, with_tag};
use crate::{Case, Fate, table};

/// Nothing came for so long: nothing more will. The others answer within a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);

const NEXT: &[u8] = b"GET /a.txt?canary HTTP/1.1\r\nHost: c\r\n\r\n";

/// What a server did with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The status of every answer but that of the request behind the row.
    pub statuses: Vec<u16>,
    /// What became of the connection.
    pub fate: Fate,
}

/// How a server's verdict differs from the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Not at all.
    Same = 0,
    /// Both refuse, or both answer, with other words.
    Status = 1,
    /// We refuse what they answer.
    Stricter = 2,
    /// We answer what they refuse.
    Lenient = 3,
    /// The connection ends otherwise.
    End = 4,
}

impl Difference {
    /// Whether there is none.
    pub fn is_same(self) -> bool {
        self == Difference::Same
    }
}

/// Compares what `verdict` says with what the row wants.
pub fn compare(case: &Case, verdict: &Verdict) -> Difference {
    // An interim answer may come or not.
    let finals = |statuses: &[u16]| -> Vec<u16> {
        let answers = statuses.iter().copied();
        answers.filter(|status| *status >= 200).collect()
    };
    let (ours, theirs) = (finals(&case.statuses), finals(&verdict.statuses));
    let ends = case.ends && case.fate == Fate::Closed && verdict.fate != Fate::Waits;
    if ours == theirs {
        return if case.fate == verdict.fate || ends {
            Difference::Same
        } else {
            Difference::End
        };
    }
    let refuses = |statuses: &[u16], fate: Fate| {
        fate == Fate::Closed && statuses.last().is_none_or(|status| *status >= 400)
    };
    match (refuses(&ours, case.fate), refuses(&theirs, verdict.fate)) {
        (true, false) => Difference::Stricter,
        (false, true) => Difference::Lenient,
        _ => Difference::Status,
    }
}

/// Plays all rows against a server; returns a line for each: name, row, verdict. One that has no
/// `files` but `/a.txt` gets only rows that are not about others.
///
/// # Errors
/// The server can't be reached.
pub fn play(name: &str, address: SocketAddr, files: bool) -> io::Result<String> {
    let mut out = String::new();
    let tag = if files { tag(address)? } else { String::new() };
    for topic in table::topics() {
        let of_files = matches!(topic.title, "Preconditions" | "Ranges" | "Paths and files");
        for case in with_tag(&topic.cases, &tag) {
            if files || !of_files && !names_other_files(&case) {
                let verdict = play_one(&case, address)?;
                let _ = writeln!(out, "{name}\t{}\t{verdict}", case.id);
            }
        }
    }
    Ok(out)
}

/// Whether a request in it is for a path that is neither `/a.txt` nor `/echo`, or for a range.
fn names_other_files(case: &Case) -> bool {
    let text = String::from_utf8_lossy(&case.sent);
    let first = text.split(' ').nth(1).unwrap_or_default();
    let other =
        first.starts_with('/') && !first.starts_with("/a.txt") && !first.starts_with("/echo");
    other || text.contains("\r\nRange:")
}

fn play_one(case: &Case, address: SocketAddr) -> io::Result<Verdict> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let waits = case.fate == Fate::Waits;
    let mut sent = case.sent.clone();
    if !waits && !case.ends {
        sent.extend_from_slice(NEXT);
    }
    // They may have closed before all of it was sent.
    let _ = stream.write_all(&sent);
    if case.ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let finals = case
        .statuses
        .iter()
        .filter(|status| **status >= 200)
        .count();
    let enough = (case.fate == Fate::Kept).then_some(finals + 1);
    let received = match receive(&mut stream, &case.heads, enough) {
        Ok(received) => received,
        Err(_) => {
            return Ok(Verdict {
                statuses: Vec::new(),
                fate: Fate::Closed,
            });
        }
    };
    let mut statuses: Vec<_> = received
        .answers
        .iter()
        .map(|answer| answer.status)
        .collect();
    let closes = |answer: &crate::answer::Answer| answer.field("connection") == Some("close");
    let closed = received.end != End::Open || received.answers.last().is_some_and(closes);
    // The request behind the row is answered like this, and nothing else is.
    let next = received.answers.last().is_some_and(|last| {
        let came = received
            .answers
            .iter()
            .filter(|answer| answer.status >= 200)
            .count();
        last.status == 200 && came > finals && last.body == b"hello\n"
    });
    let fate = match (waits, next, closed) {
        (_, true, _) => {
            statuses.pop();
            Fate::Kept
        }
        (_, false, true) => Fate::Closed,
        (_, false, false) => Fate::Waits,
    };
    Ok(Verdict { statuses, fate })
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut statuses: Vec<_> = self.statuses.iter().map(u16::to_string).collect();
        if statuses.len() > 6 {
            let last = &statuses[statuses.len() - 1];
            statuses = vec![format!("{}x{last}", statuses.len())];
        }
        let fate = match self.fate {
            Fate::Kept => "kept",
            Fate::Closed => "closed",
            Fate::Waits => "waits",
        };
        if statuses.is_empty() {
            return f.write_str(fate);
        }
        write!(f, "{} {fate}", statuses.join(", "))
    }
}

impl Verdict {
    fn read(text: &str) -> Option<Verdict> {
        let (statuses, fate) = text.rsplit_once(' ').unwrap_or(("", text));
        let fate = match fate {
            "kept" => Fate::Kept,
            "closed" => Fate::Closed,
            "waits" => Fate::Waits,
            _ => return None,
        };
        let statuses = if let Some((times, status)) = statuses.split_once('x') {
            vec![status.parse().ok()?; times.parse().ok()?]
        } else {
            let statuses = statuses.split(", ").filter(|status| !status.is_empty());
            statuses.map(str::parse).collect::<Result<_, _>>().ok()?
        };
        Some(Verdict { statuses, fate })
    }

    /// The verdicts in a file as [`play`] makes it, by server and row.
    pub fn read_all(text: &str) -> BTreeMap<String, BTreeMap<String, Verdict>> {
        let mut all: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for line in text.lines() {
            if let [server, id, verdict] = line.split('\t').collect::<Vec<_>>()[..]
                && let Some(verdict) = Verdict::read(verdict)
            {
                all.entry(server.to_owned())
                    .or_default()
                    .insert(id.to_owned(), verdict);
            }
        }
        all
    }
}
