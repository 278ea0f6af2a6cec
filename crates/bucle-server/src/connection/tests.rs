use super::*;
use std::future::Ready;

use crate::{Request, Response};

/// All that an idle connection has on the heap: with the allocator's word, 128 bytes of it.
#[test]
fn a_connection_is_small() {
    type Plain = fn(Request) -> Ready<Response>;
    let counts = 2 * size_of::<usize>();
    let size = size_of::<Embedded<Inner<Plain>>>() + counts;
    assert!(size <= 120, "{size}");
}
