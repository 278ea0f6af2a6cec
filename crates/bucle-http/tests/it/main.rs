//! The state machines from outside: raw bytes in, events out.

mod drive;
mod messages;
