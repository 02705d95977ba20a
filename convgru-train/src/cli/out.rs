//! Where a command writes to: never what it reads, and of files that exist only what it wrote before.

use std::path::Path;

use convgru_model::import::{DESCRIPTION_ENTRY, FileDescription, safetensors_metadata};
use convgru_train::printable::printable;
use convgru_train::{expect_not_read, expect_replaceable, read_file};

use super::exit_codes::wrong_argument;
use super::export::LAYOUT_ENTRY;

/// Bytes at the beginning of an ONNX file in which the name of the program stands.
const BEGIN_OF_ONNX: usize = 64;
/// The name of this program in what it writes.
const PROGRAM: &str = "convgru";

/// Refuses what is one of the inputs under any name, a file of a run, a device or a pipe.
pub(super) fn expect_free(out: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    expect_not_read(out, inputs).map_err(wrong_argument)?;
    Ok(expect_replaceable(out)?)
}

/// Refuses a file that exists, is not empty, and holds something else than the new bytes do by their [`kind`].
pub(super) fn expect_earlier(out: &Path, new: &[u8]) -> anyhow::Result<()> {
    // A folder is refused where the file is written.
    if !out.is_file() {
        return Ok(());
    }
    let old = read_file(out)?;
    anyhow::ensure!(
        old.is_empty() || kind(&old).is_some_and(|old| Some(old) == kind(new)),
        "--out {}: holds something else than this command writes, and would be replaced; give another path, or remove the file",
        printable(out)
    );
    Ok(())
}

/// What this program wrote: weights by the entry of their metadata, ONNX, or the first line of a script or a page that names it. `None` of
/// what others wrote.
fn kind(bytes: &[u8]) -> Option<String> {
    if let Ok(metadata) = safetensors_metadata(bytes) {
        let of_description = |text: &String| match FileDescription::from_json(text) {
            Ok(FileDescription { training: Some(training), .. }) => match training["step"].as_u64() {
                Some(0) => "model of no step",
                _ => "trained model",
            },
            _ => "networks",
        };
        let own = metadata.get(DESCRIPTION_ENTRY).map(of_description);
        return own.or(metadata.contains_key(LAYOUT_ENTRY).then_some("layout")).map(str::to_owned);
    }
    let has_program = |bytes: &[u8]| bytes.windows(PROGRAM.len()).any(|part| part == PROGRAM.as_bytes());
    match std::str::from_utf8(bytes) {
        Ok(text) if has_program(bytes) => {
            text.lines().find(|line| !line.trim().is_empty()).map(str::to_owned)
        }
        Ok(_) => None,
        Err(_) => has_program(&bytes[..bytes.len().min(BEGIN_OF_ONNX)]).then(|| "ONNX".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_program_wrote_has_a_kind() {
        for bytes in [&b"notes"[..], b"\x80\x02pickle", b"\x08\x09\x12\x07pytorch\xff", b"", b"\n"] {
            assert_eq!(kind(bytes), None);
        }
        assert_eq!(kind(b"\x08\x09\x12\x07convgru\xff").as_deref(), Some("ONNX"));
        assert_eq!(kind(b"\n#compdef convgru\nx").as_deref(), Some("#compdef convgru"));
    }
}
