//! Addresses to names. The other direction is the standard library's `ToSocketAddrs`.
//!
//! Blocks for as long as the system's resolver takes.

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::ptr;

/// The longest name, with its end (`NI_MAXHOST`).
const LONGEST_HOST: usize = 1025;

/// The longest name of a service, with its end (`NI_MAXSERV`).
const LONGEST_SERVICE: usize = 32;

/// The names of a host and of a service, or their numbers where they have none.
///
/// # Errors
/// What the resolver says, as text.
pub fn getnameinfo(address: &SocketAddr) -> io::Result<(String, String)> {
    let mut host = [0; LONGEST_HOST];
    let mut service = [0; LONGEST_SERVICE];
    let code = match address {
        SocketAddr::V4(address) => {
            // SAFETY: all zeros is a value of this structure of integers.
            let mut system: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            system.sin_family = libc::AF_INET as libc::sa_family_t;
            system.sin_port = address.port().to_be();
            system.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            ask(&system, &mut host, &mut service)
        }
        SocketAddr::V6(address) => {
            // SAFETY: all zeros is a value of this structure of integers.
            let mut system: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            system.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            system.sin6_port = address.port().to_be();
            system.sin6_addr.s6_addr = address.ip().octets();
            system.sin6_scope_id = address.scope_id();
            ask(&system, &mut host, &mut service)
        }
    };
    match code {
        0 => Ok((text(&host), text(&service))),
        libc::EAI_SYSTEM => Err(io::Error::last_os_error()),
        code => {
            // SAFETY: it takes any number, and answers with a text that is never freed.
            let why = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
            Err(io::Error::other(format!(
                "can't look up {address}: {}",
                why.to_string_lossy()
            )))
        }
    }
}

/// `S` is the structure of the address's family.
fn ask<S>(
    address: &S,
    host: &mut [libc::c_char; LONGEST_HOST],
    service: &mut [libc::c_char; LONGEST_SERVICE],
) -> libc::c_int {
    // SAFETY: `address` is readable for its size, which is given; both buffers are writable for
    // theirs, which are given; none is kept.
    unsafe {
        libc::getnameinfo(
            ptr::from_ref(address).cast(),
            size_of::<S>() as libc::socklen_t,
            host.as_mut_ptr(),
            LONGEST_HOST as _,
            service.as_mut_ptr(),
            LONGEST_SERVICE as _,
            0,
        )
    }
}

/// What was written into a buffer of zeros, up to the first that is left.
fn text(buffer: &[libc::c_char]) -> String {
    let bytes: Vec<u8> = buffer
        .iter()
        .map(|c| *c as u8)
        .take_while(|c| *c != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_have_names_or_numbers() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            let (host, service) = getnameinfo(&address.parse().unwrap()).unwrap();
            assert!(!host.is_empty(), "{address}");
            // Named where the system has a list of services.
            assert!(["tcpmux", "1"].contains(&&service[..]), "{service}");
        }
    }
}
