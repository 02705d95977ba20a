//! `cargo xtask unsafe-docs`: the table of docs/unsafe.md, from what the files themselves say.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::process;

const HELP: &str = "\
Writes the table of docs/unsafe.md: of each file that may have `unsafe` code how many blocks,
functions and implementations it has, and the invariant behind them, which the documentation of
the file states behind `Unsafe:`. `cargo xtask tidy` fails where the table is not up to date.

Usage: cargo xtask unsafe-docs

Example:
  cargo xtask unsafe-docs";

/// The files that may contain `unsafe`.
pub(crate) const FILES: &[&str] = &[
    "convgru-kernels/src/activation/apply.rs",
    "convgru-kernels/src/aligned/mapping.rs",
    "convgru-kernels/src/aligned/mod.rs",
    "convgru-kernels/src/conv/convolve.rs",
    "convgru-kernels/src/conv/direct/forward.rs",
    "convgru-kernels/src/conv/direct/weight_gradient.rs",
    "convgru-kernels/src/conv/entry.rs",
    "convgru-kernels/src/conv/epilogue.rs",
    "convgru-kernels/src/conv/multiply.rs",
    "convgru-kernels/src/conv/packed.rs",
    "convgru-kernels/src/conv/strided/product.rs",
    "convgru-kernels/src/conv/winograd/back.rs",
    "convgru-kernels/src/conv/winograd/by_panel.rs",
    "convgru-kernels/src/conv/winograd/forward.rs",
    "convgru-kernels/src/conv/winograd/plane.rs",
    "convgru-kernels/src/conv/winograd/tiles.rs",
    "convgru-kernels/src/conv/winograd/weight_gradient.rs",
    "convgru-kernels/src/conv/winograd/weights.rs",
    "convgru-kernels/src/feature_maps/nchw.rs",
    "convgru-kernels/src/feature_maps/rows.rs",
    "convgru-kernels/src/feature_maps/view.rs",
    "convgru-kernels/src/gates/backward.rs",
    "convgru-kernels/src/gates/epilogues.rs",
    "convgru-kernels/src/gates/first_step.rs",
    "convgru-kernels/src/gates/pass.rs",
    "convgru-kernels/src/gates/reset_after.rs",
    "convgru-kernels/src/gates/step.rs",
    "convgru-kernels/src/gemm/matrixmultiply.rs",
    "convgru-kernels/src/gemm/mod.rs",
    "convgru-kernels/src/parallel.rs",
    "convgru-kernels/src/simd/neon.rs",
    "convgru-kernels/src/simd/portable.rs",
    "convgru-kernels/src/simd/vector.rs",
    "convgru-kernels/src/simd/x86.rs",
];

/// The file with the table, and the lines around it.
const DOCUMENT: &str = "docs/unsafe.md";
const BEGIN: &str = "<!-- written by cargo xtask unsafe-docs -->";
const END: &str = "<!-- end of what it writes -->";

/// What stands before the invariant in the documentation of a file.
const MARK: &str = "//! Unsafe: ";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(arguments.is_empty(), "no options; see cargo xtask unsafe-docs --help");
    let root = process::root();
    let (document, mut faults) = updated(&root)?;
    faults.retain(|fault| !fault.contains(DOCUMENT));
    anyhow::ensure!(faults.is_empty(), "cannot write {DOCUMENT}:\n  {}", faults.join("\n  "));
    std::fs::write(root.join(DOCUMENT), document).with_context(|| format!("cannot write {DOCUMENT}"))?;
    process::say(&format!("{DOCUMENT} is up to date"));
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the listed files and the table of them.
pub(crate) fn violations(root: &Path) -> anyhow::Result<Vec<String>> {
    Ok(updated(root)?.1)
}

/// The document with the table as it should be, and what is wrong.
fn updated(root: &Path) -> anyhow::Result<(String, Vec<String>)> {
    let (mut faults, mut rows, mut total) = (Vec::new(), String::new(), 0);
    for name in FILES {
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        let [blocks, functions, implementations] = counts(&text);
        if blocks + functions + implementations == 0 {
            faults.push(format!("{name}: listed for {KEYWORD} code, but has none; take it off the list"));
        }
        match invariant(&text) {
            Some(invariant) => {
                writeln!(rows, "| `{name}` | {blocks} | {functions} | {implementations} | {invariant} |")?
            }
            None => faults.push(format!("{name}: has no line `{MARK}...` that states its invariant")),
        }
        total += blocks;
    }
    let table = format!(
        "{BEGIN}\n{total} blocks in {} files.\n\n| file | blocks | functions | implementations | invariant |\n\
         |---|---|---|---|---|\n{rows}{END}",
        FILES.len()
    );
    let document =
        std::fs::read_to_string(root.join(DOCUMENT)).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| format!("{DOCUMENT} has no lines `{BEGIN}` and `{END}`"))?;
    let updated = format!("{before}{table}{after}");
    if updated != document {
        faults.push(format!("{DOCUMENT}: not up to date; run cargo xtask unsafe-docs"));
    }
    Ok((updated, faults))
}

/// The invariant that a file states: the paragraph behind the mark in its documentation.
fn invariant(text: &str) -> Option<String> {
    let documentation: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let first = documentation.iter().position(|line| line.starts_with(MARK))?;
    let lines = documentation[first..].iter().take_while(|line| line.len() > "//! ".len());
    let words: Vec<&str> = lines.map(|line| line.trim_start_matches("//!").trim()).collect();
    let invariant = words.join(" ");
    invariant.strip_prefix("Unsafe: ").map(str::to_owned)
}

/// Blocks, functions and implementations of a file, its tests apart.
fn counts(text: &str) -> [usize; 3] {
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    let mut counts = [0; 3];
    for next in code.lines().flat_map(uses) {
        let kind = match next {
            _ if next.starts_with("fn ") => 1,
            _ if next.starts_with("impl") || next.starts_with("trait ") => 2,
            _ => 0,
        };
        counts[kind] += 1;
    }
    counts
}

/// The keyword, written so that this file does not seem to use it.
pub(crate) const KEYWORD: &str = concat!("uns", "afe");

/// Whether a line uses the keyword as one.
pub(crate) fn uses_unsafe(line: &str) -> bool {
    uses(line).next().is_some()
}

/// What follows the keyword where a line uses it as one: before a block, an item or an attribute, and
/// neither in a comment nor as a part of another word.
fn uses(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or("");
    code.match_indices(KEYWORD).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + KEYWORD.len()..].trim_start();
        let begins = ["{", "(", "fn ", "impl ", "impl<", "trait ", "extern "]
            .iter()
            .any(|next| after.starts_with(next));
        (begins && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')).then_some(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_functions_and_implementations_are_counted_and_tests_are_not() {
        let text = "//! KEY { }\nlet a = KEY { 1 } + KEY { 2 };\nKEY fn f() {}\nKEY impl<T> Send for A<T> {}\n\
                    #[cfg(test)]\nKEY { }\n";
        assert_eq!(counts(&text.replace("KEY", KEYWORD)), [2, 1, 1]);
    }

    #[test]
    fn an_invariant_is_a_paragraph() {
        let text = "//! A file.\n//!\n//! Unsafe: Rows are\n//! visited once.\n//!\n//! More.\n\nuse a;\n";
        assert_eq!(invariant(text).as_deref(), Some("Rows are visited once."));
        assert_eq!(invariant("//! A file.\n\n//! Unsafe: Too late.\n"), None);
    }

    #[test]
    fn the_table_is_up_to_date() {
        assert_eq!(violations(&process::root()).expect("the files can be read"), Vec::<String>::new());
    }
}
