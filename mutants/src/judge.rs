//! What became of each mutant.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::build::Left;
use crate::list::Mutant;
use crate::suite::{self, End, Suite};

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// A test fails.
    Caught,
    /// A test does not end in ten times its time.
    Timeout,
    /// All tests that reach it pass.
    Missed,
    /// No test reaches it.
    Unreached,
    /// The compiler refuses it.
    Refused,
    /// It cannot be switched on at run time.
    Apart,
}

/// A line of the record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The name of the mutant.
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) verdict: Verdict,
    /// The test that noticed it.
    pub(crate) test: Option<String>,
    /// How many tests ran on it.
    pub(crate) tests: usize,
}

/// Outcomes of this run and of those before, one a line.
pub(crate) struct Record {
    file: Mutex<File>,
    pub(crate) before: BTreeMap<String, Outcome>,
}

impl Record {
    /// Opens a record; a line that was cut off is passed over.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let outcomes = text.lines().filter_map(|line| serde_json::from_str::<Outcome>(line).ok());
        let before = outcomes.map(|outcome| (outcome.name.clone(), outcome)).collect();
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: Mutex::new(file.with_context(|| path.display().to_string())?), before })
    }

    /// The numbers of mutants that were not in the copy before.
    pub(crate) fn left(&self, mutants: &[Mutant]) -> Left {
        let with = |verdict| {
            let is = |mutant: &Mutant| {
                self.before.get(&mutant.name).is_some_and(|before| before.verdict == verdict)
            };
            (1..).zip(mutants).filter(|(_, mutant)| is(mutant)).map(|(number, _)| number).collect()
        };
        Left { refused: with(Verdict::Refused), apart: with(Verdict::Apart) }
    }

    /// Writes down which mutants are not in the copy.
    pub(crate) fn leave(&self, mutants: &[Mutant], left: &Left) -> anyhow::Result<()> {
        for (number, mutant) in
            (1..).zip(mutants).filter(|(_, mutant)| !self.before.contains_key(&mutant.name))
        {
            let verdict = match (left.refused.contains(&number), left.apart.contains(&number)) {
                (true, _) => Verdict::Refused,
                (_, true) => Verdict::Apart,
                _ => continue,
            };
            let (name, file) = (mutant.name.clone(), mutant.file.clone());
            self.write(&Outcome { name, file, verdict, test: None, tests: 0 })?;
        }
        Ok(())
    }

    fn write(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let line = format!("{}\n", serde_json::to_string(outcome)?);
        let mut file = self.file.lock().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
        Ok(file.write_all(line.as_bytes())?)
    }
}

/// Judges the mutants with these numbers, which are in the copy, and writes down each outcome at once.
pub(crate) fn judge(
    mutants: &[Mutant],
    numbers: &[u32],
    suite: &Suite,
    record: &Record,
) -> anyhow::Result<()> {
    let killers = Mutex::new(BTreeMap::new());
    suite::in_parallel(numbers.len(), |index| {
        let number = numbers[index];
        let mutant = &mutants[number as usize - 1];
        let (verdict, test, tests) = run(number, mutant, suite, &killers)?;
        let (name, file) = (mutant.name.clone(), mutant.file.clone());
        record.write(&Outcome { name, file, verdict, test, tests })
    })?;
    Ok(())
}

/// Runs the tests that reach a mutant until one notices it: first those that noticed others of its file, then the
/// fastest.
fn run<'a>(
    number: u32,
    mutant: &'a Mutant,
    suite: &Suite,
    killers: &Mutex<BTreeMap<&'a str, Vec<usize>>>,
) -> anyhow::Result<(Verdict, Option<String>, usize)> {
    let Some(reaching) = suite.reaching.get(&number) else {
        return Ok((Verdict::Unreached, None, 0));
    };
    let lock = || killers.lock().map_err(|_| anyhow::anyhow!("a worker panicked"));
    let mut order: Vec<usize> = lock()?.get(mutant.file.as_str()).cloned().unwrap_or_default();
    order.retain(|index| reaching.contains(index));
    let known = order.len();
    order
        .extend(reaching.iter().filter(|index| !order[..known].contains(index)).copied().collect::<Vec<_>>());
    for (ran, &index) in order.iter().enumerate() {
        let test = &suite.tests[index];
        let end = test.run(&number.to_string(), Path::new("/dev/null"), test.limit())?;
        if end == End::Passed {
            continue;
        }
        let mut killers = lock()?;
        let of_file = killers.entry(&mutant.file).or_default();
        of_file.retain(|killer| *killer != index);
        of_file.insert(0, index);
        of_file.truncate(8);
        let verdict = if end == End::Stopped { Verdict::Timeout } else { Verdict::Caught };
        return Ok((verdict, Some(test.name.clone()), ran + 1));
    }
    Ok((Verdict::Missed, None, order.len()))
}
