//! `convgru completions`: what a shell proposes after the TAB key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_complete::{Shell, generate};
use convgru_train::printable::printable;
use convgru_train::write_atomically;

use super::{out, output};

/// The shell reads the script when it starts.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru completions bash --out ~/.local/share/bash-completion/completions/convgru
  convgru completions zsh --out ~/.zfunc/_convgru       (with fpath+=~/.zfunc before compinit)
  convgru completions fish --out ~/.config/fish/completions/convgru.fish
  convgru completions powershell >> $PROFILE")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
    /// File for the script; an existing file is replaced only if it is an earlier script for the same shell [default: print the script]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Completions {
    /// Prints or writes the script.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        generate(self.shell, &mut super::parser(), "convgru", &mut script);
        match &self.out {
            Some(path) => {
                out::expect_free(path, &[])?;
                out::expect_earlier(path, &script)?;
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                if let Some(folder) = folder {
                    std::fs::create_dir_all(folder)
                        .with_context(|| format!("cannot make {}", printable(folder)))?;
                }
                write_atomically(path, &script)?;
                output::note(&format!("wrote {}", printable(path)));
            }
            None => output::result(String::from_utf8(script)?.trim_end())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
