//! Rain of MeteoNet: an archive `rainfall_*.npz` whose member `data.npy` holds rain in 1/100 mm per
//! five minutes, and the times of its frames in `rainfall_*_dates.txt` beside it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::field::Field;
use crate::counted::counted;
use crate::dataset::NumberType;
use crate::dataset::source::npz::Npz;
use crate::dataset::timestamp::Timestamp;
use crate::npy_header::NpyHeader;
use crate::printable::printable;
use crate::read_budget::bytes_of;
use crate::{Error, ReadBudget, Result, input};

/// The member with the rain.
const MEMBER: &str = "data.npy";
/// Times are read from files of at most so many bytes.
const LONGEST_DATES: u64 = 1 << 26;
/// Bytes that are kept for a frame in lists of events and splits, besides the name of its file.
const FRAME_BYTES: usize = 512;
/// mm/h of a number: 1/100 mm in 1/12 hour.
const RATE_OF_ONE: f32 = 0.12;

/// The end of the name of a file of times, after the name of its file of rain.
const DATES: &str = "_dates.txt";

/// One file of rain.
pub(in crate::dataset) struct RainFile;

impl RainFile {
    /// The times of the frames of a file.
    ///
    /// # Errors
    /// [`Error::Format`] if the times are missing, or are not as many as frames.
    pub(in crate::dataset) fn times(file: &Path, budget: &ReadBudget) -> Result<Vec<Timestamp>> {
        let dates = dates_file(file);
        let length =
            std::fs::metadata(&dates).map_err(Error::io("find the times of the rain in", &dates))?.len();
        if length > LONGEST_DATES {
            let reason = format!("has {length} bytes, more than the {LONGEST_DATES} that times may have");
            return Err(Error::Format { path: dates, reason });
        }
        let _text = budget.work(&dates, length)?;
        let text = input::text(&dates)?;
        let times = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let each = (FRAME_BYTES + 3 * file.as_os_str().len()) as u64;
        let lines = text.bytes().filter(|&byte| byte == b'\n').count() as u64 + 1;
        let kept = budget.keep(&dates, lines.saturating_mul(each))?;
        let times: Vec<Timestamp> = times
            .map(|(at, line)| {
                Timestamp::in_text(line).ok_or_else(|| Error::Format {
                    path: dates.clone(),
                    reason: format!("has no time such as 2016-08-28 10:00 in line {}", at + 1),
                })
            })
            .collect::<Result<_>>()?;
        if let Some(at) = times.windows(2).position(|two| two[0] >= two[1]) {
            let reason = format!("has {} after {}; times must ascend", times[at + 1], times[at]);
            return Err(Error::Format { path: dates, reason });
        }
        let [frames, ..] = shape(file, &Npz::open(file)?.header(MEMBER)?)?;
        if frames != times.len() {
            let reason = format!(
                "has {}, but {} has {}",
                counted(times.len(), "time"),
                printable(file),
                counted(frames, "frame")
            );
            return Err(Error::Format { path: dates, reason });
        }
        kept.stay();
        Ok(times)
    }

    /// Frames, rows and columns of a file, and the type of its numbers.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(super) fn shape(file: &Path) -> Result<([usize; 3], NumberType)> {
        let header = Npz::open(file)?.header(MEMBER)?;
        Ok((shape(file, &header)?, header.element.number_type()))
    }

    /// Some frames of a file as rain rates.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged, after what comes before the damage was visited.
    pub(in crate::dataset) fn read(
        file: &Path,
        steps: Range<usize>,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Field) -> Result<()>,
    ) -> Result<()> {
        let archive = Npz::open(file)?;
        let header = archive.header(MEMBER)?;
        let [frames, height, width] = shape(file, &header)?;
        // A frame as it is stored, its rain rates, the means of some of them, and their values.
        let number = header.element.bytes() + 3 * size_of::<f32>();
        let _working = budget.work(file, bytes_of(number, &[height, width]))?;
        let mut visited = 0;
        archive.frames(MEMBER, height * width, steps.clone(), &mut |values| {
            visited += 1;
            let mut rates = Vec::with_capacity(height * width);
            rates.extend(values.map(|value| if value < 0.0 { f32::NAN } else { value as f32 * RATE_OF_ONE }));
            visit(Field { height, width, rates })
        })?;
        if visited < steps.len() {
            let reason = format!("has {}, fewer than its times", counted(frames, "frame"));
            return Err(Error::Format { path: file.into(), reason });
        }
        Ok(())
    }
}

/// `rainfall_X.npz` has its times in `rainfall_X_dates.txt`.
fn dates_file(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    name.push(DATES);
    file.with_file_name(name)
}

/// The region in the name of a file of rain: `NW` of `rainfall_NW_2016_08.3.npz`.
pub(in crate::dataset) fn region(file: &Path) -> Option<&str> {
    let (begin, rest) = file.file_name()?.to_str()?.split_once('_')?;
    let (region, _) = rest.split_once('_')?;
    let is_region = !region.is_empty() && region.chars().all(|c| c.is_ascii_alphabetic());
    (begin.eq_ignore_ascii_case("rainfall") && is_region).then_some(region)
}

/// Refuses files of several regions, which a network cannot read as one recording.
///
/// # Errors
/// [`Error::Data`] with two of the files.
pub(in crate::dataset) fn expect_one_region<'f>(
    folder: &Path,
    files: impl Iterator<Item = &'f Path>,
) -> Result<()> {
    let mut of_regions = files.filter_map(|file| Some((region(file)?, file)));
    let Some((first, file)) = of_regions.next() else { return Ok(()) };
    let Some((other, other_file)) = of_regions.find(|(other, _)| *other != first) else { return Ok(()) };
    let reason = format!(
        "holds rain of the regions {first} ({}) and {other} ({}); give a folder with the files of one region",
        printable(file),
        printable(other_file)
    );
    Err(Error::Data { what: printable(folder), reason })
}

/// Whether a file has the name of the times of a file of rain.
pub(in crate::dataset) fn is_dates(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(DATES).is_some_and(|rain| rain.to_ascii_lowercase().starts_with("rainfall_"))
}

fn shape(file: &Path, header: &NpyHeader) -> Result<[usize; 3]> {
    match header.shape[..] {
        [frames, height, width] if !header.fortran_order && height > 0 && width > 0 => {
            Ok([frames, height, width])
        }
        _ => Err(Error::Format {
            path: file.into(),
            reason: format!("{MEMBER} has shape {:?}, but [T, H, W] in C order is needed", header.shape),
        }),
    }
}
