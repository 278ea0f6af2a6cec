//! Whose process listens at an address of this machine, for its CPU time.

use std::fs;
use std::net::{IpAddr, ToSocketAddrs};

/// The state of a listening socket in `/proc/net/tcp` (`TCP_LISTEN`).
const LISTEN: &str = "0A";

/// The process that listens at `address`, if that is a loopback address of this machine and we may
/// look. Only addresses are looked up here, and `localhost`: nothing that would ask the network.
pub(super) fn process_of(address: &str) -> Option<u32> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    if host != "localhost" && host.parse::<IpAddr>().is_err() {
        return None;
    }
    let address = address.to_socket_addrs().ok()?.next()?;
    if !address.ip().is_loopback() {
        return None;
    }
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|path| listener(&fs::read_to_string(path).ok()?, address.port()))?;
    owner(&format!("socket:[{inode}]"))
}

/// The inode of the socket that listens at `port`, in the text of `/proc/net/tcp`.
fn listener(table: &str, port: u16) -> Option<u64> {
    let port = format!("{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(3) == Some(&LISTEN);
        let here = fields.get(1)?.rsplit_once(':')?.1 == port;
        (listens && here).then(|| fields.get(9)?.parse().ok())?
    })
}

fn owner(socket: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd"));
            open.into_iter()
                .flatten()
                .flatten()
                .any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == socket))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_ours_is_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(process_of(&address), Some(std::process::id()));
        drop(listener);
        assert_ne!(process_of(&address), Some(std::process::id()));
        assert_eq!(process_of("www.example.com:80"), None);
    }
}
