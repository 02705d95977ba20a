//! One fault: a run that meets it, the next start, and what is left then.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use serde_json::Value;

use super::evidence::{Expected, Files, State, list};
use super::fault::Point;
use super::leftovers;
use super::strace::{Ended, Launch};

/// A command that a fault is put into.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// A folder of runs to begin with; a copy is used.
    pub(super) template: Option<PathBuf>,
}

/// What all trials share.
pub(super) struct Setting<'a> {
    pub(super) program: &'a Path,
    /// Arguments of a run, without its folder.
    pub(super) configuration: &'a [String],
    pub(super) expected: &'a Expected,
    /// The data that runs read, if any; no trial changes them.
    pub(super) data: Option<&'a Path>,
    /// What came of the next start in folders that faults left, by their digest.
    pub(super) known: &'a Mutex<HashMap<u64, After>>,
    /// Folders of trials are made here.
    pub(super) folder: &'a Path,
}

/// How a run went on after its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It had finished in spite of the fault.
    Survived,
    /// `--resume` went on with it.
    Resumed,
    /// There was no checkpoint yet; a new run was begun.
    Restarted,
}

/// What came of a fault.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Files that were damaged after the fault.
    pub(super) damaged: usize,
    /// What is wrong after the fault, in words.
    pub(super) faults: Vec<String>,
    /// What came of the next start.
    pub(super) after: After,
}

/// What came of the start after a fault.
#[derive(Clone, Debug)]
pub(super) struct After {
    pub(super) next: Next,
    /// Files that were set aside as damaged.
    pub(super) damaged: usize,
    /// Files in the folder of the finished run that an uninterrupted run does not leave.
    pub(super) left: usize,
    /// Files in folders of runs that never had a checkpoint.
    pub(super) abandoned: usize,
    /// All that should be equal is.
    pub(super) equal: bool,
    /// What is wrong, in words.
    pub(super) faults: Vec<String>,
}

impl Setting<'_> {
    /// The arguments of a run in `out`.
    pub(super) fn begin(&self, out: &Path) -> Vec<String> {
        let mut arguments =
            vec!["train".to_owned(), "--json".into(), "--out".into(), out.display().to_string()];
        arguments.extend_from_slice(self.configuration);
        arguments
    }

    /// The arguments that go on with the newest run in `out`.
    pub(super) fn resume(out: &Path) -> Vec<String> {
        vec!["train".into(), "--json".into(), "--out".into(), out.display().to_string(), "--resume".into()]
    }

    /// The folders whose calls meet faults: the folder of runs, and the data.
    pub(super) fn watched<'f>(&'f self, out: &'f Path) -> Vec<&'f Path> {
        std::iter::once(out).chain(self.data).collect()
    }

    pub(super) fn launch(&self, arguments: Vec<String>, log: PathBuf) -> Launch<'_> {
        Launch { program: self.program, arguments, log }
    }

    /// A scenario with a fault; nothing where the fault met no file of the run.
    pub(super) fn trial(
        &self,
        scenario: &Scenario,
        point: &Point,
        number: usize,
    ) -> anyhow::Result<Option<Verdict>> {
        let folder = self.folder.join(format!("{}-{number}", scenario.name));
        let out = folder.join("runs");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let arguments = match &scenario.template {
            Some(template) => {
                copy(template, &out)?;
                Self::resume(&out)
            }
            None => self.begin(&out),
        };
        let launch = self.launch(arguments, folder.join("fault"));
        let (ended, hit) = launch.with_fault(point, &self.watched(&out))?;
        let verdict = if hit { Some(self.go_on(&folder, &out, &ended)?) } else { None };
        if verdict.as_ref().is_none_or(Verdict::is_good) {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        Ok(verdict)
    }

    /// Judges what a fault left, starts the program again, and judges what that left.
    fn go_on(&self, folder: &Path, out: &Path, ended: &Ended) -> anyhow::Result<Verdict> {
        let state = State::of(out)?;
        let mut faults: Vec<String> =
            state.damaged.iter().map(|path| format!("{} is damaged", path.display())).collect();
        if ended.broke() {
            faults.push(format!("the run {}", ended.describe()));
        }
        let after = if ended.succeeded() {
            self.judge(out, Next::Survived, ended)?
        } else {
            self.next_start(folder, out, state.can_resume)?
        };
        Ok(Verdict { damaged: state.damaged.len(), faults, after })
    }

    /// Starts the program again, unless it is known what comes of it.
    fn next_start(&self, folder: &Path, out: &Path, can_resume: bool) -> anyhow::Result<After> {
        let left = leftovers::digest(out)?;
        let known = || self.known.lock().map_err(|_| anyhow::anyhow!("a trial panicked"));
        if let Some(after) = known()?.get(&left) {
            return Ok(after.clone());
        }
        let resumed = self.launch(Self::resume(out), folder.join("next")).plain()?;
        let after = if resumed.succeeded() || can_resume || resumed.broke() {
            self.judge(out, Next::Resumed, &resumed)?
        } else {
            let restarted = self.launch(self.begin(out), folder.join("restarted")).plain()?;
            self.judge(out, Next::Restarted, &restarted)?
        };
        known()?.insert(left, after.clone());
        Ok(after)
    }

    /// Judges what a run left that should have finished.
    fn judge(&self, out: &Path, next: Next, last: &Ended) -> anyhow::Result<After> {
        let mut after = After { next, damaged: 0, left: 0, abandoned: 0, equal: false, faults: Vec::new() };
        if !last.succeeded() {
            after.faults.push(format!("the next start {}", last.describe()));
            return Ok(after);
        }
        let run = run_of(last)?;
        let files = Files::read(&run)?;
        let differences = self.expected.differences(&files)?;
        after.equal = differences.is_empty();
        after.faults.extend(differences);
        for name in self.expected.extra(&files) {
            let was_damaged = name.to_string_lossy().contains("damaged");
            *(if was_damaged { &mut after.damaged } else { &mut after.left }) += 1;
            after.faults.push(format!("{} is left", name.display()));
        }
        after.abandoned = list(out)?.iter().filter(|path| !path.starts_with(&run)).count();
        Ok(after)
    }
}

impl Verdict {
    /// Whether all is as it must be.
    fn is_good(&self) -> bool {
        self.faults.is_empty() && self.after.faults.is_empty()
    }
}

/// The folder of the run that a program tells about.
pub(super) fn run_of(ended: &Ended) -> anyhow::Result<PathBuf> {
    let said: Value = serde_json::from_str(ended.stdout.trim())
        .with_context(|| format!("not the result of a run: {}", ended.stdout))?;
    let run = said["run"].as_str().context("the result of a run names no folder")?;
    Ok(run.into())
}

/// Copies a folder with everything in it.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let copied = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &copied)?;
        } else {
            fs::copy(entry.path(), &copied).with_context(|| format!("cannot write {}", copied.display()))?;
        }
    }
    Ok(())
}
