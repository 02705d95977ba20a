//! Runs that are killed, or whose disk fails, at every call of the file system: `cargo xtask crash-test`.

mod evidence;
mod fault;
mod leftovers;
mod strace;
mod subject;
mod table;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::Args;

use crate::progress::{note, print};
use evidence::{Expected, Files, State};
use fault::{Call, Fault, Point};
use subject::{Learns, Subject};
use table::{Row, Table};
use trial::{Scenario, Setting, Verdict, run_of};

const EXAMPLES: &str = "\
Examples:
  cargo xtask crash-test --install   once: strace, from Debian (as root)
  cargo xtask crash-test --quick     a small network, a minute or two
  cargo xtask crash-test --only radar
  cargo xtask crash-test --json      the network of the preset quick, checkpoints of 9 MB; half an hour and more

A run and the same run after a kill are counted first, call by call, then repeated once for each call
and fault. Each is gone on with by --resume and compared with a run that nothing interrupted. The same with small
networks that learn from files: arrays, netCDF and radar images, whose calls meet faults too.";

/// Kills a training, or lets its disk fail, at every call of the file system, goes on with it, and compares
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask crash-test [OPTIONS]")]
pub(crate) struct CrashOptions {
    /// A small network: a minute or two
    #[arg(long)]
    quick: bool,
    /// One of the trainings alone
    #[arg(long, value_enum)]
    only: Option<Learns>,
    /// Threads of the training
    #[arg(long, value_name = "N", default_value_t = 3)]
    threads: usize,
    /// Trials at a time; by default one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    /// The program `convgru`; by default the one beside this program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where runs are made; the folders of trials that fail stay there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print {scenarios, failed} and nothing else
    #[arg(long)]
    json: bool,
}

/// Calls of each name beyond those that were counted: a run may make more of them another time.
const BEYOND: usize = 2;

/// Runs every trial; an error if one of them is not as it must be.
pub(crate) fn run(options: &CrashOptions) -> anyhow::Result<()> {
    anyhow::ensure!(
        strace::is_there(),
        "strace cannot be started; `cargo xtask crash-test --install` gets it"
    );
    let program = program(options)?;
    let within = options.out.clone().unwrap_or_else(std::env::temp_dir);
    fs::create_dir_all(&within).with_context(|| format!("cannot make {}", within.display()))?;
    let folder = tempfile::Builder::new().prefix("crash-").tempdir_in(&within);
    let folder = folder.context("cannot make a folder for runs")?;
    let path = folder.path().canonicalize()?;
    let begun = Instant::now();
    let table = trials(options, &program, &path)?;
    let failed = table.failed();
    print(&if options.json { table.json().to_string() } else { table.text(begun.elapsed()) });
    if failed > 0 {
        let kept = folder.keep();
        anyhow::bail!("{failed} trials failed; their folders are in {}", kept.display());
    }
    Ok(())
}

fn program(options: &CrashOptions) -> anyhow::Result<PathBuf> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("convgru"),
    };
    program
        .canonicalize()
        .with_context(|| format!("no program {}; build it or name it by --program", program.display()))
}

fn trials(options: &CrashOptions, program: &Path, folder: &Path) -> anyhow::Result<Table> {
    let mut table = Table::default();
    for subject in Subject::all(options.quick) {
        if options.only.is_some_and(|only| only != subject.learns) {
            continue;
        }
        let folder = folder.join(subject.resumed);
        tried(options, program, &folder, &subject, &mut table)?;
    }
    Ok(table)
}

/// Tries a training: its rows come to the table.
fn tried(
    options: &CrashOptions,
    program: &Path,
    folder: &Path,
    subject: &Subject,
    table: &mut Table,
) -> anyhow::Result<()> {
    let data = subject.data().map(|kind| -> anyhow::Result<PathBuf> {
        let data = folder.join("data");
        kind.write(&data).map(|()| data)
    });
    let data = data.transpose()?;
    let configuration = subject.arguments(options.threads, data.as_deref());
    let nothing_known = Mutex::default();
    let nothing = Setting {
        program,
        configuration: &configuration,
        expected: &Expected::default(),
        data: data.as_deref(),
        known: &nothing_known,
        folder,
    };
    let whole = |name: &str| -> anyhow::Result<Files> {
        let out = folder.join(name);
        let launch = nothing.launch(nothing.begin(&out.join("runs")), out.join("log"));
        let ended = launch.plain()?;
        anyhow::ensure!(ended.succeeded(), "the uninterrupted run {}", ended.describe());
        Files::read(&run_of(&ended)?)
    };
    let expected = Expected::of(&whole("whole")?, &whole("again")?)?;
    note(&expected.describe());
    let setting = Setting { expected: &expected, ..nothing };
    let begin = counted(&setting, Scenario { name: "train", template: None })?;
    let template = killed(&Setting { data: None, ..setting })?;
    let resume = counted(&setting, Scenario { name: "resume", template: Some(template) })?;
    let scenarios = subject.begun.map(|name| (name, begin)).into_iter().chain([(subject.resumed, resume)]);
    for (name, (scenario, calls)) in scenarios {
        let points = subject.chosen(fault::points(&calls, BEYOND));
        note(&format!("{name}: {} calls, {} trials", calls.len(), points.len()));
        let known = Mutex::default();
        let setting = Setting { known: &known, ..setting };
        let verdicts = all(&setting, &scenario, &points, options.jobs)?;
        let states = setting.known.lock().map_or(0, |known| known.len());
        note(&format!("{name}: faults left {states} different folders"));
        for fault in Fault::ALL {
            let mut row = Row::new(name, fault.name());
            for (point, verdict) in verdicts.iter().filter(|(point, _)| point.fault == fault) {
                row.add(point, verdict.as_ref());
            }
            note(&row.text());
            table.rows.push(row);
        }
    }
    Ok(())
}

/// A scenario and the calls it makes below its folder of runs.
fn counted(setting: &Setting<'_>, scenario: Scenario) -> anyhow::Result<(Scenario, Vec<Call>)> {
    let folder = setting.folder.join(format!("{}-counted", scenario.name));
    let out = folder.join("runs");
    let arguments = match &scenario.template {
        Some(template) => {
            trial::copy(template, &out)?;
            Setting::resume(&out)
        }
        None => setting.begin(&out),
    };
    let (ended, calls) = setting.launch(arguments, folder.join("log")).counted(&setting.watched(&out))?;
    anyhow::ensure!(ended.succeeded(), "{} under strace {}", scenario.name, ended.describe());
    anyhow::ensure!(!calls.is_empty(), "strace saw no call that names {}", out.display());
    Ok((scenario, calls))
}

/// A folder of runs that was killed after about two thirds of the calls that write it, with a checkpoint to go on from.
///
/// The setting watches no data: threads share the reading of files, so that the same call comes early in one run and
/// never in another.
fn killed(setting: &Setting<'_>) -> anyhow::Result<PathBuf> {
    let (_, calls) = counted(setting, Scenario { name: "kill", template: None })?;
    let (before, after) = calls.split_at(calls.len() * 2 / 3);
    for call in after.iter().chain(before.iter().rev()) {
        let folder = setting.folder.join("killed");
        let out = folder.join("runs");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let point = Point { call: call.clone(), fault: Fault::Kill };
        let launch = setting.launch(setting.begin(&out), folder.join("log"));
        let (ended, hit) = launch.with_fault(&point, &setting.watched(&out))?;
        if hit && ended.signal.is_some() && State::of(&out)?.can_resume {
            return Ok(out);
        }
    }
    anyhow::bail!("none of {} kills left a checkpoint to go on from", calls.len())
}

/// Every trial, some at a time.
fn all(
    setting: &Setting<'_>,
    scenario: &Scenario,
    points: &[Point],
    jobs: usize,
) -> anyhow::Result<Vec<(Point, Option<Verdict>)>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> anyhow::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(point) = points.get(number) else {
                return Ok(());
            };
            let verdict = setting.trial(scenario, point, number).with_context(|| point.to_string())?;
            let mut done = done.lock().map_err(|_| anyhow::anyhow!("a trial panicked"))?;
            done.push((number, point.clone(), verdict));
            if done.len() % 100 == 0 {
                note(&format!("{}: {} of {} trials", scenario.name, done.len(), points.len()));
            }
        }
    };
    std::thread::scope(|scope| {
        let jobs = if jobs == 0 { cores } else { jobs };
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a trial panicked")));
        ended.collect::<anyhow::Result<Vec<()>>>()
    })?;
    let mut done = done.into_inner().map_err(|_| anyhow::anyhow!("a trial panicked"))?;
    done.sort_by_key(|(number, ..)| *number);
    Ok(done.into_iter().map(|(_, point, verdict)| (point, verdict)).collect())
}
