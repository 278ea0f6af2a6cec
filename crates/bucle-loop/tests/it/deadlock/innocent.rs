//! What is no deadlock: another thread, a signal, a descriptor or a timeout may yet help.

use super::*;

/// Runs the future in the real world, to its end; nobody may be told of anything.
fn goes_on<F>(make: impl FnOnce() -> F + Send + 'static) -> F::Output
where
    F: Future + 'static,
    F::Output: Send + 'static,
{
    drive(move || async move {
        let told = told();
        let value = make().await;
        assert_eq!(*told.borrow(), [""; 0]);
        value
    })
}

#[test]
fn a_timeout_in_the_circle() {
    for simulated in [true, false] {
        within(WATCHDOG, move || {
            let event_loop = match simulated {
                true => EventLoop::builder().simulated(SimOptions::default()),
                false => EventLoop::builder(),
            };
            let event_loop = event_loop.build().unwrap();
            let got = event_loop.run_until_complete(async {
                let told = told();
                let left = Rc::new(Lock::named("left"));
                let right = Rc::new(Lock::named("right"));
                let (first, second) = (left.clone(), right.clone());
                let impatient = spawn(async move {
                    let _first = first.acquire().await;
                    yield_now().await;
                    timeout(SHORT, second.acquire()).await.is_err()
                });
                let patient = spawn(async move {
                    let _first = right.acquire().await;
                    yield_now().await;
                    let _second = left.acquire().await;
                });
                patient.await.unwrap();
                assert_eq!(*told.borrow(), [""; 0]);
                impatient.await.unwrap()
            });
            assert!(got.unwrap());
        });
    }
}

#[test]
fn a_timeout_whose_end_is_moved_by_another_task() {
    goes_on(|| async {
        let lock = Rc::new(Lock::new());
        let limit = Timeout::after(None);
        let handle = limit.handle();
        let _held = lock.acquire().await;
        let own = lock.clone();
        let mover = spawn(async move {
            sleep(SHORT).await;
            let now = get_running_loop().time();
            handle.reschedule(now).unwrap();
        });
        assert!(limit.run(own.acquire()).await.is_err());
        mover.await.unwrap();
    });
}

#[test]
fn one_of_two_things_that_can_come() {
    goes_on(|| async {
        let lock = Rc::new(Lock::new());
        let event = Rc::new(Event::new());
        let _held = lock.acquire().await;
        let setter = spawn({
            let event = event.clone();
            async move {
                sleep(SHORT).await;
                event.set();
            }
        });
        let (mut own, mut set) = (pin!(lock.acquire()), pin!(event.wait()));
        poll_fn(|cx| match own.as_mut().poll(cx) {
            Poll::Ready(_) => panic!("it holds the lock itself"),
            Poll::Pending => set.as_mut().poll(cx),
        })
        .await;
        setter.await.unwrap();
    });
}

#[test]
fn another_thread_with_a_remote() {
    let value = within(WATCHDOG, || {
        let event_loop = new_loop();
        let remote = event_loop.remote();
        let thread = thread::spawn(move || {
            thread::sleep(SHORT);
            let _ = remote.call_soon_threadsafe(|| get_running_loop().stop());
        });
        let stopped = event_loop.run_until_complete(pending::<()>());
        thread.join().unwrap();
        stopped.unwrap_err().cancelled().unwrap().is_deadlock()
    });
    assert!(!value);
}

#[test]
fn another_thread_with_a_waker() {
    goes_on(|| async {
        let (give, take) = mpsc::channel::<Waker>();
        let thread = thread::spawn(move || {
            let waker = take.recv().unwrap();
            thread::sleep(SHORT);
            // A clone made there counts too.
            let another = waker.clone();
            drop(waker);
            thread::sleep(SHORT);
            another.wake();
        });
        woken_by(move |waker| give.send(waker).unwrap()).await;
        thread.join().unwrap();
    });
}

#[test]
fn another_thread_with_a_gathered_child_s_waker() {
    goes_on(|| async {
        let (give, take) = mpsc::channel::<Waker>();
        let thread = thread::spawn(move || {
            let waker = take.recv().unwrap();
            thread::sleep(SHORT);
            waker.wake();
        });
        scope(|s| {
            s.spawn(woken_by(move |waker| give.send(waker).unwrap()));
            async {}
        })
        .await;
        thread.join().unwrap();
    });
}

#[test]
fn a_waker_that_lies_where_the_loop_can_not_see() {
    goes_on(|| async {
        let kept = Rc::new(Cell::new(None));
        let place = kept.clone();
        let lock = Rc::new(Lock::new());
        let held = lock.clone();
        let holder = spawn(async move {
            let _held = held.acquire().await;
            woken_by(move |waker| place.set(Some(waker))).await;
        });
        yield_now().await;
        let waiter = spawn(async move { drop(lock.acquire().await) });
        let waker = kept.take().unwrap();
        get_running_loop().call_later(SHORT, move || waker.wake());
        waiter.await.unwrap();
        holder.await.unwrap();
    });
}

#[test]
fn a_descriptor_that_is_watched() {
    goes_on(|| async {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let event = Rc::new(Event::new());
        let set = event.clone();
        let fd = ours.try_clone().unwrap();
        get_running_loop()
            .add_reader(&fd, move || {
                let _ = ours.read(&mut [0; 8]);
                set.set();
            })
            .unwrap();
        let thread = thread::spawn(move || {
            thread::sleep(SHORT);
            theirs.write_all(b"now").unwrap();
        });
        event.wait().await;
        get_running_loop().remove_reader(&fd);
        thread.join().unwrap();
    });
}

#[test]
fn a_signal_that_is_handled() {
    goes_on(|| async {
        let event = Rc::new(Event::new());
        let set = event.clone();
        let event_loop = get_running_loop();
        event_loop
            .add_signal_handler(signal_hook::consts::SIGWINCH, move || set.set())
            .unwrap();
        let thread = thread::spawn(|| {
            thread::sleep(SHORT);
            signal_hook::low_level::raise(signal_hook::consts::SIGWINCH).unwrap();
        });
        event.wait().await;
        event_loop.remove_signal_handler(signal_hook::consts::SIGWINCH);
        thread.join().unwrap();
    });
}

#[test]
fn a_job_in_a_thread() {
    let done = goes_on(|| async {
        let event = Rc::new(Event::new());
        let set = event.clone();
        let job = spawn(async move {
            to_thread(|| thread::sleep(SHORT)).await.unwrap();
            set.set();
        });
        event.wait().await;
        job.await.is_ok()
    });
    assert!(done);
}
