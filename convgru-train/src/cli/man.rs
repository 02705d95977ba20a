//! `convgru man`: pages for `man`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man as Page;
use convgru_train::printable::printable;
use convgru_train::write_atomically;

use super::{out, output};

/// Writes convgru.1 and a page for each command, such as convgru-train.1. `man` finds pages in the folders man1 of its search path, such as
/// ~/.local/share/man/man1.
#[derive(Args)]
#[command(after_help = "Example:
  convgru man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Folder for the pages
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The text of a page: the parts of `clap_mangen`, with the synopsis as the help has it, and a section for each part of what stands after the help.
fn text_of(page: &Page, command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    let usage = command.clone().render_usage().to_string();
    write_section(&mut text, "Synopsis", usage.trim_start_matches("Usage:").trim())?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for (heading, body) in sections(&after) {
        write_section(&mut text, heading, &body)?;
    }
    Ok(text)
}

/// The parts of a text: lines without indentation that end with a colon are headings, and what is indented belongs to them.
fn sections(text: &str) -> Vec<(&str, String)> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        let is_indented = line.starts_with(' ') || line.is_empty();
        match line.strip_suffix(':') {
            Some(heading) if !is_indented => sections.push((heading, String::new())),
            _ if !is_indented && sections.last().is_none_or(|(heading, _)| *heading != "Notes") => {
                sections.push(("Notes", format!("{line}\n")));
            }
            _ => {
                if let Some((_, body)) = sections.last_mut() {
                    *body += &format!("{}\n", line.strip_prefix("  ").unwrap_or(line));
                }
            }
        }
    }
    sections
}

/// Writes a section whose lines stay as they are.
fn write_section(text: &mut Vec<u8>, heading: &str, body: &str) -> std::io::Result<()> {
    writeln!(text, ".SH \"{}\"\n.nf", heading.to_uppercase())?;
    for line in body.trim_end().lines() {
        let escaped = line.replace('\\', "\\e").replace('-', "\\-");
        // A dot or a quote at the beginning would be a command.
        let guard = if escaped.starts_with(['.', '\'']) { "\\&" } else { "" };
        writeln!(text, "{guard}{escaped}")?;
    }
    writeln!(text, ".fi")
}

impl Man {
    /// Writes the pages.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut program = super::parser();
        // Options of all commands stand on the page of each.
        program.build();
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("--out {}: cannot create the folder", printable(&self.out)))?;
        let mut written = 0;
        let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
        for command in std::iter::once(&program).chain(commands) {
            let page = Page::new(command.clone());
            let (path, text) = (self.out.join(page.get_filename()), text_of(&page, command)?);
            out::expect_earlier(&path, &text)?;
            write_atomically(&path, &text)?;
            written += 1;
        }
        output::note(&format!("wrote {} to {}", output::counted(written, "page"), printable(&self.out)));
        Ok(ExitCode::SUCCESS)
    }
}
