//! Names to addresses, and back: [`getaddrinfo`], [`getnameinfo`].
//!
//! The system's resolver blocks, for seconds when a server does not answer, so it is asked in
//! threads: a pool of its own, shared by all loops of the process, lest names that can't be looked
//! up hold other work. IP addresses and `localhost` don't get there.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::LazyLock;

use bucle_loop::concurrent::ThreadPoolExecutor;
use bucle_loop::{LoopRef, get_running_loop};

use crate::address::localhost;
use crate::{Address, Target, ToAddresses};

/// Most names that are looked up at a time; further ones wait.
const LOOK_UPS: usize = 16;

static POOL: LazyLock<io::Result<ThreadPoolExecutor>> = LazyLock::new(|| {
    ThreadPoolExecutor::builder()
        .max_workers(LOOK_UPS)
        .thread_name_prefix("bucle-resolver")
        .build()
});

/// The addresses that `host` stands for, with `port`, in the order the system would try them (RFC
/// 6724). asyncio's `getaddrinfo`, for TCP.
///
/// Dropping the future gives the answer up; a question that was put to the system can't be taken
/// back.
///
/// ```
/// bucle_loop::run(async {
///     let found = bucle_net::getaddrinfo("localhost", 80).await?;
///     assert_eq!(found[0].to_string(), "127.0.0.1:80");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` for what can't be a name; what the resolver says, with the name; `Unsupported` on
/// a simulated loop, whose network has no names but `localhost`.
///
/// # Panics
/// If no loop is running in this thread.
pub async fn getaddrinfo(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = resolve(&get_running_loop(), &(host, port).to_targets()?).await?;
    Ok(found.iter().filter_map(Address::as_tcp).collect())
}

/// The name of the host at an address, and of the service at its port; their numbers where they have
/// no names. asyncio's `getnameinfo`.
///
/// # Errors
/// What the resolver says, with the address; `Unsupported` on a simulated loop.
///
/// # Panics
/// If no loop is running in this thread.
pub async fn getnameinfo(address: SocketAddr) -> io::Result<(String, String)> {
    let ask = move || bucle_sys::resolve::getnameinfo(&address);
    in_thread(&get_running_loop(), &address.to_string(), ask).await
}

/// The addresses of all targets, in their order; those of one name by turns of IPv6 and IPv4 (RFC
/// 8305, section 4).
pub(crate) async fn resolve(event_loop: &LoopRef, targets: &[Target]) -> io::Result<Vec<Address>> {
    let mut found = Vec::new();
    for target in targets {
        match target {
            Target::Address(address) => found.push(address.clone()),
            Target::Name { host, port } => match localhost(host, *port) {
                Some(addresses) => found.extend(addresses),
                None => found.extend(look_up(event_loop, host, *port).await?),
            },
        }
    }
    Ok(found)
}

async fn look_up(event_loop: &LoopRef, host: &str, port: u16) -> io::Result<Vec<Address>> {
    let name = host.to_owned();
    let ask = move || {
        let found = (&name[..], port).to_socket_addrs()?;
        Ok(found.collect::<Vec<SocketAddr>>())
    };
    let found = in_thread(event_loop, host, ask).await?;
    if found.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("`{host}` has no address"),
        ));
    }
    Ok(interleave(found).into_iter().map(Address::Tcp).collect())
}

/// Asks the resolver, which blocks, out of the loop's way.
async fn in_thread<T: Send + 'static>(
    event_loop: &LoopRef,
    what: &str,
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    if event_loop.sim_network().is_some() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "can't look up `{what}`: a simulated network has no names but `localhost`; give an \
                 address, or run the test as `#[bucle::test(real)]`"
            ),
        ));
    }
    let pool = POOL
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), format!("no resolver threads: {error}")))?;
    match event_loop.run_in_executor(Some(pool), ask).await {
        Ok(answer) => answer.map_err(|error| {
            io::Error::new(error.kind(), format!("can't look up `{what}`: {error}"))
        }),
        Err(error) => Err(io::Error::other(format!("can't look up `{what}`: {error}"))),
    }
}

/// By turns of both families, beginning with that of the first; each once.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut each = Vec::new();
    for address in addresses {
        if !each.contains(&address) {
            each.push(address);
        }
    }
    let Some(first) = each.first() else {
        return each;
    };
    let first_is_v4 = first.is_ipv4();
    let (one, other): (Vec<_>, Vec<_>) =
        each.into_iter().partition(|it| it.is_ipv4() == first_is_v4);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [one.next(), other.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let mixed = |texts: &[&str]| {
            let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
            let mixed = interleave(addresses);
            mixed.iter().map(SocketAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            mixed(&[
                "[::1]:1",
                "[::2]:1",
                "[::3]:1",
                "1.1.1.1:1",
                "[::2]:1",
                "2.2.2.2:1"
            ]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        );
        assert_eq!(
            mixed(&["1.1.1.1:1", "1.1.1.1:1", "[::1]:1", "[::2]:1"]),
            ["1.1.1.1:1", "[::1]:1", "[::2]:1"]
        );
        assert_eq!(mixed(&[]), [""; 0]);
    }

    #[test]
    fn names_are_looked_up_in_a_thread() {
        bucle_loop::run(async {
            let event_loop = get_running_loop();
            let asked = in_thread(&event_loop, "it", || {
                Ok(std::thread::current().name().map(str::to_owned))
            });
            let name = asked.await.unwrap().unwrap();
            assert!(name.starts_with("bucle-resolver"), "{name}");
            // In a form that only the system's resolver knows.
            let found = getaddrinfo("127.1", 7).await.unwrap();
            assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
            let refused = in_thread(&event_loop, "it", || {
                Err::<(), _>(io::ErrorKind::NotFound.into())
            });
            let error = refused.await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().contains("can't look up `it`"), "{error}");
        })
        .unwrap();
    }
}
