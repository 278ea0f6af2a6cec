use proptest::prelude::*;

use super::*;

#[test]
fn one_range_is_one_part() {
    for (value, length, part) in [
        ("bytes=0-0", 10, 0..1),
        ("bytes=0-9", 10, 0..10),
        ("bytes=3-5", 10, 3..6),
        ("bytes=3-", 10, 3..10),
        ("bytes=9-", 10, 9..10),
        ("bytes=-3", 10, 7..10),
        ("bytes=-10", 10, 0..10),
        ("bytes=-11", 10, 0..10),
        ("bytes=5-100", 10, 5..10),
        ("bytes=0-18446744073709551615", 10, 0..10),
        ("bytes=0-99999999999999999999999999", 10, 0..10),
        ("bytes=-99999999999999999999999999", 10, 0..10),
        ("BYTES=0-0", 10, 0..1),
        ("bytes= 0-0 ", 10, 0..1),
        ("bytes=,, 0-0 ,", 10, 0..1),
        ("bytes=0-00000000000000000000000000003", 10, 0..4),
        ("bytes=0-0,100-200", 10, 0..1),
        ("bytes=0-0,-0", 10, 0..1),
    ] {
        assert_eq!(
            wanted(value.as_bytes(), length),
            Wanted::One(part),
            "{value}"
        );
    }
}

#[test]
fn what_lies_behind_the_end_is_unsatisfiable() {
    for (value, length) in [
        ("bytes=10-", 10),
        ("bytes=10-20", 10),
        ("bytes=-0", 10),
        ("bytes=99999999999999999999999999-", 10),
        ("bytes=10-11,12-13", 10),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-0", 0),
    ] {
        assert_eq!(
            wanted(value.as_bytes(), length),
            Wanted::Unsatisfiable,
            "{value} of {length}"
        );
    }
}

#[test]
fn what_is_no_list_of_byte_ranges_is_ignored() {
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=5-3",
        "bytes=0-0,5-3",
        "bytes=0-0;1-1",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=0x1-2",
        "bytes=1 - 2",
        "bytes 0-0",
        "byte=0-0",
        "lines=0-0",
        "bytes:0-0",
        "bytes=--1",
        "bytes=\u{661}-",
        "bytes=0-0\0",
    ] {
        assert_eq!(wanted(value.as_bytes(), 10), Wanted::Whole, "{value}");
    }
    // The end of nothing: satisfiable, but not to be said.
    assert_eq!(wanted(b"bytes=-5", 0), Wanted::Whole);
}

#[test]
fn several_ranges_stay_apart_unless_they_are_near() {
    for (value, parts) in [
        ("bytes=0-0,1000-1000", vec![0..1, 1000..1001]),
        ("bytes=1000-1000,0-0", vec![1000..1001, 0..1]),
        ("bytes=0-9,-10", vec![0..10, 9990..10_000]),
        // 128 between them, and 129.
        ("bytes=0-0,129-129,5000-", vec![0..130, 5000..10_000]),
        ("bytes=0-0,130-130", vec![0..1, 130..131]),
        // Two that become near by a third.
        ("bytes=0-99,1000-1999,50-950", vec![]),
        (
            "bytes=0-10,5000-5010,5-20,5005-5020",
            vec![0..21, 5000..5021],
        ),
    ] {
        let found = wanted(value.as_bytes(), 10_000);
        match parts.len() {
            0 => assert_eq!(found, Wanted::One(0..2000), "{value}"),
            _ => assert_eq!(found, Wanted::Several(parts), "{value}"),
        }
    }
}

#[test]
fn so_many_ranges_and_no_more() {
    let list = |count: u64| {
        let specs: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 1000)).collect();
        format!("bytes={}", specs.join(","))
    };
    let found = |count| wanted(list(count).as_bytes(), 1 << 30);
    match found(RANGES as u64) {
        Wanted::Several(parts) => assert_eq!(parts.len(), RANGES),
        other => panic!("{other:?}"),
    }
    assert_eq!(found(RANGES as u64 + 1), Wanted::Whole);
    // The same one byte, ever again: what a killer of servers once asked for.
    let killer = format!("bytes=0-{}", ",5-0".repeat(1300));
    assert_eq!(wanted(killer.as_bytes(), 1 << 30), Wanted::Whole);
    let same = format!("bytes=0-0{}", ",0-0".repeat(1300));
    assert_eq!(wanted(same.as_bytes(), 1 << 30), Wanted::Whole);
    let commas = format!("bytes=0-0{}", ",".repeat(4000));
    assert_eq!(wanted(commas.as_bytes(), 1 << 30), Wanted::Whole);
}

#[test]
fn content_range_counts_the_last_byte() {
    assert_eq!(content_range(&(0..1), 10), "bytes 0-0/10");
    assert_eq!(content_range(&(5..10), 10), "bytes 5-9/10");
    assert_eq!(unsatisfied_range(10), "bytes */10");
}

/// What was asked for, byte by byte: slow and plain.
fn asked(specs: &[(Option<u16>, Option<u16>)], length: u64) -> Vec<bool> {
    let mut bytes = vec![false; length as usize];
    for (first, last) in specs {
        let range = match (first, last) {
            (Some(first), Some(last)) => u64::from(*first)..u64::from(*last) + 1,
            (Some(first), None) => u64::from(*first)..length,
            (None, last) => {
                let last = u64::from(last.unwrap_or(1));
                length.saturating_sub(last)..length
            }
        };
        for at in range.start.min(length)..range.end.min(length) {
            bytes[at as usize] = true;
        }
    }
    bytes
}

proptest! {
    #[test]
    fn anything_is_taken_without_a_panic(value in proptest::collection::vec(any::<u8>(), 0..200), length: u64) {
        let mut whole = b"bytes=".to_vec();
        whole.extend_from_slice(&value);
        for value in [&value, &whole] {
            check_shape(&wanted(value, length), length);
        }
    }

    #[test]
    fn near_misses_keep_the_shape(value in "bytes=[0-9,\\- ]{0,60}", length: u64) {
        check_shape(&wanted(value.as_bytes(), length), length);
    }

    /// All that was asked for is sent, each byte once, and little besides.
    #[test]
    fn what_was_asked_for_is_sent_once(
        specs in proptest::collection::vec((0u16..3000, 0u16..400, 0u8..4), 1..RANGES),
        length in 1u64..3000,
    ) {
        let specs: Vec<(Option<u16>, Option<u16>)> = specs
            .into_iter()
            .map(|(first, count, kind)| match kind {
                0 => (Some(first), None),
                1 => (None, Some(count)),
                _ => (Some(first), Some(first + count)),
            })
            .collect();
        let texts: Vec<_> = specs
            .iter()
            .map(|(first, last)| {
                let text = |part: &Option<u16>| part.map_or(String::new(), |part| part.to_string());
                format!("{}-{}", text(first), text(last))
            })
            .collect();
        let value = format!("bytes={}", texts.join(", "));
        let wanted_bytes = asked(&specs, length);
        let parts = match wanted(value.as_bytes(), length) {
            Wanted::Whole => panic!("{value} is a valid list"),
            Wanted::Unsatisfiable => vec![],
            Wanted::One(part) => vec![part],
            Wanted::Several(parts) => parts,
        };
        let mut sent = vec![0u8; length as usize];
        for part in &parts {
            for at in part.clone() {
                sent[at as usize] += 1;
            }
        }
        let mut run = 0;
        for (asked, sent) in wanted_bytes.iter().zip(&sent) {
            prop_assert!(*sent <= 1, "{value}: {parts:?}");
            prop_assert!(!asked || *sent == 1, "{value}: {parts:?}");
            run = if *sent == 1 && !asked { run + 1 } else { 0 };
            prop_assert!(run <= GAP, "{value}: {parts:?}");
        }
    }
}

fn check_shape(wanted: &Wanted, length: u64) {
    let parts = match wanted {
        Wanted::Whole | Wanted::Unsatisfiable => return,
        Wanted::One(part) => std::slice::from_ref(part),
        Wanted::Several(parts) => {
            assert!((2..=RANGES).contains(&parts.len()));
            parts
        }
    };
    for (at, part) in parts.iter().enumerate() {
        assert!(part.start < part.end && part.end <= length);
        for other in &parts[at + 1..] {
            assert!(part.end < other.start || other.end < part.start);
        }
    }
}
