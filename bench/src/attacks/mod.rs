//! Attacks: many clients that mean no good, and an honest one beside them.
//!
//! Each attack comes in three waves to one process. Of every one it is asserted, under a watchdog, that the
//! honest client gets every answer, that descriptors and the server's own memory return to where they were
//! after each wave, and that memory stays bounded while it lasts. How long the honest client's answers take is told beside what they took in calm, with the bar that it is
//! held to, and asserted by nobody: the attackers share the client's CPU.

mod crowd;
mod honest;
mod kinds;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use self::honest::{Honest, Service};
use self::kinds::{Attack, Wave};
use crate::account;
use crate::load::Requests;
use crate::machine::{self, Machine};
use crate::pin;
use crate::report::assemble;
use crate::servers::{self, Kind, Server};
use crate::shape::{Content, Shape};
use crate::site::Site;
use crate::stop;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a server is told to wait for a head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(3);

/// The honest client's 99th percentile, as a multiple of its calm one.
const BAR: f64 = 3.0;

/// How often an attack comes.
const WAVES: usize = 3;

/// What the part on attacks is asked for.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these attacks: slow-heads, slow-bodies, slow-readers, idle, resets, connects, pipelining, descriptors, listing
    #[arg(long, value_delimiter = ',', value_name = "ATTACK")]
    only: Vec<String>,
    /// Only these servers: nginx, bucle
    #[arg(long, value_delimiter = ',', value_name = "SERVER")]
    servers: Vec<String>,
    /// Seconds of calm before each attack
    #[arg(long, default_value_t = 3.0)]
    calm: f64,
    /// Writes every figure to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A tenth of everything: shows that everything works
    #[arg(long)]
    quick: bool,
    /// Another `bucle` executable than the one built from this repository
    #[arg(long, value_name = "FILE")]
    bucle: Option<PathBuf>,
    /// Takes the executables as they are
    #[arg(long)]
    no_build: bool,
}

/// What a server holds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Held {
    descriptors: usize,
    anonymous_kib: u64,
}

/// What came of one attack on one server.
#[derive(Debug, Serialize)]
struct Outcome {
    attack: &'static str,
    server: &'static str,
    calm: Service,
    attacked: Service,
    before: Held,
    /// The most of all waves.
    peak: Held,
    /// After each wave.
    after: Vec<Held>,
    /// What the waves saw.
    saw: Vec<String>,
    /// The share of a CPU that the server took meanwhile.
    cpu: f64,
    /// What was not as it must be; nothing, if it held.
    broken: Vec<String>,
}

impl Outcome {
    fn ratio(&self) -> f64 {
        self.attacked.p99 / self.calm.p99
    }
}

#[derive(Serialize)]
struct Results {
    machine: Machine,
    quick: bool,
    bar: f64,
    outcomes: Vec<Outcome>,
}

/// Attacks, prints, and fails if Bucle did not hold.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let attacks: Vec<&Attack> = kinds::ALL
        .iter()
        .filter(|attack| {
            arguments.only.is_empty() || arguments.only.iter().any(|name| name == attack.name)
        })
        .collect();
    for name in &arguments.only {
        ensure!(
            kinds::ALL.iter().any(|attack| attack.name == name),
            "there is no attack {name:?}: see --help"
        );
    }
    let asked = |name: &str| {
        arguments.servers.is_empty() || arguments.servers.iter().any(|other| other == name)
    };
    let kinds: Vec<&Kind> = servers::KINDS
        .iter()
        .filter(|kind| matches!(kind.name, "nginx" | "bucle") && asked(kind.name))
        .collect();
    ensure!(!kinds.is_empty(), "the servers are nginx and bucle");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no repository")?;
    if !arguments.no_build && arguments.bucle.is_none() {
        crate::http::build_bucle(root)?;
    }
    let bucle = match &arguments.bucle {
        Some(file) => file.clone(),
        None => crate::http::target(root).join("release/bucle"),
    };
    stop::install()?;
    stop::after(Duration::from_secs(3600));
    machine::raise_open_files(20_000)?;
    let (server_cpu, load_cpu) = pin::choose()?;
    pin::this_thread(load_cpu)?;
    let site = Site::create()?;
    site.add_names()?;
    let shape = Shape::keep_alive(Content::Files, 1);
    let field = Field {
        site: &site,
        bucle: &bucle,
        server_cpu,
        load_cpu,
        requests: Arc::new(Requests::build(&shape, &site)),
        calm: Duration::from_secs_f64(arguments.calm.clamp(0.1, 60.0)),
        quick: arguments.quick,
    };
    let mut outcomes = Vec::new();
    for attack in attacks {
        for kind in &kinds {
            stop::check()?;
            if kind.name != "bucle" && !attack.for_all {
                continue;
            }
            let outcome = field.attack(attack, kind);
            match outcome {
                Ok(outcome) => {
                    eprintln!("  {}", line(&outcome));
                    outcomes.push(outcome);
                }
                Err(error) if kind.name == "bucle" => {
                    return Err(error.context(format!("{} on bucle", attack.name)));
                }
                Err(error) => eprintln!("  {} on {}: {error:#}", attack.name, kind.name),
            }
        }
    }
    println!("{}", table(&outcomes));
    let broken: Vec<String> = outcomes
        .iter()
        .filter(|outcome| outcome.server == "bucle")
        .flat_map(|outcome| {
            outcome
                .broken
                .iter()
                .map(|why| format!("{}: {why}", outcome.attack))
        })
        .collect();
    if let Some(file) = &arguments.json {
        let results = Results {
            machine: Machine::look(),
            quick: arguments.quick,
            bar: BAR,
            outcomes,
        };
        std::fs::write(file, serde_json::to_string_pretty(&results)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if !broken.is_empty() {
        bail!("bucle did not hold: {}", broken.join("; "));
    }
    Ok(())
}

/// Where it takes place.
struct Field<'a> {
    site: &'a Site,
    bucle: &'a Path,
    server_cpu: usize,
    load_cpu: usize,
    requests: Arc<Requests>,
    calm: Duration,
    quick: bool,
}

impl Field<'_> {
    fn attack(&self, attack: &Attack, kind: &Kind) -> Result<Outcome> {
        let job = servers::Job {
            content: Content::Files,
            site: self.site,
            port: servers::free_port()?,
            // None of them is attacked.
            peers: Path::new(""),
            bucle: self.bucle,
            how: servers::How {
                header_timeout: Some(HEADER_TIMEOUT),
                files: attack.files,
                ..servers::How::default()
            },
        };
        let server = kind.start(&job, self.server_cpu, self.load_cpu)?;
        self.warm(&server)?;
        let calm = {
            let honest = Honest::begin(server.address, self.requests.clone())?;
            std::thread::sleep(if self.quick { self.calm / 3 } else { self.calm });
            honest.end()?
        };
        let before = held(&server)?;
        let honest = Honest::begin(server.address, self.requests.clone())?;
        let begun = Instant::now();
        let spent = account::cpu_time(&server.pids)?;
        let (mut peak, mut after, mut saw) = (before, Vec::new(), Vec::new());
        let mut broken = Vec::new();
        for _ in 0..WAVES {
            let wave = Wave {
                server: server.address,
                quick: self.quick,
            };
            match self.watch(&server, attack, wave, &mut peak) {
                Ok(words) => saw.push(words),
                Err(error) => broken.push(format!("{error:#}")),
            }
            stop::check()?;
            // The honest client has its own.
            let wanted = Held {
                descriptors: before.descriptors + 1,
                anonymous_kib: before.anonymous_kib + attack.left_kib,
            };
            // What others' allocators keep is told.
            match settled(&server, wanted, kind.name == "bucle") {
                Ok(held) => after.push(held),
                Err(error) => broken.push(format!("{error:#}")),
            }
        }
        let cpu = (account::cpu_time(&server.pids)? - spent).total as f64
            / begun.elapsed().as_nanos() as f64;
        let attacked = honest.end()?;
        let mut outcome = Outcome {
            attack: attack.name,
            server: kind.name,
            calm,
            attacked,
            before,
            peak,
            after,
            saw,
            cpu,
            broken,
        };
        outcome.judge(attack);
        Ok(outcome)
    }

    /// Has everything asked for once that an attack asks for, so that what is kept of it is kept.
    fn warm(&self, server: &Server) -> Result<()> {
        let mut stream = crate::check::connect(server.address)?;
        for number in 0..crate::load::REQUESTS {
            honest::ask(&mut stream, &self.requests, number).context("a wrong answer in calm")?;
        }
        // Those at which a server keeps a descriptor.
        for (path, content) in self.site.large.iter().chain([&self.site.one_kib]) {
            let got = honest::get(&mut stream, path)?;
            ensure!(got == *content, "a wrong answer in calm: {path}");
        }
        Ok(())
    }

    /// One wave, in a thread that gives way to the honest client; looks meanwhile what the server holds.
    fn watch(
        &self,
        server: &Server,
        attack: &Attack,
        wave: Wave,
        peak: &mut Held,
    ) -> Result<String> {
        let run = attack.wave;
        let thread = std::thread::Builder::new()
            .name("attack".into())
            .spawn(move || {
                // Where that is not allowed, both are equals.
                let _ = rustix::process::nice(10);
                run(&wave)
            })?;
        while !thread.is_finished() {
            let now = held(server)?;
            peak.descriptors = peak.descriptors.max(now.descriptors);
            peak.anonymous_kib = peak.anonymous_kib.max(now.anonymous_kib);
            std::thread::sleep(Duration::from_millis(100));
        }
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the attacker panicked"))?
    }
}

impl Outcome {
    fn judge(&mut self, attack: &Attack) {
        if self.attacked.failed > 0 {
            self.broken.push(format!(
                "{} of the honest client's {} requests failed: {}",
                self.attacked.failed,
                self.attacked.failed + self.attacked.answered,
                self.attacked.why.as_deref().unwrap_or("for no reason")
            ));
        }
        let grown = self
            .peak
            .anonymous_kib
            .saturating_sub(self.before.anonymous_kib);
        if grown > attack.most_kib {
            self.broken.push(format!(
                "memory grew by {grown} KiB, more than {}",
                attack.most_kib
            ));
        }
    }
}

fn held(server: &Server) -> Result<Held> {
    Ok(Held {
        descriptors: account::descriptors(&server.pids)?,
        anonymous_kib: account::resident(&server.pids)?.anonymous / 1024,
    })
}

/// Waits until the server has no more descriptors than `wanted`, and if `memory` no more of that.
fn settled(server: &Server, wanted: Held, memory: bool) -> Result<Held> {
    let end = Instant::now() + 2 * PATIENCE;
    loop {
        stop::check()?;
        let now = held(server)?;
        let too_many = now.descriptors > wanted.descriptors;
        let too_much = memory && now.anonymous_kib > wanted.anonymous_kib;
        if !too_many && !too_much {
            return Ok(now);
        }
        ensure!(
            Instant::now() < end,
            "{} descriptors and {} KiB are left, where there may be {} and {}",
            now.descriptors,
            now.anonymous_kib,
            wanted.descriptors,
            wanted.anonymous_kib
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn line(outcome: &Outcome) -> String {
    let word = if outcome.broken.is_empty() {
        "held"
    } else {
        "DID NOT HOLD"
    };
    format!(
        "{} on {}: {word}, p99 {:.0} us for {:.0} us in calm{}",
        outcome.attack,
        outcome.server,
        outcome.attacked.p99,
        outcome.calm.p99,
        outcome
            .broken
            .iter()
            .map(|why| format!("; {why}"))
            .collect::<String>()
    )
}

fn table(outcomes: &[Outcome]) -> String {
    let head = [
        "attack", "server", "held", "calm p99", "p99", "ratio", "bar", "CPU", "fds", "most",
        "after", "KiB", "most", "after", "again", "at last",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for outcome in outcomes {
        let after = |wave: usize| outcome.after.get(wave);
        let kib = |held: Option<&Held>| {
            held.map_or_else(|| "-".to_owned(), |held| held.anonymous_kib.to_string())
        };
        let met = if outcome.ratio() <= BAR {
            "MET"
        } else {
            "MISSED"
        };
        table.push(vec![
            outcome.attack.to_owned(),
            outcome.server.to_owned(),
            if outcome.broken.is_empty() {
                "yes"
            } else {
                "NO"
            }
            .to_owned(),
            format!("{:.0} us", outcome.calm.p99),
            format!("{:.0} us", outcome.attacked.p99),
            format!("{:.2}", outcome.ratio()),
            met.to_owned(),
            format!("{:.0} %", outcome.cpu * 100.0),
            outcome.before.descriptors.to_string(),
            outcome.peak.descriptors.to_string(),
            after(WAVES - 1).map_or_else(|| "-".to_owned(), |held| held.descriptors.to_string()),
            outcome.before.anonymous_kib.to_string(),
            outcome.peak.anonymous_kib.to_string(),
            kib(after(0)),
            kib(after(1)),
            kib(after(2)),
        ]);
    }
    let mut notes: Vec<String> = kinds::ALL
        .iter()
        .filter(|attack| outcomes.iter().any(|outcome| outcome.attack == attack.name))
        .map(|attack| format!("{}: {}", attack.name, attack.about))
        .collect();
    for outcome in outcomes {
        notes.extend(outcome.broken.iter().map(|why| {
            format!(
                "{} on {} DID NOT HOLD: {why}",
                outcome.attack, outcome.server
            )
        }));
    }
    let title = format!(
        "attacks: an honest client beside each (bar: its 99th percentile at most {BAR} x that in calm); descriptors \
         and the server's own memory before, at most, and after"
    );
    assemble(&title, &table, &notes)
}
