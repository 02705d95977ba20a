//! The faults cargo-mutants would make.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

/// One small change of the code, as `cargo mutants --list --json` prints it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mutant {
    /// Says where and what, and is unique.
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) file: String,
    pub(crate) genre: Genre,
    /// What the text of the span becomes.
    pub(crate) replacement: String,
    pub(crate) span: Span,
}

/// What kind of code is changed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Genre {
    /// The body of a function.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    /// An arm is deleted.
    MatchArm,
    MatchArmGuard,
    /// A field is deleted, so that it comes from the base.
    StructField,
}

/// From the first character to the one after the last.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Span {
    start: Place,
    end: Place,
}

/// Counted in characters, from 1.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Span {
    /// The bytes of the span in the text of its file.
    pub(crate) fn bytes(self, text: &str) -> Option<(usize, usize)> {
        Some((self.start.offset(text)?, self.end.offset(text)?))
    }
}

impl Place {
    fn offset(self, text: &str) -> Option<usize> {
        let line = text.split_inclusive('\n').nth(self.line.checked_sub(1)?)?;
        let begin = line.as_ptr() as usize - text.as_ptr() as usize;
        let column = self.column.checked_sub(1)?;
        let within = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
        Some(begin + within)
    }
}

/// All faults; which files have them: `.cargo/mutants.toml`.
pub(crate) fn mutants(root: &Path) -> anyhow::Result<Vec<Mutant>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["mutants", "--workspace", "--list", "--json"]);
    let output = cargo.output().context("cannot start cargo")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo mutants failed; `cargo xtask mutants --install` gets it\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("the list of cargo mutants is not understood")
}
