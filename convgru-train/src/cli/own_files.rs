//! Files and folders that this program wrote itself, given where data are wanted.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use convgru_train::checkpoint::MAGIC;
use convgru_train::printable::printable;
use convgru_train::trainer::{RunFolder, TrainedModel};

use super::output::{counted, program, shell_path};

/// The record of a search, in its folder.
const SEARCH: &str = "tune.json";
/// Folders in a folder that are looked at for runs.
const MOST_FOLDERS: usize = 1000;

/// Fails if a path is of the files that a training, a search or an import wrote, with what it is and which command shows it.
pub(super) fn expect_data(path: &Path) -> anyhow::Result<()> {
    let told = if path.is_dir() { of_folder(path) } else { of_file(path) };
    match told {
        Some(told) => anyhow::bail!("{}: {told}", printable(path)),
        None => Ok(()),
    }
}

/// What to say about a folder of this program; `None` of any other folder.
fn of_folder(path: &Path) -> Option<String> {
    if RunFolder::open(path).is_ok() {
        let out = parent(path);
        return Some(format!(
            "is the folder of a run, and no data; `{program} runs --out {}` lists it with its figures, `{program} eval --checkpoint {}` measures \
             its model, and its config.toml names the data of its training",
            shell_path(out),
            shell_path(path),
            program = program()
        ));
    }
    if let Some(run) = run_of_checkpoints(path) {
        return Some(format!(
            "holds the checkpoints of a run, and no data; `{} eval --checkpoint {}` measures its best model",
            program(),
            shell_path(run)
        ));
    }
    let lists = |what: &str| {
        format!(
            "{what}, and no data; `{} runs --out {}` lists them with their figures",
            program(),
            shell_path(path)
        )
    };
    if path.join(SEARCH).is_file() {
        return Some(lists("is the folder of a search with its trials"));
    }
    let entries: Vec<_> = std::fs::read_dir(path).ok()?.take(MOST_FOLDERS).flatten().collect();
    let is_run = |entry: &std::fs::DirEntry| RunFolder::open(&entry.path()).is_ok();
    (!entries.is_empty() && entries.iter().all(is_run))
        .then(|| lists(&format!("holds the folders of {}", counted(entries.len(), "run"))))
}

/// What to say about a file of this program, or of weights; `None` of any other file.
fn of_file(path: &Path) -> Option<String> {
    let mut begin = [0; MAGIC.len()];
    let is_checkpoint =
        File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == MAGIC;
    let is_named = |extension: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
    let file = shell_path(path);
    let measures = format!("`{} eval --checkpoint {file}` measures it on test data", program());
    if is_checkpoint {
        return Some(format!("is a checkpoint of a training, and no data; {measures}"));
    }
    if is_named("safetensors") {
        return Some(match TrainedModel::read(path) {
            Ok(TrainedModel { config, step, .. }) => format!(
                "is the trained model {} of step {step}, and no data; {measures}",
                printable(&config.name)
            ),
            Err(_) => of_weights(&file),
        });
    }
    ["pth", "pt", "ckpt", "params"].into_iter().any(is_named).then(|| of_weights(&file))
}

fn of_weights(file: &str) -> String {
    format!(
        "holds weights by its name, and no data; `{} import --input {file}` lists the cells in it",
        program()
    )
}

/// The run whose folder of checkpoints a path is.
pub(super) fn run_of_checkpoints(path: &Path) -> Option<&Path> {
    let run = path.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let is_of_run = RunFolder::open(run).is_ok_and(|run| run.checkpoints().file_name() == path.file_name());
    is_of_run.then_some(run)
}

/// The folder in which a path lies.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
