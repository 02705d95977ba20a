//! The program under strace: which calls touch a folder, and one of them made to fail.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::fault::{Call, Point};

/// Longer than this a run has not lasted by far: it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

const SIGKILL: i32 = 9;

/// How a run of the program ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// The exit code; none where a signal ended it.
    pub(super) code: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
    /// It did not end in time and was stopped.
    pub(super) hung: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// The end in few words, with the last line the program said.
    pub(super) fn describe(&self) -> String {
        let how = match (self.code, self.signal) {
            _ if self.hung => format!("hung for {} s", PATIENCE.as_secs()),
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".into(),
        };
        let said = self.stderr.lines().map(str::trim).rfind(|line| line.starts_with("error"));
        let said = said.or_else(|| self.stderr.lines().rfind(|line| !line.trim().is_empty()));
        said.map_or(how.clone(), |said| format!("{how}: {said}"))
    }

    pub(super) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Whether the program broke in place of answering: a panic, an abort, a hang. SIGKILL is the fault itself.
    pub(super) fn broke(&self) -> bool {
        let aborted = self.signal.is_some_and(|signal| signal != SIGKILL);
        self.hung
            || aborted
            || self.code.is_some_and(|code| code > 100)
            || self.stderr.contains("panicked at")
    }
}

/// A program, its arguments and a folder of its own for what it says.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: Vec<String>,
    /// Where its output and the log of its calls are put.
    pub(super) log: PathBuf,
}

impl Launch<'_> {
    /// Runs the program alone.
    pub(super) fn plain(&self) -> anyhow::Result<Ended> {
        let mut command = Command::new(self.program);
        command.args(&self.arguments);
        self.finish(command)
    }

    /// Runs it under strace and tells which calls named a path below one of the folders.
    pub(super) fn counted(&self, folders: &[&Path]) -> anyhow::Result<(Ended, Vec<Call>)> {
        let ended = self.finish(self.traced(None)?)?;
        Ok((ended, touching(&self.read_log()?, folders)))
    }

    /// Runs it with a fault, and tells whether the fault met a path below one of the folders.
    pub(super) fn with_fault(&self, point: &Point, folders: &[&Path]) -> anyhow::Result<(Ended, bool)> {
        let ended = self.finish(self.traced(Some(point))?)?;
        Ok((ended, hit(&self.read_log()?, folders, point)))
    }

    fn traced(&self, point: Option<&Point>) -> anyhow::Result<Command> {
        fs::create_dir_all(&self.log).with_context(|| format!("cannot make {}", self.log.display()))?;
        let mut command = Command::new("strace");
        // One file for each thread; open files with their paths. With --seccomp-bpf no signal is sent.
        command.args(["-ff", "-qq", "-y", "-e", "trace=%file,%desc", "-s", "0", "-o"]);
        command.arg(self.log.join("calls"));
        if let Some(point) = point {
            command.arg("-e").arg(point.rule());
        }
        command.arg(self.program).args(&self.arguments);
        Ok(command)
    }

    fn finish(&self, mut command: Command) -> anyhow::Result<Ended> {
        fs::create_dir_all(&self.log).with_context(|| format!("cannot make {}", self.log.display()))?;
        let (out, err) = (self.log.join("stdout"), self.log.join("stderr"));
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
        // A group of its own, so that all of it can be stopped.
        let mut child = command.process_group(0).spawn().context("cannot start strace")?;
        let begun = Instant::now();
        let mut hung = false;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if !hung && begun.elapsed() > PATIENCE {
                hung = true;
                let group = format!("-{}", child.id());
                Command::new("kill").args(["-KILL", "--", &group]).status().context("cannot start kill")?;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = |path: &Path| -> anyhow::Result<String> {
            Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
        };
        let (stdout, stderr) = (text(&out)?, text(&err)?);
        Ok(Ended { code: status.code(), signal: status.signal(), hung, stdout, stderr })
    }

    /// The logs of all threads, in the order of their names.
    fn read_log(&self) -> anyhow::Result<Vec<String>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.log)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("calls.")) {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())).collect()
    }
}

/// The name of the call in a line of a log.
fn name_of(line: &str) -> Option<&str> {
    let name = line.split('(').next()?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && line.contains('(')).then_some(name)
}

/// Whether a line of a log names a path below one of the folders.
fn names(line: &str, folders: &[&Path]) -> bool {
    folders.iter().any(|folder| line.contains(&*folder.to_string_lossy()))
}

/// The calls that name a path below one of the folders, in the order of their threads. Strace counts for each thread and
/// name.
fn touching(logs: &[String], folders: &[&Path]) -> Vec<Call> {
    let mut calls = Vec::new();
    for log in logs {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for line in log.lines() {
            let Some(name) = name_of(line) else { continue };
            let ordinal = counts.entry(name).or_default();
            *ordinal += 1;
            // Mapping a file that is open asks nothing of the disk.
            if names(line, folders) && !name.starts_with("mmap") {
                calls.push(Call { name: name.to_owned(), ordinal: *ordinal });
            }
        }
    }
    calls
}

/// Whether the fault met a path below one of the folders.
fn hit(logs: &[String], folders: &[&Path], point: &Point) -> bool {
    let reached = |log: &String| {
        let calls = log.lines().filter(|line| name_of(line) == Some(point.call.name.as_str()));
        calls.skip(point.call.ordinal - 1).take(1).any(|line| names(line, folders))
    };
    logs.iter().any(reached)
}

/// Whether strace can be started.
pub(super) fn is_there() -> bool {
    let mut command = Command::new("strace");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::fault::Fault;

    const LOG: &str = "\
openat(AT_FDCWD</a>, \"/lib/libc.so\"..., O_RDONLY) = 3</lib/libc.so>
openat(AT_FDCWD</a>, \"/runs/quick/config.toml\", O_RDONLY) = 3</runs/quick/config.toml>
write(2</dev/null>, \"\"..., 48)    = 48
write(3</runs/quick/config.toml>, \"\"..., 9) = 9
mmap(NULL, 9, PROT_READ, MAP_PRIVATE, 3</runs/quick/config.toml>, 0) = 0x7f
+++ exited with 0 +++
";

    #[test]
    fn calls_are_counted_by_name_and_kept_by_folder() {
        let calls = touching(&[LOG.to_owned()], &[Path::new("/data"), Path::new("/runs")]);
        let call = |name: &str, ordinal| Call { name: name.to_owned(), ordinal };
        assert_eq!(calls, [call("openat", 2), call("write", 2)]);
    }

    #[test]
    fn a_panic_and_an_abort_are_no_answers() {
        let ended = |code, signal, stderr: &str| Ended {
            code,
            signal,
            hung: false,
            stdout: String::new(),
            stderr: stderr.into(),
        };
        assert!(!ended(Some(1), None, "error: cannot write").broke());
        assert!(!ended(None, Some(SIGKILL), "").broke());
        assert!(ended(Some(101), None, "").broke());
        assert!(ended(None, Some(6), "").broke());
        assert!(ended(Some(0), None, "thread panicked at a.rs").broke());
        assert_eq!(
            ended(Some(1), None, "step 3\nerror: full\n").describe(),
            "ended with exit code 1: error: full"
        );
    }

    #[test]
    fn a_fault_elsewhere_is_no_hit() {
        let logs = [LOG.to_owned()];
        let point = |ordinal| Point { call: Call { name: "write".into(), ordinal }, fault: Fault::Eio };
        assert!(hit(&logs, &[Path::new("/runs")], &point(2)));
        assert!(!hit(&logs, &[Path::new("/runs")], &point(1)), "standard error");
        assert!(!hit(&logs, &[Path::new("/runs")], &point(3)), "there is no third");
    }
}
