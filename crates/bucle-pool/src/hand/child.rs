//! The child's side of a process started by hand: the role of one function call.

use std::convert::Infallible;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bucle_sys::shared::Segment;
use bucle_sys::worker as sys;
use serde::Serialize;

use super::travel;
use super::wait::{Mode, blocking};
use super::wire::{Blob, Conn};
use crate::function::{Answer, CallError, at_index};
use crate::payload::{NotEncoded, Reader, Writer};
use crate::start::ChildSide;
use crate::worker::panics;

/// What became of the call, to the parent.
pub(super) const OUTPUT: u8 = b'O';
pub(super) const PANICKED: u8 = b'P';
pub(super) const BAD_ARGUMENTS: u8 = b'A';
pub(super) const BAD_OUTPUT: u8 = b'E';

/// The exit code after a panic, as after Python's exception.
const PANIC_CODE: i32 = 1;

/// Decodes the arguments, calls the function, tells the parent and exits.
pub(crate) fn run(mut side: ChildSide, function: u32, head: u64) -> io::Result<Infallible> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
    if side.fds.is_empty() {
        return Err(invalid("the parent has sent no arguments"));
    }
    let arguments = Segment::from_fd(side.fds.remove(0))?;
    let entry = at_index(function).ok_or_else(|| invalid("there is no such function"))?;
    let head = usize::try_from(head).map_err(|_| invalid("the arguments are cut short"))?;
    travel::arrived(std::mem::take(&mut side.fds));
    panics::install();
    side.ready()?;
    let mut teller = Teller {
        conn: Conn::new(side.channel),
        failed: None,
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut reader = Reader::new(arguments.bytes(), head)?;
        let name: String = reader.value()?;
        sys::set_process_name(&name);
        (entry.call)(&mut reader, &mut teller)
    }));
    let code = match result {
        Ok(Ok(())) => 0,
        Ok(Err(CallError::Arguments(error))) => {
            teller.report(BAD_ARGUMENTS, &error.to_string());
            PANIC_CODE
        }
        Ok(Err(CallError::Output(error))) => {
            teller.report(BAD_OUTPUT, &error.to_string());
            PANIC_CODE
        }
        Err(payload) => {
            teller.report(PANICKED, &panics::taken(&*payload));
            PANIC_CODE
        }
    };
    if let Some(error) = teller.failed {
        return Err(error);
    }
    let _ = io::stdout().flush();
    std::process::exit(code)
}

struct Teller {
    conn: Conn,
    failed: Option<io::Error>,
}

impl Teller {
    fn report<T: Serialize + ?Sized>(&mut self, kind: u8, what: &T) {
        match Blob::of(what) {
            Ok(blob) => self.tell(kind, &blob),
            Err(error) => self.failed = Some(io::Error::other(error)),
        }
    }

    fn tell(&mut self, kind: u8, blob: &Blob) {
        if let Err(error) = blocking(self.conn.send(Mode::Block, kind, 0, blob)) {
            self.failed = Some(error);
        }
    }
}

impl Answer for Teller {
    fn begin(&mut self) {
        travel::all_taken();
    }

    fn end(&mut self) {}

    fn give(&mut self, output: &Writer<'_>) -> Result<(), NotEncoded> {
        let blob = Blob::pack(output).map_err(|error| NotEncoded {
            what: "the output",
            why: error.to_string(),
        })?;
        self.tell(OUTPUT, &blob);
        Ok(())
    }
}
