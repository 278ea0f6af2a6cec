//! [`Opened`]: a file as it was at one moment: the head of its answers, and its bytes.

use std::cell::Cell;
use std::ffi::{CStr, OsStr};
use std::fmt::{self, Display};
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use rustix::io::Errno;

use crate::site::Policy;
use crate::site::coding::Coding;
use crate::site::entity;
use crate::site::root::{self, Facts};
use crate::site::variants::Variants;

/// Files up to this many bytes are kept as bytes, and leave in one write with their head.
pub const SMALL_FILE: u64 = 16 * 1024;

/// How often a file that changes while it is read is read again.
const MOST_READS: usize = 3;

/// See the module.
pub(crate) struct Opened {
    pub(crate) facts: Facts,
    /// The turn in which it was last compared with the disk.
    pub(crate) turn: Cell<u64>,
    /// When its path was last resolved beneath the root.
    pub(crate) resolved: Cell<Instant>,
    /// The tick in which its bytes were last seen to be in the system's memory, all of them.
    pub(crate) warm: Cell<u32>,
    /// What the cache has counted for it: bytes and descriptors.
    pub(crate) counted: Cell<(usize, usize)>,
    /// The same file in content codings; `None` for a type that gains nothing by them, and for what
    /// is itself coded.
    pub(crate) variants: Option<Box<Variants>>,
    modified: Option<SystemTime>,
    store: Store,
    /// All that an answer is made of, side by side: the name it is kept under, the path with its
    /// NUL, the header lines (`Content-Type` first, those that a 304 has too at their end), the
    /// bytes of a small file.
    buffer: Box<[u8]>,
    path: usize,
    lines: usize,
    untyped: usize,
    shared: usize,
    content: usize,
    etag: Range<usize>,
}

/// Where the bytes are.
enum Store {
    /// At the end of the buffer.
    Small,
    File(Rc<OwnedFd>),
    /// Too many for the buffer, and of our own making.
    Memory(Bytes),
}

impl Opened {
    /// The header lines of an answer with the file.
    #[inline]
    pub(crate) fn lines(&self) -> &[u8] {
        &self.buffer[self.lines..self.content]
    }

    /// The same without `Content-Type`.
    pub(crate) fn lines_untyped(&self) -> &[u8] {
        &self.buffer[self.untyped..self.content]
    }

    /// The header lines of an answer without it (RFC 9110, section 15.4.5).
    pub(crate) fn lines_not_modified(&self) -> &[u8] {
        &self.buffer[self.shared..self.content]
    }

    /// The line `Content-Type`, with its end.
    pub(crate) fn type_line(&self) -> &[u8] {
        &self.buffer[self.lines..self.untyped]
    }

    /// Whether it depends on `Accept-Encoding` what is sent of it.
    pub(crate) fn is_negotiated(&self) -> bool {
        let mut lines = self.lines_not_modified().split(|byte| *byte == b'\n');
        lines.any(|line| line.starts_with(b"Vary:"))
    }

    #[inline]
    pub(crate) fn etag(&self) -> &[u8] {
        &self.buffer[self.etag.clone()]
    }

    #[inline]
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Whether its state can be told from any later one.
    pub(crate) fn is_settled(&self) -> bool {
        self.etag().starts_with(b"\"")
    }

    /// The file itself, unless its bytes are in memory.
    #[inline]
    pub(crate) fn file(&self) -> Option<&Rc<OwnedFd>> {
        match &self.store {
            Store::File(file) => Some(file),
            Store::Small | Store::Memory(_) => None,
        }
    }

    /// The bytes, unless they are in a file.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        match &self.store {
            Store::Small => &self.buffer[self.content..],
            Store::Memory(bytes) => bytes,
            Store::File(_) => &[],
        }
    }

    /// The bytes, where they are few enough to be kept behind the lines.
    #[inline]
    pub(crate) fn small(&self) -> Option<&[u8]> {
        match &self.store {
            Store::Small => Some(&self.buffer[self.content..]),
            Store::Memory(_) | Store::File(_) => None,
        }
    }

    /// The bytes, to be shared, of what is held in memory and not small.
    #[inline]
    pub(crate) fn shared_content(&self) -> Option<&Bytes> {
        match &self.store {
            Store::Memory(bytes) => Some(bytes),
            Store::Small | Store::File(_) => None,
        }
    }

    /// How long the answer's body is, in bytes.
    #[inline]
    pub(crate) fn length(&self) -> u64 {
        match &self.store {
            Store::File(_) => self.facts.size,
            _ => self.content().len() as u64,
        }
    }

    /// What it is kept under.
    pub(crate) fn name(&self) -> &[u8] {
        &self.buffer[..self.path]
    }

    /// Where a part of it is.
    pub(crate) fn part(self: &Rc<Self>, part: Range<u64>) -> Place {
        match &self.store {
            Store::File(file) => Place::File(file.clone()),
            Store::Memory(bytes) => Place::Memory(bytes.slice(within(&part, bytes.len()))),
            Store::Small => {
                let content = self.content();
                let bytes = &content[within(&part, content.len())];
                Place::Memory(Bytes::copy_from_slice(bytes))
            }
        }
    }

    /// Where it lies beneath the root.
    pub(crate) fn path(&self) -> &CStr {
        let path = CStr::from_bytes_with_nul(&self.buffer[self.path..self.lines]);
        path.unwrap_or_default()
    }

    /// The bytes and descriptors it holds, those of its variants included.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let memory = self.shared_content().map_or(0, Bytes::len);
        let mut bytes = size_of::<Opened>() + self.buffer.len() + memory;
        let mut descriptors = usize::from(self.file().is_some());
        for variant in self.variants.iter().flat_map(|variants| variants.held()) {
            let (more, files) = variant.weight();
            bytes += more;
            descriptors += files;
        }
        (bytes, descriptors)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("path", &self.path())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Where bytes of a file are to be had.
pub(crate) enum Place {
    /// In the file.
    File(Rc<OwnedFd>),
    /// Here.
    Memory(Bytes),
}

/// A part of what is in memory.
fn within(part: &Range<u64>, length: usize) -> Range<usize> {
    let at = |at: u64| usize::try_from(at).map_or(length, |at| at.min(length));
    let end = at(part.end);
    at(part.start).min(end)..end
}

/// When a file was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) turn: u64,
    pub(crate) now: Instant,
    pub(crate) wall: SystemTime,
}

/// What an answer says of a file besides its state.
pub(crate) struct Label<'a> {
    /// What it is kept under.
    pub(crate) name: &'a [u8],
    pub(crate) path: &'a CStr,
    /// The path whose type it has.
    pub(crate) typed: &'a CStr,
    pub(crate) coding: Option<Coding>,
    pub(crate) policy: &'a Policy,
}

/// Makes the head of a file, and reads it if it is small. Without leave to `wait` for a disk, it says
/// `EAGAIN` where it would have to.
pub(crate) fn read(
    file: OwnedFd,
    mut facts: Facts,
    label: &Label<'_>,
    moment: Moment,
    wait: bool,
) -> Result<Opened, Errno> {
    let mut strong = entity::settled(&facts, moment.wall)
        || entity::settled_soon(&facts, moment.wall) && root::has_kernel_s_clock(&file);
    let file = fs::File::from(file);
    let mut reads_left = MOST_READS;
    while facts.size <= SMALL_FILE {
        let bytes = read_whole(&file, facts.size, wait)?;
        let after = Facts::of_open(&file)?;
        let steady = after == facts && bytes.len() as u64 == facts.size;
        reads_left -= 1;
        if steady || reads_left == 0 {
            let strong = strong && steady;
            return Ok(assemble(facts, strong, label, moment, Bytes::from(bytes)));
        }
        // Somebody is writing to it.
        facts = after;
        strong = false;
    }
    let mut opened = assemble(facts, strong, label, moment, Bytes::new());
    opened.store = Store::File(Rc::new(file.into()));
    Ok(opened)
}

/// The first `size` bytes of `file`, or as many as there are.
fn read_whole(file: &fs::File, size: u64, wait: bool) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; usize::try_from(size.min(SMALL_FILE)).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        let buffer = &mut bytes[filled..];
        let read = if wait {
            bucle_sys::file::read_at(file, buffer, filled as u64)
        } else {
            bucle_sys::file::read_cached_at(file, buffer, filled as u64)
        };
        match read {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Puts together what answers are made of, with the bytes in memory.
pub(crate) fn assemble(
    facts: Facts,
    strong: bool,
    label: &Label<'_>,
    moment: Moment,
    content: Bytes,
) -> Opened {
    let typed = label.typed.to_bytes();
    let content_type = entity::content_type(Path::new(OsStr::from_bytes(typed)));
    let modified = entity::last_modified(&facts, moment.wall);
    let negotiated = label.policy.negotiates(&content_type);

    let mut buffer = Vec::from(label.name);
    let path = buffer.len();
    buffer.extend_from_slice(label.path.to_bytes_with_nul());
    let lines = buffer.len();
    put(
        &mut buffer,
        format_args!("Content-Type: {content_type}\r\n"),
    );
    let untyped = buffer.len();
    put(
        &mut buffer,
        "X-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n",
    );
    if let Some(coding) = label.coding {
        put(
            &mut buffer,
            format_args!("Content-Encoding: {}\r\n", coding.name()),
        );
    }
    let shared = buffer.len();
    if let Some(value) = label.policy.caching.value(typed, &content_type) {
        put(&mut buffer, format_args!("Cache-Control: {value}\r\n"));
    }
    if negotiated {
        put(&mut buffer, "Vary: Accept-Encoding\r\n");
    }
    if let Some(modified) = modified {
        let date = httpdate::HttpDate::from(modified);
        put(&mut buffer, format_args!("Last-Modified: {date}\r\n"));
    }
    put(&mut buffer, "ETag: ");
    let etag = buffer.len();
    put(&mut buffer, entity::etag(&facts, label.coding, strong));
    let etag = etag..buffer.len();
    put(&mut buffer, "\r\n");
    let content_at = buffer.len();
    let store = if content.len() as u64 <= SMALL_FILE {
        buffer.extend_from_slice(&content);
        Store::Small
    } else {
        Store::Memory(content)
    };
    let variants = (negotiated && label.coding.is_none()).then(|| {
        Box::new(Variants::new(
            label.policy.compresses(&content_type, facts.size),
        ))
    });
    Opened {
        facts,
        turn: Cell::new(moment.turn),
        resolved: Cell::new(moment.now),
        warm: Cell::new(u32::MAX),
        counted: Cell::new((0, 0)),
        variants,
        modified,
        store,
        buffer: buffer.into(),
        path,
        lines,
        untyped,
        shared,
        content: content_at,
        etag,
    }
}

fn put(buffer: &mut Vec<u8>, text: impl Display) {
    // Writing to a vector never fails.
    let _ = write!(buffer, "{text}");
}
