//! Folders of PNG images, one frame each.

use std::path::Path;

use convgru_model::Tensor;

use super::image::{encode_png, interleaved};
use crate::atomic_folder::write_folder;
use crate::error::{Error, Result};
use crate::printable::printable_name;

/// Writes `frame_000.png` and so on. The folder is prepared under another name
/// and takes its place when it is complete.
pub(super) fn write(folder: &Path, frames: &Tensor<f32>) -> Result<()> {
    let pixels = interleaved("frames for PNG images", frames)?;
    let (channels, height, width) = (frames.shape()[1], frames.shape()[2], frames.shape()[3]);
    check_replaceable(folder)?;

    let digits = (pixels.len() - 1).to_string().len().max(3);
    write_folder(folder, &mut |staging, writing| {
        for (index, pixels) in pixels.iter().enumerate() {
            writing.expect_time().map_err(Error::io("write", folder))?;
            let path = staging.join(format!("frame_{index:0digits$}.png"));
            std::fs::write(&path, encode_png(width, height, channels, pixels)?)
                .map_err(Error::io("write", &path))?;
        }
        Ok(())
    })
}

/// Refuses a folder with files that are not frames of an earlier call.
fn check_replaceable(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let name = printable_name(entry.map_err(Error::io("read", folder))?.file_name());
        let number = name.strip_prefix("frame_").and_then(|rest| rest.strip_suffix(".png"));
        if !number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())) {
            let reason = format!(
                "the folder holds {name}, which is not a frame of an earlier run; give another folder"
            );
            return Err(Error::Format { path: folder.into(), reason });
        }
    }
    Ok(())
}
