//! The state machines from outside: raw bytes in, events out.

mod cases;
mod cuts;
mod differential;
mod drive;
#[path = "../../examples/mutate/generator.rs"]
#[allow(dead_code)]
mod generator;
mod limits;
mod messages;
mod writing;
