//! A certificate for simulated connections.
//!
//! An Ed25519 signature has always 64 bytes, and with a serial number of one's own the certificate
//! has always the same size too. An ECDSA signature differs by a byte or two each time, which no seed
//! decides.

use std::sync::LazyLock;

use bucle::net::tls::{ClientContext, ServerContext};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber};

struct Certified {
    certificate: String,
    key: String,
}

static LOCALHOST: LazyLock<Certified> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from(1));
    let certificate = params.self_signed(&key).unwrap();
    Certified {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
});

pub(crate) fn server() -> ServerContext {
    let Certified { certificate, key } = &*LOCALHOST;
    ServerContext::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
}

pub(crate) fn client() -> ClientContext {
    ClientContext::from_roots_pem(LOCALHOST.certificate.as_bytes()).unwrap()
}

/// For a server of HTTPS.
#[cfg(feature = "websocket")]
pub(crate) fn tls() -> bucle::server::Tls {
    let Certified { certificate, key } = &*LOCALHOST;
    bucle::server::Tls::from_pem(certificate.as_bytes(), key.as_bytes())
}
