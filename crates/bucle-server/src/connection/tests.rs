use super::*;
use std::future::Ready;

use crate::{Request, Response};

/// An idle keep-alive connection may cost 400 bytes of user memory in all, with its transport and
/// its places in the tables of loop and server; this is our share of it.
#[test]
fn a_connection_is_small() {
    type Plain = fn(Request) -> Ready<Response>;
    let counts = 2 * size_of::<usize>();
    let size = size_of::<Connection<Plain>>() + counts;
    assert!(size <= 160, "{size}");
}
