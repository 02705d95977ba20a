//! `cargo xtask check-report`: a report as a browser shows it, without a network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use anyhow::Context;

use crate::process;

const HELP: &str = "\
Opens a report.html in Chromium without a screen and without a network, fails if the page complains
or its player does not run, and takes pictures of it: wide, narrow, dark, and without scripts.

Usage: cargo xtask check-report [--install] [--out DIR] [REPORT.html]

  --install    gets Debian's package chromium, which asks for root
  --out DIR    where the pictures go [default: target/check-report]

Without a report: that of the newest run in ./runs, or with --install none. The browser is
CONVGRU_CHROMIUM, or chromium or google-chrome on the PATH.

Example:
  cargo xtask check-report runs/radar/report.html";

/// Names of the browser on the PATH.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A picture of a page.
struct Picture {
    name: &'static str,
    /// Of the window in pixels: width and height.
    size: &'static str,
    /// What else the browser is told.
    options: &'static [&'static str],
    scripts: bool,
}

const PICTURES: [Picture; 4] = [
    Picture { name: "wide", size: "1200,3600", options: &[], scripts: true },
    Picture { name: "narrow", size: "500,5200", options: &[], scripts: true },
    Picture {
        name: "dark",
        size: "1200,3600",
        options: &["--blink-settings=preferredColorScheme=0"],
        scripts: true,
    },
    Picture { name: "no-scripts", size: "1200,1600", options: &[], scripts: false },
];

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let (mut report, mut out) = (None, process::root().join("target").join("check-report"));
    let mut installed = false;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--help" | "-h") => {
                process::say(HELP);
                return Ok(ExitCode::SUCCESS);
            }
            Some("--install") => {
                let mut apt = Command::new("apt-get");
                apt.args(["install", "--yes", "--no-install-recommends", "chromium"]);
                process::must_succeed("installing chromium (as root, on Debian)", &mut apt)?;
                installed = true;
            }
            Some("--out") => out = rest.next().context("--out: a folder is needed")?.into(),
            Some(option) if option.starts_with('-') => {
                anyhow::bail!("no option `{option}`; see cargo xtask check-report --help")
            }
            _ if report.is_none() => report = Some(PathBuf::from(argument)),
            _ => anyhow::bail!("one report at a time; see cargo xtask check-report --help"),
        }
    }
    let browser =
        browser().context("no Chromium found; `cargo xtask check-report --install` gets Debian's")?;
    let report = match report {
        Some(report) => report,
        None if installed => return Ok(ExitCode::SUCCESS),
        None => newest(Path::new("runs"))?,
    };
    let report = report.canonicalize().with_context(|| format!("no report {}", report.display()))?;
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    check(&browser, &report)?;
    for Picture { name, size, options, scripts } in PICTURES {
        let picture = out.join(format!("{name}.png"));
        let page = if scripts { report.clone() } else { without_scripts(&report, &out)? };
        let mut command = headless(&browser);
        // A reader who wants no motion sees a frame of the forecast, at rest.
        command.args(options).args(["--force-prefers-reduced-motion", &format!("--window-size={size}")]);
        command.arg(format!("--screenshot={}", picture.display())).arg(&page);
        finished(&mut command)?;
        anyhow::ensure!(picture.is_file(), "{} took no picture", browser.display());
        process::say(&picture.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// A copy of the page whose scripts no browser runs: one that is told to run none takes no pictures either.
fn without_scripts(report: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let page =
        std::fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
    let policy = "<head><meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'none'\">";
    let (head, copy) = ("<head>", out.join("no-scripts.html"));
    anyhow::ensure!(page.contains(head), "{} has no {head}", report.display());
    std::fs::write(&copy, page.replacen(head, policy, 1))
        .with_context(|| format!("cannot write {}", copy.display()))?;
    copy.canonicalize().with_context(|| format!("no page {}", copy.display()))
}

/// The browser that was named, or the first on the PATH.
pub(crate) fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CONVGRU_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|program| program.is_file())
}

/// The report of the newest run that has one.
fn newest(runs: &Path) -> anyhow::Result<PathBuf> {
    let entries =
        std::fs::read_dir(runs).with_context(|| format!("no folder {}; name a report", runs.display()))?;
    let reports = entries.filter_map(|entry| {
        let report = entry.ok()?.path().join("report.html");
        Some((report.metadata().ok()?.modified().ok()?, report))
    });
    let newest = reports.max().with_context(|| format!("no report in {}", runs.display()))?;
    Ok(newest.1)
}

/// Fails if the page writes to its console, as for everything that it may not load, or if its player does
/// not run.
fn check(browser: &Path, report: &Path) -> anyhow::Result<()> {
    let mut command = headless(browser);
    command.args(["--enable-logging=stderr", "--dump-dom"]).arg(report);
    let output = finished(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains(":CONSOLE")).collect();
    anyhow::ensure!(complaints.is_empty(), "the page complains:\n{}", complaints.join("\n"));
    let page = String::from_utf8_lossy(&output.stdout);
    let player = page.split("id=\"player\"").nth(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let runs = player.is_none_or(|player| player.contains("scripted") && player.contains("--frame:"));
    anyhow::ensure!(page.contains("</html>") && runs, "the script of the page did not run");
    Ok(())
}

/// The browser without a screen, a network and anything from before.
fn headless(browser: &Path) -> Command {
    let mut command = Command::new(browser);
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--incognito"]);
    command.args(["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]);
    command.arg("--virtual-time-budget=2500");
    command
}

fn finished(command: &mut Command) -> anyhow::Result<Output> {
    let output =
        command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{} failed: {said}", process::line(command));
    Ok(output)
}
