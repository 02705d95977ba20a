//! `cargo xtask tidy`: rules about the text of the project that no compiler knows.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::process;
use crate::unsafe_docs::{self, KEYWORD, uses_unsafe};

/// Lines a source file may have, tests apart.
const MAX_LINES: usize = 400;

/// Crate roots that must forbid `unsafe` altogether.
const SAFE_ROOTS: &[&str] = &[
    "convgru-bench/src/lib.rs",
    "convgru-bench/src/main.rs",
    "convgru-model/src/lib.rs",
    "convgru-train/src/lib.rs",
    "convgru-train/src/main.rs",
    "xtask/src/main.rs",
];

/// Words for folders and files that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

const HELP: &str = "\
Checks rules about the text of the project: no source file over 400 lines, `unsafe` only in
listed files whose invariants docs/unsafe.md has (cargo xtask unsafe-docs), safe crates forbid it,
no folder named utils or the like, no tabs or trailing spaces.

Usage: cargo xtask tidy

Example:
  cargo xtask tidy";

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        process::say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    check(&process::root())?;
    process::say("tidy");
    Ok(ExitCode::SUCCESS)
}

/// Fails with a list of everything that is not tidy.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for folder in ["convgru-kernels", "convgru-model", "convgru-train", "convgru-bench", "xtask"] {
        sources(&root.join(folder), &mut files)?;
    }
    let mut found = Vec::new();
    for path in &files {
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        found.extend(violations(&name, &text));
    }
    found.extend(unsafe_docs::violations(root)?);
    for root_file in SAFE_ROOTS {
        let text = std::fs::read_to_string(root.join(root_file))
            .with_context(|| format!("cannot read {root_file}"))?;
        if !text.contains("#![forbid(unsafe_code)]") {
            found.push(format!("{root_file}: does not forbid unsafe code"));
        }
    }
    anyhow::ensure!(found.is_empty(), "not tidy:\n  {}", found.join("\n  "));
    Ok(())
}

/// What is wrong with one file.
fn violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_test = name.contains("/tests/") || name.ends_with("/tests.rs");
    let lines = text.lines().count();
    if lines > MAX_LINES && !is_test {
        found.push(format!("{name}: {lines} lines; split it, {MAX_LINES} are the limit"));
    }
    if text.lines().any(uses_unsafe) && !unsafe_docs::FILES.contains(&name) && !is_test {
        found.push(format!("{name}: {KEYWORD} code outside the listed files"));
    }
    for word in name.trim_end_matches(".rs").split('/').filter(|word| EMPTY_NAMES.contains(word)) {
        found.push(format!("{name}: `{word}` says nothing; name it for what it holds"));
    }
    for (number, line) in text.lines().enumerate() {
        if line.ends_with(' ') || line.contains('\t') {
            found.push(format!("{name}:{}: tab or trailing space", number + 1));
        }
    }
    found
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_unlisted_code_and_empty_names_are_found() {
        assert!(violations("a/src/b.rs", &"x\n".repeat(401))[0].contains("401 lines"));
        for next in [" { }", " fn f() {}", " impl Send for A {}", " impl<T> Send for A<T> {}", "(no_mangle)"]
        {
            let line = format!("pub {KEYWORD}{next}");
            assert!(violations("a/src/b.rs", &line)[0].contains("outside the listed files"), "{line}");
        }
        for line in
            ["script-src 'KEY-inline'", "// KEY { }", "forbid(KEY_code)", "\"no KEY code\"", "notKEY { }"]
        {
            let line = line.replace("KEY", KEYWORD);
            assert_eq!(violations("a/src/b.rs", &line), Vec::<String>::new(), "{line}");
        }
        assert!(violations("a/src/utils/b.rs", "")[0].contains("says nothing"));
        assert!(violations("a/src/b.rs", "x \n")[0].contains("a/src/b.rs:1"));
        assert_eq!(violations("a/src/b.rs", "fn main() {}\n"), Vec::<String>::new());
    }
}
