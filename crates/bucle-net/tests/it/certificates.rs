//! Certificates for tests, made once a run.

use std::sync::LazyLock;

use bucle_net::tls::{ClientContext, ServerContext};

/// A certificate and its key, PEM.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certified {
    pub(crate) fn new(names: &[&str]) -> Certified {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Certified {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }
}

/// The server's.
pub(crate) static SERVER: LazyLock<Certified> =
    LazyLock::new(|| Certified::new(&["localhost", "127.0.0.1", "example.test"]));

/// A client's.
pub(crate) static CLIENT: LazyLock<Certified> = LazyLock::new(|| Certified::new(&["client.test"]));

pub(crate) fn server() -> ServerContext {
    ServerContext::from_pem(SERVER.certificate.as_bytes(), SERVER.key.as_bytes()).unwrap()
}

pub(crate) fn client() -> ClientContext {
    ClientContext::from_roots_pem(SERVER.certificate.as_bytes()).unwrap()
}
