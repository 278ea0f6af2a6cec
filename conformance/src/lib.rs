//! What HTTP/1.1 asks of a server, as a table of raw requests and the answers they must get.
//!
//! A row ([`Case`]) is the bytes that are sent, and all that must come back: the status of every
//! answer in order, what becomes of the connection, and what is not to be read of the bytes. A
//! [`Play`](play::play) plays rows against any address, each whole, byte by byte, and cut at every
//! offset. The rows are about a folder that [`site`] makes, served by `bucle serve --echo`.
#![forbid(unsafe_code)]

mod answer;
mod case;
pub mod document;
pub mod mutants;
pub mod peers;
pub mod play;
pub mod requirements;
pub mod serving;
pub mod site;
pub mod table;

pub use case::{Case, Fate};
pub use table::{Topic, cases, topics};
