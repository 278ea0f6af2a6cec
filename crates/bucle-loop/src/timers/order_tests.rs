//! The order against a sorted map, with so many timers that there is a wheel.

use std::collections::{BTreeMap, HashSet};

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many, of which each is due up to 2^`spread` nanoseconds from now (or before).
    Push {
        count: usize,
        spread: u32,
        seed: u64,
    },
    /// Time passes: 2^`by` nanoseconds.
    Pass { by: u32 },
    /// Each of so many is cancelled, but not the rest.
    Cancel { one_of: u32, sweep: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1usize..1500, 0u32..63, any::<u64>())
            .prop_map(|(count, spread, seed)| Step::Push { count, spread, seed }),
        4 => (0u32..45).prop_map(|by| Step::Pass { by }),
        1 => (1u32..4, any::<bool>()).prop_map(|(one_of, sweep)| Step::Cancel { one_of, sweep }),
    ];
    prop::collection::vec(step, 1..40)
}

/// Takes all that is due, and compares it with what should be.
fn expire(
    order: &mut Order,
    model: &mut BTreeMap<(u64, u64), u32>,
    dead: &HashSet<u32>,
    now: u64,
) -> Result<(), TestCaseError> {
    let is_live = |timer: &Timer| !dead.contains(&timer.slot);
    while let Some(due) = order.peek_due(now, is_live) {
        let (key, slot) = ((due.deadline, due.sequence), due.slot);
        order.pop_near();
        if dead.contains(&slot) {
            continue;
        }
        let first = model.pop_first();
        prop_assert_eq!(first, Some((key, slot)));
    }
    let left = model.first_key_value().map(|(key, _)| key.0);
    prop_assert!(left.is_none_or(|deadline| deadline > now));
    // What is cancelled may be promised to come, but nobody sleeps through a timer.
    if let Some(left) = left {
        let not_before = order.not_before();
        prop_assert!(not_before.is_some_and(|time| time <= left && time > now));
        let wake_at = order.wake_at().expect("there is one");
        prop_assert!(wake_at <= left.saturating_add(1 << SHIFT));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_a_sorted_map(steps in steps()) {
        let mut order = Order::default();
        let mut model = BTreeMap::new();
        let mut dead = HashSet::new();
        let (mut now, mut sequence) = (0_u64, 0_u64);
        for step in steps {
            match step {
                Step::Push { count, spread, seed } => {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    for _ in 0..count {
                        let late = rng.u64(..1 << 20);
                        let deadline = match rng.u8(..8) {
                            0 => now.saturating_sub(late),
                            _ => now.saturating_add(rng.u64(..1 << spread)),
                        };
                        let slot = sequence as u32;
                        order.push(Timer { deadline, sequence, slot });
                        model.insert((deadline, sequence), slot);
                        sequence += 1;
                    }
                }
                Step::Pass { by } => {
                    now = now.saturating_add(1 << by);
                    expire(&mut order, &mut model, &dead, now)?;
                }
                Step::Cancel { one_of, sweep } => {
                    dead.extend(model.values().filter(|slot| *slot % one_of == 0));
                    model.retain(|_, slot| *slot % one_of != 0);
                    if sweep {
                        order.retain(|timer| !dead.contains(&timer.slot));
                        prop_assert_eq!(order.len(), model.len());
                    }
                }
            }
            prop_assert!(order.len() >= model.len());
            prop_assert_eq!(order.iter().count(), order.len());
        }
        expire(&mut order, &mut model, &dead, u64::MAX)?;
        prop_assert_eq!(order.len(), 0);
        prop_assert_eq!(order.not_before(), None);
    }
}

#[test]
fn there_is_a_wheel_only_while_there_are_many() {
    let mut order = Order::default();
    for sequence in 0..=FEW as u64 {
        assert!(!order.has_wheel());
        let deadline = sequence << SHIFT;
        let slot = sequence as u32;
        order.push(Timer {
            deadline,
            sequence,
            slot,
        });
    }
    assert!(order.has_wheel());
    while order.peek_due(u64::MAX, |_| true).is_some() {
        order.pop_near();
    }
    assert!(!order.has_wheel());
    assert_eq!(order.take_all().len(), 0);
}

#[test]
fn a_dense_slot_is_slept_through_to_its_end() {
    let mut order = Order::default();
    for sequence in 0..5_000 {
        order.push(Timer {
            deadline: (1 << SHIFT) + sequence,
            sequence,
            slot: 0,
        });
    }
    assert!(order.peek_due(1 << SHIFT, |_| true).is_some());
    order.pop_near();
    assert_eq!(order.not_before(), Some((1 << SHIFT) + 1));
    assert_eq!(order.wake_at(), Some(2 << SHIFT));
}
