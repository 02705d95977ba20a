//! Sequences of parts of frames: at any place, or at the places of a list.

use std::path::Path;

use super::on_disk::OnDisk;
pub(in crate::dataset) use super::on_disk::Span;
use super::{Reader, SplitFiles, WHOLE, open, open_all, split_files};
use crate::counted::counted;
use crate::dataset::crop_list::{self, ListedCrop};
use crate::dataset::crops::{Crops, Places, Row};
use crate::dataset::{DataConfig, FramesConfig, SequenceDataset, Split};
use crate::printable::printable;
use crate::{Error, Result};

/// The number of unusable lines that an error names.
const TOLD: usize = 5;

/// Opens a split as [`open`] does, with the parts of frames of the configuration, or with whole frames if it has none. A seed draws the parts
/// of a training.
///
/// # Errors
/// The errors of [`open`]; [`Error::Data`] for frames that are smaller than the parts; the errors of a list, with the wrong lines.
pub(in crate::dataset) fn open_parts(
    data: &DataConfig,
    config: &FramesConfig,
    path: &Path,
    split: (Split, u64),
) -> Result<Box<dyn SequenceDataset>> {
    open_of(&Reader::new(data, config, path), split)
}

/// As [`open_parts`], of a reader.
pub(super) fn open_of(reader: &Reader<'_>, (split, seed): (Split, u64)) -> Result<Box<dyn SequenceDataset>> {
    let Reader { data, config, .. } = *reader;
    if config.crop == [0, 0] {
        return open(reader, split);
    }
    let mut left_out = Vec::new();
    let files = split_files::split_files(reader, split, &mut left_out)?;
    let part = format!("the {split} split");
    let drawn = ((split == Split::Train).then_some(seed), data.sequences(split));
    if config.crop_list.is_empty() {
        let windows = reader.opened(files, &part, usize::MAX, left_out)?;
        return Ok(Box::new(Crops::new(windows, config.crop, Places::Anywhere, drawn)?));
    }
    let (windows, spans) = listable(reader, files, &part, left_out)?;
    let list = Path::new(&config.crop_list);
    let frames = Frames { total: windows.frames_of_file()?, spans, size: windows.frame_shape() };
    let listed = crop_list::read(list, &reader.budget)?;
    let (rows, cut_off) = frames
        .rows(&listed, config, data.steps())
        .map_err(|reason| Error::Format { path: list.into(), reason })?;
    if rows.is_empty() {
        return Err(Error::Format {
            path: list.into(),
            reason: format!(
                "lists no part whose {} frames (data.frames.time_depth) lie in {part}; list more, or set data.frames.shares",
                config.time_depth
            ),
        });
    }
    let told = (cut_off > 0).then(|| {
        format!(
            "{} of the list of crops left out of {part}: the end of it, or a gap, lies in their {} frames",
            counted(cut_off, "row"),
            config.time_depth
        )
    });
    let crops = Crops::new(Box::new(windows), config.crop, Places::Listed(rows), drawn)?;
    Ok(Box::new(crops.with_warnings(told)))
}

/// Windows of one file that begin with every frame, and their places in the file.
///
/// # Errors
/// [`Error::Config`] for other data, and the errors of reading.
fn listable(
    reader: &Reader<'_>,
    files: SplitFiles,
    part: &str,
    left_out: Vec<Error>,
) -> Result<(OnDisk, Vec<Span>)> {
    let refuse =
        |reason: &str| Error::Config { field: "data.frames.crop_list".into(), reason: reason.into() };
    for (path, _) in &files.files {
        let source = reader.source(path)?;
        if let (true, Some(axes)) = (source.is_scattered(), source.axes()) {
            return Err(refuse(&format!(
                "names parts of frames, but the axes of {} are \"{axes}\" (t frames, h rows, w columns), so that each frame lies all over the file; save \
                 the numbers with the axes \"thw\" (time first, then y and x), or leave the list out",
                printable(path)
            )));
        }
    }
    let of_one = matches!(&files.files[..], [(_, sequences)] if sequences.len() == 1);
    if !of_one || !reader.are_seekable(&files)? {
        return Err(refuse(
            "counts the frames of one file, but the data are several sequences, or a file that is read from its beginning alone (.npz, .gif, \
             pictures); give one .nc, .h5, .npy or .zarr with one sequence, or leave the list out",
        ));
    }
    let windows = OnDisk::new(reader, files, (part, usize::MAX), left_out)?;
    let spans = windows.spans().ok_or_else(|| {
        refuse(
            "counts frames in the order of time, but the frames of the data lie in another order; save them in the order of time",
        )
    })?;
    Ok((windows, spans))
}

/// All windows of one file, and their places in the file, for a list of parts.
///
/// # Errors
/// [`Error::Config`] for data of several files or sequences, and the errors of reading.
pub(in crate::dataset) fn listable_whole(
    data: &DataConfig,
    config: &FramesConfig,
    path: &Path,
) -> Result<(Box<dyn SequenceDataset>, Vec<Span>)> {
    let reader = Reader::new(data, config, path);
    let mut left_out = Vec::new();
    let files = split_files::whole(&reader, &mut left_out)?;
    let (windows, spans) = listable(&reader, files, WHOLE, left_out)?;
    Ok((Box::new(windows), spans))
}

/// Opens all sequences at a path as a test set, with parts of the size of the configuration side by side; a list of parts is not read. Frames that are
/// lower or narrower than a part are whole, and a warning tells it.
///
/// # Errors
/// As [`open`].
pub(in crate::dataset) fn open_whole(
    data: &DataConfig,
    config: &FramesConfig,
    path: &Path,
) -> Result<Box<dyn SequenceDataset>> {
    whole_of(&Reader::new(data, config, path))
}

/// As [`open_whole`], of a reader.
pub(super) fn whole_of(reader: &Reader<'_>) -> Result<Box<dyn SequenceDataset>> {
    let windows = open_all(reader)?;
    Ok(match reader.config.crop {
        [0, 0] => windows,
        [rows, columns] => {
            let [_, height, width] = windows.frame_shape();
            let is_smaller = height < rows || width < columns;
            let size = if is_smaller { [height, width] } else { [rows, columns] };
            let told = is_smaller.then(|| {
                format!(
                    "{} has frames of {height} x {width} pixels, smaller than the {rows} x {columns} of data.frames.crop; the model is measured on whole \
                     frames",
                    windows.name()
                )
            });
            let crops = Crops::new(windows, size, Places::Anywhere, (None, usize::MAX))?;
            Box::new(crops.with_warnings(told))
        }
    })
}

/// The frames that rows of a list are found among.
pub(super) struct Frames {
    /// Frames of the file.
    pub(super) total: usize,
    /// Those of the split.
    pub(super) spans: Vec<Span>,
    /// `[C, H, W]`.
    pub(super) size: [usize; 3],
}

impl Frames {
    /// The rows of a list that lie in the split, and how many begin in it and do not end there, or have a gap.
    ///
    /// # Errors
    /// The lines of rows that lie outside of the data.
    pub(super) fn rows(
        &self,
        listed: &[ListedCrop],
        config: &FramesConfig,
        steps: usize,
    ) -> std::result::Result<(Vec<Row>, usize), String> {
        let [_, height, width] = self.size;
        let ([rows, columns], depth) = (config.crop, config.time_depth);
        let fits =
            |first: usize, length: usize, all: usize| first.checked_add(length).is_some_and(|end| end <= all);
        let is_inside = |own: &&ListedCrop| {
            fits(own.t, depth, self.total) && fits(own.x, columns, width) && fits(own.y, rows, height)
        };
        let outside: Vec<usize> = listed.iter().filter(|own| !is_inside(own)).map(|own| own.line).collect();
        if !outside.is_empty() {
            let lines: Vec<String> = outside.iter().take(TOLD).map(ToString::to_string).collect();
            let more = if outside.len() > TOLD {
                format!(" and {} more", outside.len() - TOLD)
            } else {
                String::new()
            };
            return Err(format!(
                "has rows outside of the data, in the lines {}{more}: t goes to {}, x to {} and y to {}, with {depth} frames (data.frames.time_depth) \
                 of {rows} x {columns} pixels (data.frames.crop) in {} of {height} x {width}",
                lines.join(", "),
                last(self.total, depth),
                last(width, columns),
                last(height, rows),
                counted(self.total, "frame"),
            ));
        }
        let (mut found, mut cut_off) = (Vec::new(), 0);
        for own in listed {
            let Some(span) = self.spans.iter().find(|span| span.frames.contains(&own.t)) else { continue };
            if own.t + depth > span.frames.end {
                cut_off += 1;
                continue;
            }
            found.push(Row {
                window: span.first_window + own.t - span.frames.start,
                starts: depth - steps + 1,
                top: own.y,
                left: own.x,
            });
        }
        Ok((found, cut_off))
    }
}

/// The last place where something of a length begins, for messages.
fn last(all: usize, length: usize) -> String {
    all.checked_sub(length).map_or("nothing".into(), |last| last.to_string())
}
