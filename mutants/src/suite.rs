//! The tests of the copy: which there are, and which mutants each of them reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::Asked;
use crate::build::{self, Copy};

/// Kibibytes of memory a test may have.
const MEMORY: u64 = 6 * 1024 * 1024;

/// How many tests run at a time.
pub(crate) const WORKERS: usize = 2;

/// Signals of a process that used up its time: `SIGKILL` and `SIGXCPU`.
const OUT_OF_TIME: [i32; 2] = [9, 24];

/// A test in its program.
#[derive(Debug)]
pub(crate) struct Test {
    program: PathBuf,
    /// Where cargo would start it.
    folder: PathBuf,
    /// Where recorded data are: beside the workspace, not beside its copy.
    data: Vec<(&'static str, PathBuf)>,
    pub(crate) name: String,
    /// How long it takes when no fault is on.
    pub(crate) time: Duration,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed,
    /// It was stopped: it took too long.
    Stopped,
}

impl Test {
    /// Runs with a number of a mutant, or "record" to note those it reaches in a file.
    pub(crate) fn run(&self, mutant: &str, reached: &Path, seconds: u64) -> anyhow::Result<End> {
        // Time of the processor is bounded by the shell: a busy machine stops no test. Time of the clock is bounded for
        // tests that wait without end, all of whose threads sleep.
        let limits = format!("ulimit -v {MEMORY} -t {seconds} -c 0; exec \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &limits, "sh"])
            .arg(&self.program)
            .args(["--exact", &self.name])
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("CONVGRU_MUTANT", mutant)
            .env("CONVGRU_MUTANTS_REACHED", reached)
            .envs(self.data.iter().map(|(name, folder)| (name, folder)))
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start sh")?;
        let begin = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(ended(status));
            }
            if begin.elapsed() > Duration::from_secs(seconds * 6) && sleeps(child.id()) {
                child.kill()?;
                child.wait()?;
                return Ok(End::Stopped);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Seconds of a processor after which a mutant has made it too slow.
    pub(crate) fn limit(&self) -> u64 {
        10 + 10 * self.time.as_secs()
    }
}

/// Whether no thread of a process runs or waits for a processor.
fn sleeps(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let mut stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    // After the name in parentheses.
    stats.all(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('R')))
}

fn ended(status: ExitStatus) -> End {
    match status.signal() {
        Some(signal) if OUT_OF_TIME.contains(&signal) => End::Stopped,
        _ if status.success() => End::Passed,
        _ => End::Failed,
    }
}

/// All tests that pass, and those that reach each mutant.
pub(crate) struct Suite {
    pub(crate) tests: Vec<Test>,
    /// Indices of tests by the number of the mutant, the fastest first.
    pub(crate) reaching: BTreeMap<u32, Vec<usize>>,
    /// Tests that do not pass or that take too long with no fault.
    pub(crate) unused: Vec<String>,
}

impl Suite {
    /// Builds the tests that are asked for and runs each of them once.
    pub(crate) fn new(copy: &Copy<'_>, asked: &Asked) -> anyhow::Result<Self> {
        let only = &asked.tests;
        let named: BTreeSet<&str> = only.iter().filter_map(|begin| begin.split('/').next()).collect();
        let mut cargo = copy.cargo("test", if only.is_empty() { &copy.packages } else { &named });
        cargo.args(["--no-run", "--message-format=json", "--lib"]);
        match asked.programs.as_slice() {
            [] => cargo.args((!asked.lib).then_some("--tests")),
            programs => cargo.args(programs.iter().flat_map(|program| ["--test", program])),
        };
        cargo.stderr(Stdio::null());
        let output = cargo.output()?;
        anyhow::ensure!(output.status.success(), "the tests of the copy do not compile; see {:?}", cargo);
        let mut data = Vec::new();
        for (name, folder) in [("CONVGRU_DATA", "../shared/data"), ("CONVGRU_PARITY", "../shared/parity")] {
            if let (None, Ok(folder)) = (std::env::var_os(name), copy.root.join(folder).canonicalize()) {
                data.push((name, folder));
            }
        }
        let mut tests = Vec::new();
        for message in build::messages(&output.stdout) {
            let (Some(program), Some(manifest)) = (message.executable, message.manifest_path) else {
                continue;
            };
            let folder = manifest.parent().context("a manifest without a folder")?.to_path_buf();
            let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let listed =
                Command::new(&program).args(["--list", "--format", "terse"]).current_dir(&folder).output()?;
            for line in String::from_utf8_lossy(&listed.stdout).lines() {
                let Some(name) = line.strip_suffix(": test") else { continue };
                let full = format!("{package}/{name}");
                if only.is_empty() || only.iter().any(|begin| full.starts_with(begin)) {
                    let (program, folder, data) = (program.clone(), folder.clone(), data.clone());
                    tests.push(Test { program, folder, data, name: name.to_owned(), time: Duration::ZERO });
                }
            }
        }
        eprintln!("{} tests", tests.len());
        Self::record(tests, &copy.folder.join("reached"))
    }

    fn record(tests: Vec<Test>, folder: &Path) -> anyhow::Result<Self> {
        drop(std::fs::remove_dir_all(folder));
        std::fs::create_dir_all(folder)?;
        let seconds = 60;
        let runs = in_parallel(tests.len(), |index| {
            let begin = Instant::now();
            let end = tests[index].run("record", &folder.join(index.to_string()), seconds)?;
            Ok((end, begin.elapsed()))
        })?;
        let mut suite = Self { tests, reaching: BTreeMap::new(), unused: Vec::new() };
        for (index, (end, time)) in runs {
            suite.tests[index].time = time;
            if end != End::Passed {
                suite.unused.push(format!("{} {end:?}", suite.tests[index].name));
                continue;
            }
            let reached = std::fs::read_to_string(folder.join(index.to_string())).unwrap_or_default();
            for number in reached.lines().filter_map(|line| line.parse().ok()) {
                suite.reaching.entry(number).or_default().push(index);
            }
        }
        for indices in suite.reaching.values_mut() {
            indices.sort_by_key(|index| suite.tests[*index].time);
            indices.dedup();
        }
        Ok(suite)
    }
}

/// Does something for each index, several at a time; the results are in no order.
pub(crate) fn in_parallel<T: Send>(
    count: usize,
    work: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<(usize, T)>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    loop {
                        let index = next.fetch_add(1, Relaxed);
                        if index >= count {
                            return Ok(());
                        }
                        let result = work(index)?;
                        results
                            .lock()
                            .map_err(|_| anyhow::anyhow!("a worker panicked"))?
                            .push((index, result));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?)
    })?;
    results.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_sleeps_and_one_that_computes_does_not() {
        assert!(!sleeps(std::process::id()));
        let mut waits = Command::new("sleep").arg("60").spawn().unwrap();
        let begin = Instant::now();
        while !sleeps(waits.id()) {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
        waits.kill().unwrap();
        waits.wait().unwrap();
    }
}
