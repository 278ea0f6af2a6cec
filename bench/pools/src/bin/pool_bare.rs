//! The floors: two processes and a socket pair, pinned processes that only work, memory that is
//! only copied.

use std::error::Error;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use bench_pools::{Asked, PAUSE, PAYLOAD, each, median, tell, timed, work};
use rustix::thread::{CpuSet, sched_setaffinity};

fn main() -> Result<(), Box<dyn Error>> {
    let asked = Asked::from_arguments()?;
    let count = asked.count;
    match &*asked.case {
        "echo" => echo(count)?,
        "works" => works(count, asked.steps)?,
        "trip" => tell(trips(count, false)?),
        "trip-asleep" => tell(trips(count, true)?),
        "work" => tell(pinned(count, asked.steps)?),
        "calibrate" => {
            // As many steps as take `count` microseconds.
            let mut fastest = f64::INFINITY;
            for _ in 0..20 {
                let (_, time) = timed(|| black_box(work(black_box(100_000))));
                fastest = fastest.min(each(time, 100_000));
            }
            println!("{:.0}", count as f64 * 1000.0 / fastest);
        }
        "copy" => {
            let from = vec![1.0_f64; PAYLOAD];
            let mut to = vec![0.0_f64; PAYLOAD];
            let mut times = Vec::new();
            for _ in 0..count {
                times.push(timed(|| black_box(&mut to).copy_from_slice(black_box(&from))).1);
            }
            tell(median(times));
        }
        other => return Err(format!("no case `{other}`").into()),
    }
    Ok(())
}

fn pin(cpu: usize) -> Result<(), Box<dyn Error>> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    Ok(sched_setaffinity(None, &cpus)?)
}

fn child(case: &str, count: usize, steps: u64, input: Stdio) -> Result<Child, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([case, &count.to_string(), &steps.to_string()]);
    Ok(command.stdin(input).stdout(Stdio::piped()).spawn()?)
}

/// The other end of a trip: on the second processor, it sends back what comes by its input.
fn echo(cpu: usize) -> Result<(), Box<dyn Error>> {
    pin(cpu)?;
    let stdin: OwnedFd = rustix::io::dup(rustix::stdio::stdin())?;
    let mut socket = UnixStream::from(stdin);
    let mut byte = [0];
    while socket.read(&mut byte)? == 1 {
        socket.write_all(&byte)?;
    }
    Ok(())
}

fn trips(count: usize, asleep: bool) -> Result<f64, Box<dyn Error>> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut child = child("echo", 1, 0, OwnedFd::from(theirs).into())?;
    pin(0)?;
    let mut byte = [7];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        if asleep {
            thread::sleep(PAUSE);
        }
        let begun = Instant::now();
        ours.write_all(&byte)?;
        ours.read_exact(&mut byte)?;
        times.push(begun.elapsed());
    }
    drop(ours);
    child.wait()?;
    Ok(median(times))
}

/// One of the pinned ones: says that it is there, works when told, says when it is done.
fn works(cpu: usize, steps: u64) -> Result<(), Box<dyn Error>> {
    pin(cpu)?;
    println!("there");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    for _ in 0..line.trim().parse::<usize>()? {
        black_box(work(black_box(steps)));
    }
    println!("done");
    Ok(())
}

/// Two processes, each on its processor, that share `count` tasks fairly; for each task.
fn pinned(count: usize, steps: u64) -> Result<f64, Box<dyn Error>> {
    let mut children = Vec::new();
    for cpu in 0..2 {
        let mut child = child("works", cpu, steps, Stdio::piped())?;
        let mut there = [0; 6];
        let output = child.stdout.as_mut().ok_or("no output")?;
        output.read_exact(&mut there)?;
        children.push(child);
    }
    let begun = Instant::now();
    for child in &mut children {
        let input = child.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{}", count / 2)?;
    }
    for child in &mut children {
        let mut done = [0; 5];
        let output = child.stdout.as_mut().ok_or("no output")?;
        output.read_exact(&mut done)?;
    }
    let time = begun.elapsed();
    for child in &mut children {
        child.wait()?;
    }
    Ok(each(time, count))
}
