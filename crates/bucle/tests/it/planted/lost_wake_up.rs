//! A worker that gets its jobs over TLS. One task reads them, another one does them and, where there
//! is none, says so to the other side and waits for an event. Between its look at the list and the
//! wait it gives way once: what comes then sets an event that it clears right after.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bucle::net::{
    ConnectOptions, DEFAULT_LIMIT, ServerOptions, StreamReader, StreamWriter, open_connection_with,
    start_server_with,
};
use bucle::sync::Event;
use bucle::{spawn, yield_now};

use crate::certificate;

const JOBS: usize = 5;

/// Whether the worker looks at the list again before it waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// The bug.
    None,
    LooksAgain,
}

#[derive(Default)]
struct Jobs {
    list: RefCell<VecDeque<String>>,
    arrived: Event,
}

impl Jobs {
    fn add(&self, job: String) {
        self.list.borrow_mut().push_back(job);
        self.arrived.set();
    }

    fn take(&self) -> Option<String> {
        self.list.borrow_mut().pop_front()
    }

    async fn next(&self, to_master: &StreamWriter, care: Care) -> String {
        loop {
            if let Some(job) = self.take() {
                return job;
            }
            to_master.write(b"idle\n");
            to_master.drain().await.unwrap();
            // Let the others have their turn.
            yield_now().await;
            if care == Care::LooksAgain
                && let Some(job) = self.take()
            {
                return job;
            }
            self.arrived.clear();
            self.arrived.wait().await;
        }
    }
}

/// Gives the jobs out, and waits until each has been done.
async fn master(mut from_worker: StreamReader, to_worker: StreamWriter) {
    for n in 0..JOBS {
        to_worker.write(format!("job {n}\n").as_bytes());
    }
    let mut done = 0;
    while done < JOBS {
        match &*from_worker.readline().await.unwrap() {
            b"done\n" => done += 1,
            b"idle\n" => {}
            other => panic!("no word of a worker: {other:?}"),
        }
    }
    to_worker.close();
}

pub(super) async fn program(care: Care) {
    let options = ServerOptions::default().tls(certificate::server());
    let server = start_server_with("127.0.0.1:0", options, DEFAULT_LIMIT, master).unwrap();
    let options = ConnectOptions::default().tls(certificate::client());
    let address = &server.sockets()[0];
    let (mut from_master, to_master) = open_connection_with(address, options).await.unwrap();
    let jobs = Rc::new(Jobs::default());
    let working = spawn({
        let jobs = jobs.clone();
        async move {
            for _ in 0..JOBS {
                let job = jobs.next(&to_master, care).await;
                assert!(job.starts_with("job "), "{job:?}");
                to_master.write(b"done\n");
            }
        }
    });
    loop {
        let line = from_master.readline().await.unwrap();
        if line.is_empty() {
            break;
        }
        jobs.add(String::from_utf8(line).unwrap());
    }
    working.await.unwrap();
}
