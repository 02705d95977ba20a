//! The copy of the workspace that has all faults, and what of them compiles.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::list::Mutant;
use crate::weave::{self, Fabric};

/// Rounds of compiling after which errors should be none.
const MOST_ROUNDS: usize = 30;

/// What became of the faults that are not in the copy.
#[derive(Default)]
pub(crate) struct Left {
    /// The compiler refuses them.
    pub(crate) refused: BTreeSet<u32>,
    /// They are where no question can be asked: in constants and `if let`.
    pub(crate) apart: BTreeSet<u32>,
}

/// A copy of the workspace.
pub(crate) struct Copy<'a> {
    pub(crate) root: &'a Path,
    pub(crate) folder: PathBuf,
    target: PathBuf,
    /// Those with faults.
    pub(crate) packages: BTreeSet<&'a str>,
    /// How much they are optimised.
    opt_level: u8,
}

impl<'a> Copy<'a> {
    /// Copies everything git knows of but the files that get faults.
    pub(crate) fn new(
        root: &'a Path,
        target: &Path,
        mutants: &'a [Mutant],
        numbers: &[u32],
        opt_level: u8,
    ) -> anyhow::Result<Self> {
        let chosen = || numbers.iter().map(|number| &mutants[*number as usize - 1]);
        let packages: BTreeSet<_> = chosen().map(|mutant| mutant.package.as_str()).collect();
        let with_faults: BTreeSet<_> = chosen().map(|mutant| mutant.file.as_str()).collect();
        let names: Vec<_> = packages.iter().copied().collect();
        let folder = target.join("mutants").join(names.join("+"));
        let git = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "-co", "--exclude-standard", "-z"])
            .output()?;
        anyhow::ensure!(git.status.success(), "git ls-files failed");
        let files = String::from_utf8(git.stdout)?;
        for name in files.split_terminator('\0').filter(|name| !with_faults.contains(name)) {
            let Ok(text) = std::fs::read(root.join(name)) else { continue };
            let package = name.split('/').next().filter(|package| packages.contains(package));
            let rest = name.split_once('/').map(|(_, rest)| rest);
            let path = folder.join(name);
            write(&path, &prepared(text, package.and(rest)))?;
            if package.is_none() {
                // A package as old as it is in the workspace is not compiled again.
                let modified = std::fs::metadata(root.join(name))?.modified()?;
                std::fs::File::options().append(true).open(&path)?.set_modified(modified)?;
            }
        }
        for package in &packages {
            write(&folder.join(package).join("src/mutant_switch.rs"), include_bytes!("switch.rs"))?;
        }
        Ok(Self { root, folder, target: target.to_path_buf(), packages, opt_level })
    }

    /// Puts the faults in, all but those that do not compile.
    ///
    /// `left` are those that were left out before.
    pub(crate) fn weave(&self, mutants: &[Mutant], numbers: &[u32], mut left: Left) -> anyhow::Result<Left> {
        for round in 1..=MOST_ROUNDS {
            let fabrics = self.write(mutants, numbers, &mut left)?;
            eprintln!(
                "round {round}: {} mutants, {} do not compile, {} stand apart",
                numbers.len(),
                left.refused.len(),
                left.apart.len()
            );
            let errors = self.errors()?;
            if errors.is_empty() {
                return Ok(left);
            }
            let before = left.refused.len() + left.apart.len();
            for error in &errors {
                error.blame(&fabrics, &mut left);
            }
            if left.refused.len() + left.apart.len() == before {
                let texts: Vec<_> = errors.iter().take(5).map(|error| error.rendered.as_str()).collect();
                anyhow::bail!("the copy does not compile:\n{}", texts.join("\n"));
            }
        }
        anyhow::bail!("the copy does not compile after {MOST_ROUNDS} rounds")
    }

    /// Writes the files with the faults that are not left out, and notes those that were not found.
    fn write(
        &self,
        mutants: &[Mutant],
        numbers: &[u32],
        left: &mut Left,
    ) -> anyhow::Result<BTreeMap<String, Fabric>> {
        let mut files: BTreeMap<&str, Vec<weave::Numbered<'_>>> = BTreeMap::new();
        for &number in numbers {
            let mutant = &mutants[number as usize - 1];
            let faults = files.entry(&mutant.file).or_default();
            if !left.refused.contains(&number) && !left.apart.contains(&number) {
                faults.push((number, mutant));
            }
        }
        let mut fabrics = BTreeMap::new();
        for (name, faults) in files {
            let text = std::fs::read_to_string(self.root.join(name))?;
            let fabric = weave::weave(&text, &faults).with_context(|| name.to_owned())?;
            left.apart.extend(&fabric.lost);
            write(&self.folder.join(name), fabric.text.as_bytes())?;
            fabrics.insert(name.to_owned(), fabric);
        }
        Ok(fabrics)
    }

    /// A command of cargo for some packages. Those with faults have more code than before, and are optimised less.
    pub(crate) fn cargo(&self, command: &str, packages: &BTreeSet<&str>) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.target).arg(command);
        for package in &self.packages {
            for setting in ["debug=false".to_owned(), format!("opt-level={}", self.opt_level)] {
                cargo.arg("--config").arg(format!("profile.dev.package.{package}.{setting}"));
            }
        }
        for package in packages {
            cargo.args(["--package", package]);
        }
        cargo
    }

    /// What the compiler says against the copy.
    fn errors(&self) -> anyhow::Result<Vec<Diagnostic>> {
        let mut cargo = self.cargo("check", &self.packages);
        cargo.args(["--lib", "--keep-going", "--message-format=json"]).stderr(std::process::Stdio::null());
        let output = cargo.output()?;
        let errors: Vec<Diagnostic> = messages(&output.stdout)
            .filter_map(|message| message.message)
            .filter(|message| message.level == "error" && !message.spans.is_empty())
            .collect();
        anyhow::ensure!(output.status.success() || !errors.is_empty(), "cargo check failed without a place");
        Ok(errors)
    }
}

/// The text of a file as the copy has it: a package with faults allows all warnings and has the switch.
fn prepared(text: Vec<u8>, file: Option<&str>) -> Vec<u8> {
    const ALLOWED: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]";
    match (file, str::from_utf8(&text)) {
        (Some("Cargo.toml"), Ok(text)) => text.replace("[lints]\nworkspace = true", "").into_bytes(),
        (Some("src/lib.rs"), Ok(text)) => {
            format!("{ALLOWED}\n{text}\n#[doc(hidden)]\npub mod mutant_switch;\n").into_bytes()
        }
        _ => text,
    }
}

/// A line that cargo prints with `--message-format=json`.
#[derive(Deserialize)]
pub(crate) struct Message {
    message: Option<Diagnostic>,
    pub(crate) executable: Option<PathBuf>,
    pub(crate) manifest_path: Option<PathBuf>,
}

pub(crate) fn messages(lines: &[u8]) -> impl Iterator<Item = Message> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    code: Option<Code>,
    rendered: String,
    spans: Vec<Spanned>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Spanned {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

/// The call of a macro whose text a span is in.
#[derive(Deserialize)]
struct Expansion {
    span: Spanned,
}

impl Spanned {
    /// The span where the outermost macro is called.
    fn outermost(&self) -> &Self {
        self.expansion.as_ref().map_or(self, |expansion| expansion.span.outermost())
    }
}

impl Diagnostic {
    /// Notes whose fault an error is.
    fn blame(&self, fabrics: &BTreeMap<String, Fabric>, left: &mut Left) {
        // A question is no constant.
        let constant = self.code.as_ref().is_some_and(|code| code.code == "E0015");
        let mut spans: Vec<_> = self.spans.iter().collect();
        spans.sort_by_key(|span| !span.is_primary);
        let mut spans: Vec<_> = spans.into_iter().map(Spanned::outermost).collect();
        for span in &spans {
            let Some(fabric) = fabrics.get(&span.file_name) else { continue };
            let range = span.byte_start..span.byte_end;
            let fault = innermost(&fabric.faults, &range);
            let place = innermost(&fabric.places, &range);
            match (fault, place) {
                (Some(&number), _) if !constant => left.refused.insert(number),
                (Some(&number), None) => left.apart.insert(number),
                (_, Some(numbers)) => {
                    left.apart.extend(numbers);
                    true
                }
                (None, None) => continue,
            };
            return;
        }
        // A constant that is lent for ever: its questions make it a temporary value.
        spans.sort_by_key(|span| span.byte_end - span.byte_start);
        for span in spans {
            let Some(fabric) = fabrics.get(&span.file_name) else { continue };
            let range = span.byte_start..span.byte_end;
            let inside = fabric
                .places
                .iter()
                .filter(|(place, _)| range.start <= place.start && place.end <= range.end);
            let numbers: Vec<u32> = inside.flat_map(|(_, numbers)| numbers).copied().collect();
            if !numbers.is_empty() {
                left.apart.extend(numbers);
                return;
            }
        }
    }
}

/// The shortest of the ranges that hold another.
fn innermost<'a, T>(ranges: &'a [(Range<usize>, T)], range: &Range<usize>) -> Option<&'a T> {
    let holding = ranges.iter().filter(|(outer, _)| outer.start <= range.start && range.end <= outer.end);
    holding.min_by_key(|(outer, _)| outer.len()).map(|(_, of)| of)
}

/// Writes a file unless it has this text: what does not change is not compiled again.
fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
