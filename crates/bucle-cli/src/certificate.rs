//! The certificate of `--tls-self-signed`.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// The names that every machine has for itself.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(86_400);

/// From yesterday on, for clocks that don't agree.
const EARLIER: Duration = DAY;

/// Then a year. (Some clients take none that is good for more than 398 days.)
const LATER: Duration = Duration::from_secs(365 * 86_400);

/// A certificate for this machine's own names and `hosts`, and its key, both PEM.
///
/// # Errors
/// Where no key can be made.
pub(crate) fn made(
    hosts: impl Iterator<Item = IpAddr>,
    now: SystemTime,
) -> Result<(String, String), Error> {
    let key = KeyPair::generate()?;
    let certificate = params(hosts, now)?.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(
    hosts: impl Iterator<Item = IpAddr>,
    now: SystemTime,
) -> Result<CertificateParams, Error> {
    let mut names: Vec<_> = OWN.map(String::from).into();
    for host in hosts.filter(|host| !host.is_unspecified()) {
        let name = host.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationName, "bucle serve --tls-self-signed");
    subject.push(DnType::CommonName, "localhost");
    // A clock may say anything, and a certificate has four digits for the year.
    let last = Duration::from_secs(7_000 * 365 * 86_400);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = now.clamp(EARLIER, last);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + (now - EARLIER);
    params.not_after = epoch + (now + LATER);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is_for_and_how_long() {
        let hosts = [
            "127.0.0.1",
            "0.0.0.0",
            "192.0.2.1",
            "::1",
            "192.0.2.1",
            "::",
        ];
        let hosts = hosts.iter().map(|host| host.parse().unwrap());
        // 1 December 2026.
        let now = UNIX_EPOCH + Duration::from_secs(1_796_083_200);
        let params = params(hosts, now).unwrap();
        assert_eq!(params.not_before, date_time_ymd(2026, 11, 30));
        assert_eq!(params.not_after, date_time_ymd(2027, 12, 1));
        let names = &params.subject_alt_names;
        let expected = ["localhost", "127.0.0.1", "::1", "192.0.2.1"].map(String::from);
        let expected = CertificateParams::new(expected).unwrap();
        assert_eq!(*names, expected.subject_alt_names);
        let name = params.distinguished_name.get(&DnType::CommonName);
        assert_eq!(name, Some(&"localhost".into()));
    }

    #[test]
    fn any_clock_will_do() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        for now in [UNIX_EPOCH - DAY, UNIX_EPOCH, far] {
            made([].into_iter(), now).unwrap();
        }
    }
}
