use super::*;
use proptest::prelude::*;

fn tcp(text: &str) -> Told {
    Told::Client(Address::Tcp(text.parse().unwrap()))
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb];

/// Headers that are good, and what they tell.
fn good() -> Vec<(Vec<u8>, Told)> {
    let six = [&[0x20; 16][..], &[0; 16], &[0, 80, 1, 187]].concat();
    let mut unix = [0; 216];
    unix[..6].copy_from_slice(b"/run/x");
    let fields = [&FOUR[..], &[0x04, 0, 2, 1, 2, 0xee, 0, 0]].concat();
    let longest = [&FOUR[..], &[4, 0x0f, 0xe1], &[0; 0x0fe1]].concat();
    let lines: [(&str, Told); 6] = [
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
            tcp("192.0.2.1:56324"),
        ),
        (
            "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n",
            tcp("0.0.0.0:0"),
        ),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", tcp("[2001:db8::1]:1")),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
            tcp("[::ffff:192.0.2.1]:1"),
        ),
        ("PROXY UNKNOWN\r\n", Told::Itself),
        ("PROXY UNKNOWN \x7f whatever\r\n", Told::Itself),
    ];
    let mut good: Vec<_> = lines
        .into_iter()
        .map(|(line, told)| (line.as_bytes().to_vec(), told))
        .collect();
    let path = Address::Unix(Some("/run/x".into()));
    good.extend([
        (binary(0x21, 0x11, &FOUR), tcp("192.0.2.1:56324")),
        (binary(0x21, 0x12, &FOUR), tcp("192.0.2.1:56324")),
        (binary(0x21, 0x11, &fields), tcp("192.0.2.1:56324")),
        (binary(0x21, 0x11, &longest), tcp("192.0.2.1:56324")),
        (
            binary(0x21, 0x21, &six),
            tcp("[2020:2020:2020:2020:2020:2020:2020:2020]:80"),
        ),
        (binary(0x21, 0x31, &unix), Told::Client(path)),
        (
            binary(0x21, 0x31, &[0; 216]),
            Told::Client(Address::Unix(None)),
        ),
        (binary(0x20, 0x00, &[]), Told::Itself),
        (
            binary(0x20, 0x77, b"what follows is anything"),
            Told::Itself,
        ),
        (binary(0x21, 0x00, b"?"), Told::Itself),
    ]);
    good
}

#[test]
fn good_headers_are_read_however_they_come() {
    for (header, told) in good() {
        let text = String::from_utf8_lossy(&header).into_owned();
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Ok(None), "{text:?} to {cut}");
        }
        let length = header.len();
        for behind in [&b""[..], b"GET / HTTP/1.1\r\n", b"\r\n\r\n", b"PROXY "] {
            let input = [&header, behind].concat();
            assert_eq!(parse(&input), Ok(Some((told.clone(), length))), "{text:?}");
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    use Malformed::*;
    let at_the_limit = "PROXY UNKNOWN ".len();
    let line = |length: usize| {
        let filler = "x".repeat(length - at_the_limit - 2);
        format!("PROXY UNKNOWN {filler}\r\n").into_bytes()
    };
    assert_eq!(parse(&line(107)), Ok(Some((Told::Itself, 107))));
    let cases: Vec<(Vec<u8>, Malformed)> = vec![
        (b"GET / HTTP/1.1\r\n".to_vec(), Signature),
        (b"POST / HTTP/1.1\r\n".to_vec(), Signature),
        (b"PROXY\tTCP4".to_vec(), Signature),
        (b"\r\n\r\nG".to_vec(), Signature),
        (b"\x16\x03\x01".to_vec(), Signature),
        (line(108), TooLong),
        ([b"PROXY TCP4 1.1.1.1 ", &[b'1'; 90][..]].concat(), TooLong),
        (b"PROXY \r\n".to_vec(), Line),
        (b"PROXY TCP\r\n".to_vec(), Line),
        (b"PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 ::1 ::1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n\r\n".to_vec(), Line),
        (b"PROXY TCP4 1.1.1.\xff 1.1.1.1 1 1\r\n".to_vec(), Line),
        (binary(0x11, 0x11, &FOUR), Command),
        (binary(0x22, 0x11, &FOUR), Command),
        (binary(0x21, 0x01, &FOUR), Family),
        (binary(0x21, 0x10, &FOUR), Family),
        (binary(0x21, 0x13, &FOUR), Family),
        (binary(0x21, 0x41, &FOUR), Family),
        (binary(0x21, 0x11, &FOUR[..11]), Addresses),
        (binary(0x21, 0x21, &FOUR), Addresses),
        (binary(0x21, 0x11, &[&FOUR[..], &[1, 0]].concat()), Fields),
        (
            binary(0x21, 0x11, &[&FOUR[..], &[1, 0, 1]].concat()),
            Fields,
        ),
        (binary(0x20, 0, &vec![0; PROXY_HEADER - 15]), TooLong),
    ];
    for (input, wanted) in cases {
        let text = String::from_utf8_lossy(&input).into_owned();
        assert_eq!(parse(&input), Err(wanted), "{text:?}");
        assert!(!wanted.to_string().is_empty());
    }
    assert!(parse(&binary(0x20, 0, &vec![0; PROXY_HEADER - 16])).is_ok());
}

/// What is sure of any input.
fn holds(input: &[u8]) {
    let whole = parse(input);
    if let Ok(Some((_, length))) = &whole {
        assert!(*length <= input.len() && *length <= PROXY_HEADER);
        assert_eq!(parse(&input[..*length]), whole);
        assert_eq!(parse(&input[..*length - 1]), Ok(None));
    }
    // What was refused or done stays so, and nobody is waited for beyond the bound.
    for cut in 0..input.len() {
        match parse(&input[..cut]) {
            Ok(None) => assert!(cut < PROXY_HEADER),
            done => assert_eq!(done, whole),
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_gone_through(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        holds(&input);
        holds(&[SIGNATURE, &input[..]].concat());
        holds(&[b"PROXY ", &input[..]].concat());
    }

    #[test]
    fn broken_headers_are_gone_through(
        which in 0usize..15,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut headers = good();
        let (mut header, _) = headers.swap_remove(which % headers.len());
        header.truncate(400);
        for (at, byte) in changes {
            let at = at.index(header.len());
            header[at] = byte;
        }
        holds(&header);
    }

    #[test]
    fn addresses_come_back(ip in any::<std::net::IpAddr>(), port in any::<u16>()) {
        let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {ip} {ip} {port} 1\r\n");
        let told = Told::Client(Address::Tcp(SocketAddr::new(ip, port)));
        prop_assert_eq!(parse(line.as_bytes()), Ok(Some((told, line.len()))));
    }
}
