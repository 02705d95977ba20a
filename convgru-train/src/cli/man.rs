//! `convgru man`: pages for `man`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_mangen::Man as Page;
use convgru_train::printable::printable;
use convgru_train::write_atomically;

use super::output;

/// Writes convgru.1 and a page for each command, such as convgru-train.1.
#[derive(Args)]
#[command(after_help = "Example:
  convgru man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Folder for the pages
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
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
            let mut text = Vec::new();
            page.render(&mut text)?;
            write_atomically(&self.out.join(page.get_filename()), &text)?;
            written += 1;
        }
        output::note(&format!("wrote {} to {}", output::counted(written, "page"), printable(&self.out)));
        Ok(ExitCode::SUCCESS)
    }
}
