//! Images of MNIST's format, of which moving digits are made.

use std::path::{Path, PathBuf};

use super::sample::name;
use super::tally::Tally;
use super::{FramesSummary, Inspection, NumbersSummary, Object, Preview, lines, objects};
use crate::dataset::source::FrameSource;
use crate::dataset::source::idx::IdxImages;
use crate::dataset::{DataConfig, folder, mnist};
use crate::{Error, Result};

/// Images of a picture.
const SHOWN: usize = 12;

/// Looks at what a path holds.
pub(super) fn inspect(path: &Path, data: &DataConfig, found: &mut Inspection) -> Result<()> {
    let budget = data.budget();
    let mut files: Vec<PathBuf> = Vec::new();
    folder::each_file(path, &mut |file| {
        if mnist::is_images(&file) {
            files.push(file);
        }
        Ok(())
    })?;
    // Digits of the training come first: the picture shows the first.
    files.sort_by_key(|file| (!name(file).starts_with("train"), file.clone()));
    found.format = "images of MNIST's format (idx)".into();
    let mut failed = None;
    let (mut tally, mut count) = (Tally::default(), 0);
    for file in files {
        let object = Object { name: name(&file), number_type: "uint8".into(), ..Object::default() };
        let images = match IdxImages::read(&file, &budget) {
            Ok(images) => images,
            Err(error) => {
                found.objects.push(Object { unreadable: Some(objects::reason(&error)), ..object });
                failed = failed.or(Some(error));
                continue;
            }
        };
        let info = images.info()?;
        found.objects.push(Object { shape: vec![info.steps, info.height, info.width], ..object });
        count += info.steps;
        let mut preview = Preview::of(name(&file));
        images.visit(0..1, 0..info.steps, &mut |frame| {
            tally.add(frame.values);
            if preview.frames() < SHOWN {
                preview.add(&frame, format!("image {}", frame.step));
            }
            Ok(())
        })?;
        if found.frames.is_none() {
            found.preview = Some(preview.with([0.0, 1.0], Vec::new()));
            found.frames = Some(FramesSummary {
                sequences: 1,
                shape: [1, info.height, info.width],
                number_type: info.number_type.to_string(),
                ..FramesSummary::default()
            });
        }
    }
    if let Some(frames) = &mut found.frames {
        frames.steps = [count; 2];
        let byte = |value: f64| (value * 255.0).round();
        let ends = tally.lows.first().zip(tally.highs.first());
        found.numbers = Some(NumbersSummary {
            looked_at: count,
            of: count,
            measured: ends
                .zip(tally.mean_without(&[]))
                .map(|((low, high), mean)| [byte(low.number), 255.0 * mean, byte(high.number)]),
            ..NumbersSummary::default()
        });
    }
    if let (None, Some(error)) = (&found.frames, failed) {
        return Err(error);
    }
    let has =
        |word: &str| found.objects.iter().any(|own| own.unreadable.is_none() && own.name.starts_with(word));
    for (word, split) in [("train", "training and validation"), ("t10k", "the test")] {
        if !has(word) {
            found.warnings.push(format!(
                "There are no images for {split}: {word}-images-idx3-ubyte, plain or .gz, must lie in the folder."
            ));
        }
    }
    let folder = if path.is_dir() { path } else { path.parent().ok_or_else(|| nowhere(path))? };
    found.configuration = lines::of_digits(folder, found);
    Ok(())
}

fn nowhere(path: &Path) -> Error {
    Error::Data { what: crate::printable::printable(path), reason: "lies in no folder".into() }
}
