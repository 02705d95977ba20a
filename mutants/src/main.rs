//! `cargo xtask mutants`: all small faults of the code in one build, each switched on by a number.
//!
//! cargo-mutants lists the faults. It would compile each of them alone, which takes most of the time. Here a copy of
//! the workspace has all of them, each behind a question whether it is on, and is compiled once. Each test runs once to
//! see which faults it reaches; a fault is tested by the tests that reach it, each in a process of its own.
#![forbid(unsafe_code)]

mod build;
mod judge;
mod list;
mod suite;
mod table;
mod weave;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::judge::{Record, Verdict};
use crate::list::Mutant;

/// What the command line asks for.
struct Asked {
    /// Where cargo puts what it builds.
    target: Option<PathBuf>,
    /// Beginnings of names of files, all if none.
    files: Vec<String>,
    /// One of so many equal parts of the list, each of them a sample of the whole.
    shard: (usize, usize),
    /// Judges survivors of the record again too.
    again: bool,
    json: bool,
    /// How much code with faults is optimised.
    opt_level: u8,
    /// Tests inside of crates alone.
    lib: bool,
    /// Programs of tests outside of crates, all if none.
    programs: Vec<String>,
    /// Beginnings of names of tests.
    tests: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let asked = Asked::parse(std::env::args().skip(1))?;
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().context("no workspace")?;
    let target = asked.target.clone().unwrap_or_else(|| root.join("target"));
    std::fs::create_dir_all(target.join("mutants"))?;
    let path = target.join("mutants").join("outcomes.jsonl");
    let mutants = list::mutants(root)?;
    let record = Record::open(&path)?;
    let survived = |verdict| matches!(verdict, Verdict::Missed | Verdict::Unreached);
    let open =
        |name: &str| record.before.get(name).is_none_or(|before| asked.again && survived(before.verdict));
    let asked_for = |mutant: &Mutant, number: u32| {
        let (shard, shards) = asked.shard;
        let file = asked.files.is_empty() || asked.files.iter().any(|begin| mutant.file.starts_with(begin));
        file && number as usize % shards == shard
    };
    let chosen = (1..).zip(&mutants).filter(|(number, mutant)| asked_for(mutant, *number));
    let chosen: Vec<u32> = chosen.map(|(number, _)| number).collect();
    let is_open = |number: &u32| open(&mutants[*number as usize - 1].name);
    let mut numbers: Vec<u32> = chosen.iter().copied().filter(is_open).collect();
    eprintln!("{} of {} mutants to judge", numbers.len(), mutants.len());
    if !numbers.is_empty() {
        // The copy has those that were judged before too: it is the same for a run that goes on.
        let copy = build::Copy::new(root, &target, &mutants, &chosen, asked.opt_level)?;
        let left = copy.weave(&mutants, &chosen, record.left(&mutants))?;
        record.leave(&mutants, &left)?;
        numbers.retain(|number| !left.refused.contains(number) && !left.apart.contains(number));
        // In an order that has nothing to do with the code: a run that is stopped has judged a sample.
        numbers.sort_by_key(|number| number.wrapping_mul(2_654_435_761));
        let suite = suite::Suite::new(&copy, &asked)?;
        eprintln!(
            "tests that are not used, because they fail or take too long in the copy: {:#?}",
            suite.unused
        );
        judge::judge(&mutants, &numbers, &suite, &record)?;
    }
    let outcomes = Record::open(&path)?.before;
    let outcomes: Vec<_> = mutants.iter().filter_map(|mutant| outcomes.get(&mutant.name)).collect();
    table::print(&outcomes, asked.json)?;
    let survivors = outcomes.iter().filter(|outcome| survived(outcome.verdict)).count();
    Ok(if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

impl Asked {
    fn parse(arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut asked = Self {
            target: None,
            files: Vec::new(),
            shard: (0, 1),
            again: false,
            json: false,
            opt_level: 1,
            lib: false,
            programs: Vec::new(),
            tests: Vec::new(),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--target" => asked.target = Some(PathBuf::from(value()?)),
                "--file" => asked.files.push(value()?),
                "--test" => asked.tests.push(value()?),
                "--program" => asked.programs.push(value()?),
                "--shard" => asked.shard = shard(&value()?)?,
                "--opt-level" => asked.opt_level = value()?.parse().context("--opt-level is not 0 to 3")?,
                "--again" => asked.again = true,
                "--lib" => asked.lib = true,
                "--json" => asked.json = true,
                _ => anyhow::bail!("unknown option {argument}; see cargo xtask mutants --help"),
            }
        }
        Ok(asked)
    }
}

/// Reads "2/8".
fn shard(text: &str) -> anyhow::Result<(usize, usize)> {
    let parts =
        text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    parts
        .filter(|(part, parts)| part < parts)
        .with_context(|| format!("--shard {text} is not K/N with K below N"))
}
