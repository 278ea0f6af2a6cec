//! Certificates and keys as PEM (RFC 7468): reading them, and saying in plain words what is wrong with
//! a file that has none.

use std::fmt;
use std::io;

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::engine::invalid;

/// All the certificates in `pem`, of which there is one at least.
///
/// # Errors
/// `InvalidInput`, with what is there instead.
pub(super) fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(format!("the certificates can't be read: {}", Why(&error))))?;
    if certificates.is_empty() {
        let instead = if has(pem, "PRIVATE KEY-----") {
            "; there is a private key in its place: are certificate and key swapped?"
        } else {
            instead(pem)
        };
        return Err(invalid(format!(
            "there is no certificate{instead}; PEM with `-----BEGIN CERTIFICATE-----` is expected"
        )));
    }
    Ok(certificates)
}

/// The first private key in `pem`.
///
/// # Errors
/// `InvalidInput`, with what is there instead.
pub(super) fn private_key(pem: &[u8]) -> io::Result<PrivateKeyDer<'static>> {
    // The older way has a key that looks plain, and two lines in it that say otherwise.
    let encrypted =
        has(pem, "BEGIN ENCRYPTED PRIVATE KEY-----") || has(pem, "Proc-Type: 4,ENCRYPTED");
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if encrypted => invalid(
            "the private key is encrypted, and nobody is asked for its password; decrypt it with: \
             openssl pkey -in KEY -out DECRYPTED",
        ),
        Error::NoItemsFound => {
            let instead = if has(pem, "BEGIN CERTIFICATE-----") {
                "; there is a certificate in its place: are certificate and key swapped?"
            } else if has(pem, "BEGIN OPENSSH PRIVATE KEY-----") {
                "; there is one of OpenSSH, which TLS has no use for"
            } else {
                instead(pem)
            };
            invalid(format!(
                "there is no private key{instead}; PEM with `-----BEGIN PRIVATE KEY-----` is expected"
            ))
        }
        error => invalid(format!("the private key can't be read: {}", Why(&error))),
    })
}

fn has(pem: &[u8], words: &str) -> bool {
    memchr::memmem::find(pem, words.as_bytes()).is_some()
}

/// What a file without PEM has in its place, where that is known.
fn instead(pem: &[u8]) -> &'static str {
    match pem {
        [] => "; there is nothing at all",
        // A sequence, with a length of two bytes.
        [0x30, 0x82, ..] => {
            "; it looks like DER, which `openssl x509` and `openssl pkey` make PEM of (-inform DER)"
        }
        _ => "",
    }
}

/// An error of the parser in plain words. It quotes nothing of a key.
struct Why<'a>(&'a Error);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::MissingSectionEnd { end_marker } => {
                let label = String::from_utf8_lossy(end_marker);
                let label = label.escape_debug();
                write!(f, "it is cut short: `-----END {label}-----` is missing")
            }
            Error::IllegalSectionStart { .. } => f.write_str(
                "a line in it begins with `-----BEGIN` and does not end with five dashes",
            ),
            Error::Base64Decode(_) => {
                f.write_str("it is damaged: what stands between BEGIN and END is no base64")
            }
            Error::SectionTooLarge => f.write_str("it is too long to be one"),
            other => other.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both say, each of a file of the other's kind first.
    fn told(pem: &str) -> (String, String) {
        let certificate = certificates(pem.as_bytes()).unwrap_err();
        let key = private_key(pem.as_bytes()).unwrap_err();
        assert_eq!(certificate.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(key.kind(), io::ErrorKind::InvalidInput);
        (certificate.to_string(), key.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_in_plain_words() {
        let (certificate, key) = told("");
        assert!(certificate.contains("no certificate; there is nothing at all"));
        assert!(key.contains("no private key; there is nothing at all"));
        let (certificate, key) = told("hello\n");
        assert!(certificate.contains("BEGIN CERTIFICATE") && key.contains("BEGIN PRIVATE KEY"));

        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        let (certificate, _) = told(cut);
        let words = "cut short: `-----END CERTIFICATE-----` is missing";
        assert!(certificate.contains(words), "{certificate}");
        let (_, key) = told("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END");
        let words = "cut short: `-----END PRIVATE KEY-----` is missing";
        assert!(key.contains(words), "{key}");

        let (certificate, key) = told("-----BEGIN CERTIFICATE----\nAAAA\n");
        assert!(certificate.contains("five dashes") && key.contains("five dashes"));
        let damaged = "-----BEGIN PRIVATE KEY-----\nSECRET!\n-----END PRIVATE KEY-----\n";
        let (_, key) = told(damaged);
        assert!(
            key.contains("no base64") && !key.contains("SECRET"),
            "{key}"
        );

        let (_, key) =
            told("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
        assert!(key.contains("OpenSSH"), "{key}");
        let (certificate, key) = told("0\u{82}");
        assert!(!certificate.contains("DER") && !key.contains("DER"));
        let der = private_key(&[0x30, 0x82, 1, 2]).unwrap_err().to_string();
        assert!(der.contains("-inform DER"), "{der}");
    }

    #[test]
    fn an_encrypted_key_is_told_how_to_be_decrypted() {
        for pem in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
             AAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            let key = private_key(pem.as_bytes()).unwrap_err().to_string();
            assert!(
                key.contains("encrypted") && key.contains("openssl pkey"),
                "{key}"
            );
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_other_is_told() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let error = private_key(certificate.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("swapped"), "{error}");
        let error = certificates(key.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("swapped"), "{error}");
        // Both in one file are found there.
        let both = certificate + &key;
        assert_eq!(certificates(both.as_bytes()).unwrap().len(), 1);
        private_key(both.as_bytes()).unwrap();
    }
}
