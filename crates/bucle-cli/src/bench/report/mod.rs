//! What a benchmark has found, for people and for programs: a table, `--json`, `--plot FILE`.
//!
//! | file | what |
//! |---|---|
//! | `chart`, `axis` | plots |
//! | `page` | `--plot`: the plots alone (SVG), or with the tables (HTML) |

mod axis;
mod chart;
mod page;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement};
use serde::Serialize;
use serde_json::Value;

pub(crate) use chart::{Bar, Chart, Series};

use crate::bench::machine::Machine;
use crate::bench::stop;

/// What every benchmark can be told of its output.
#[derive(Args, Clone, Debug)]
pub(crate) struct Output {
    /// Print JSON to standard output, not a table.
    #[arg(long)]
    pub(crate) json: bool,

    /// Draw the figures into this file, a picture (.svg) or a page with the tables too (.html).
    #[arg(long, value_name = "FILE", value_parser = plot_file)]
    pub(crate) plot: Option<PathBuf>,

    /// Few and short rounds: shows that everything works, proves nothing.
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Output {
    /// Whether what is asked for can be written, which is better known before anything is measured.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(path) = &self.plot else {
            return Ok(());
        };
        let existed = path.exists();
        // A file that is there stays as it is, until there are plots to put into it.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .and_then(|_| if existed { Ok(()) } else { fs::remove_file(path) })
            .map_err(|error| {
                format!(
                    "--plot {}: it can't be written: {error}; name a file in a folder that is there",
                    path.display()
                )
            })
    }
}

fn plot_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg" | "html") => Ok(path),
        _ => Err("its name must end in .svg or .html".into()),
    }
}

/// A table for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// The first column is text, the others figures.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(title: impl Into<String>, columns: &[&str]) -> Table {
        Table {
            title: title.into(),
            columns: columns.iter().map(|&column| column.into()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<I>(&mut self, cells: I)
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(&self.columns)
            .add_rows(&self.rows);
        for (at, column) in table.column_iter_mut().enumerate() {
            if at > 0 && !self.is_text(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(out, "{}", self.title)?;
        for line in table.to_string().lines() {
            writeln!(out, " {}", line.trim_end())?;
        }
        writeln!(out)
    }

    /// Whether a column holds words: none of its cells begins as a number does.
    fn is_text(&self, at: usize) -> bool {
        self.rows.iter().all(|row| {
            row.get(at).is_none_or(|cell| {
                cell.is_empty() || cell.starts_with(|first: char| first.is_alphabetic())
            })
        })
    }
}

/// A benchmark's outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Which benchmark.
    pub(crate) bench: &'static str,
    /// The version of this program.
    pub(crate) bucle: &'static str,
    pub(crate) machine: Machine,
    /// What it was told to do.
    pub(crate) settings: Value,
    /// False if a signal ended it before its time.
    pub(crate) complete: bool,
    /// What went wrong and makes the figures doubtful; stands above them.
    pub(crate) failures: Vec<String>,
    pub(crate) results: Value,
    /// What a reader has to know to take the figures right.
    pub(crate) notes: Vec<String>,
    #[serde(skip)]
    pub(crate) tables: Vec<Table>,
    #[serde(skip)]
    pub(crate) charts: Vec<Chart>,
}

impl Report {
    /// A report without results, on a machine as it is now: made before the first sample is taken.
    pub(crate) fn new(bench: &'static str, settings: Value) -> Report {
        Report {
            bench,
            bucle: env!("CARGO_PKG_VERSION"),
            machine: Machine::look(),
            settings,
            complete: true,
            failures: Vec::new(),
            results: Value::Null,
            notes: Vec::new(),
            tables: Vec::new(),
            charts: Vec::new(),
        }
    }

    /// Adds a remark.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints and draws it.
    pub(crate) fn deliver(mut self, output: &Output) -> Result<(), String> {
        self.complete = !stop::asked();
        if !self.complete {
            self.note("a signal ended it early: this is what was measured until then");
        }
        if self.machine.profile == "debug" {
            self.note("this is a debug build: its figures say little about anything");
        }
        if self.machine.is_busy() {
            self.note(format!(
                "the machine was busy (load {:.1}) before the first sample",
                self.machine.load
            ));
        }
        // Whatever becomes of the plots: what was measured is not lost.
        let printed = self.publish(output.json);
        if let Some(path) = &output.plot {
            page::write(path, &self)?;
        }
        printed
    }

    /// Prints it to standard output.
    fn publish(&self, as_json: bool) -> Result<(), String> {
        let mut out = io::stdout().lock();
        let printed = if as_json {
            serde_json::to_writer_pretty(&mut out, self)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            self.print(&mut out)
        };
        match printed.and_then(|()| out.flush()) {
            // Whoever read has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|error| format!("can't write to standard output: {error}")),
        }
    }

    fn heading(&self) -> String {
        format!("bucle {} bench {}", self.bucle, self.bench)
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}\n{}\n", self.heading(), self.machine.line())?;
        for failure in &self.failures {
            writeln!(out, "FAILED: {failure}\n")?;
        }
        for table in self.tables.iter().filter(|table| !table.rows.is_empty()) {
            table.print(out)?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_set_in_columns() {
        let mut table = Table::new("Switching", &["what", "median", "verdict"]);
        table.row(["system call", "100 ns", "lower"]);
        table.row(["pipe", "1.25 us", "holds"]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "Switching");
        assert!(lines[1].contains("what") && lines[1].contains("verdict"));
        let column = |line: &str, word: &str| line.find(word).unwrap() + word.len();
        assert_eq!(column(lines[2], "100 ns"), column(lines[3], "1.25 us"));
    }

    #[test]
    fn only_pictures_and_pages_are_drawn() {
        assert!(plot_file("a/b.svg").is_ok() && plot_file("b.html").is_ok());
        for name in ["b.png", "b", "", ".svg"] {
            assert!(plot_file(name).unwrap_err().contains(".svg or .html"));
        }
    }
}
