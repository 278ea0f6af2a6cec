//! Names to addresses.

use std::io;

use bucle_loop::LoopRef;

use crate::address::localhost;
use crate::{Address, Target};

/// The addresses of all targets, in their order.
pub(crate) async fn resolve(_: &LoopRef, targets: &[Target]) -> io::Result<Vec<Address>> {
    let mut found = Vec::new();
    for target in targets {
        match target {
            Target::Address(address) => found.push(address.clone()),
            Target::Name { host, port } => {
                found.extend(localhost(host, *port).ok_or(io::ErrorKind::NotFound)?);
            }
        }
    }
    Ok(found)
}
