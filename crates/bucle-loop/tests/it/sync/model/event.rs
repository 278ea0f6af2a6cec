//! `Event`: a flag, and who was let go by which `set`.

use bucle_loop::sync::{Event, EventWait};
use proptest::prelude::*;

use super::{Pending, which};

#[derive(Clone, Debug)]
enum Step {
    Wait,
    Poll(prop::sample::Index, bool),
    Cancel(prop::sample::Index),
    Set,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Wait),
        4 => (which(), any::<bool>()).prop_map(|(i, other)| Step::Poll(i, other)),
        2 => which().prop_map(Step::Cancel),
        2 => Just(Step::Set),
        2 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn an_event(steps in prop::collection::vec(step(), 0..60)) {
        let event = Event::new();
        let mut pending: Pending<EventWait<'_>> = Pending::new();
        let mut set = false;
        // Those that waited when it was set, whatever came after.
        let mut let_go: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Wait => prop_assert_eq!(pending.start(event.wait()).1.is_ready(), set),
                Step::Poll(which, another) => if let Some(number) = pending.number(which) {
                    let polled = match another {
                        true => pending.poll_with_another_waker(number),
                        false => pending.poll(number),
                    };
                    prop_assert_eq!(polled.is_ready(), let_go.contains(&number));
                },
                Step::Cancel(which) => if let Some(number) = pending.number(which) {
                    drop(pending.cancel(number));
                },
                Step::Set => {
                    event.set();
                    set = true;
                    let_go.extend(pending.futures.iter().map(|(number, _)| number));
                }
                Step::Clear => {
                    event.clear();
                    set = false;
                }
            }
            prop_assert_eq!(event.is_set(), set);
            for (number, future) in &pending.futures {
                prop_assert_eq!(future.woken(), let_go.contains(number));
            }
        }
    }
}
