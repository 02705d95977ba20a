//! An engine as a running process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use crate::engines::Engine;
use crate::protocol::{Done, Failed, Request};

/// Compiling a graph takes minutes on a slow machine; more than this is a hang.
const PATIENCE: Duration = Duration::from_secs(1200);

/// What libraries read the number of threads from, besides what their scripts set.
const THREADS: [&str; 5] =
    ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"];

/// Lines of an engine's standard error that an error message repeats.
const LAST_LINES: usize = 12;

/// The process and both ends of its lines. It ends when this is dropped.
pub(crate) struct Running {
    name: String,
    process: Child,
    requests: ChildStdin,
    replies: Receiver<std::io::Result<String>>,
    log: PathBuf,
}

impl Running {
    /// Starts an engine; what it prints on standard error goes to a file in `folder`.
    pub(crate) fn start(engine: &Engine, threads: usize, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{}.log", engine.name));
        let errors = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(&engine.program);
        command.args(&engine.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        for variable in THREADS {
            command.env(variable, threads.to_string());
        }
        // Nothing is left behind in the source.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(engine.environment.iter().copied());
        let mut process = command
            .spawn()
            .with_context(|| format!("{}: cannot start {}", engine.name, engine.program.display()))?;
        let (Some(requests), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("{}: no pipes to the process", engine.name);
        };
        let (sender, replies) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { name: engine.name.clone(), process, requests, replies, log })
    }

    /// The name of the engine.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// One request and its answer.
    pub(crate) fn ask<R: DeserializeOwned>(&mut self, request: &Request) -> anyhow::Result<R> {
        let verb = request.verb();
        let line = serde_json::to_string(request)?;
        if writeln!(self.requests, "{line}").and_then(|()| self.requests.flush()).is_err() {
            bail!("{} ended before `{verb}`{}", self.name, self.last_lines());
        }
        let reply = match self.replies.recv_timeout(PATIENCE) {
            Ok(line) => line.with_context(|| format!("{}: reply to `{verb}`", self.name))?,
            Err(RecvTimeoutError::Timeout) => {
                bail!("{}: no reply to `{verb}` within {} s", self.name, PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!("{} ended during `{verb}`{}", self.name, self.last_lines())
            }
        };
        if let Ok(failed) = serde_json::from_str::<Failed>(&reply) {
            bail!("{}: `{verb}` failed: {}", self.name, failed.error.trim_end());
        }
        serde_json::from_str(&reply)
            .with_context(|| format!("{}: `{verb}` was answered with: {reply}", self.name))
    }

    /// Time its threads have spent on a core so far; nothing where the system does not say.
    pub(crate) fn busy(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // The second field is a name in parentheses that may hold spaces.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        // Linux counts in hundredths of a second for programs, whatever its own clock.
        Some(Duration::from_millis(ticks * 10))
    }

    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        if last.is_empty() { String::new() } else { format!("; its last words:\n  {last}") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(writeln!(self.requests, "{{\"do\":\"quit\"}}").and_then(|()| self.requests.flush()));
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                _ => return,
            }
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Asks for something that is only done.
pub(crate) fn tell(engine: &mut Running, request: &Request) -> anyhow::Result<()> {
    engine.ask::<Done>(request).map(|Done {}| ())
}
