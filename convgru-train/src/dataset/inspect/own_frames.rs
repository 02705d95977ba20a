//! Frames of one's own: arrays, pictures, and folders of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::choices::Chosen;
use super::files::{FileFacts, Files};
use super::lines::{FrameLines, ModelLines};
use super::marks::{Measured, shortest};
use super::objects;
use super::sample::{self, Sample};
use super::{FramesSummary, Inspection, NumbersSummary, TimeSummary, range};
use crate::dataset::source::{self, natural_order};
use crate::dataset::{DataConfig, FramesConfig, NumberType, OnCorrupt, Source, gridded};
use crate::printable::printable;
use crate::{Error, ReadBudget, Result, input};

/// How deep the first file is looked for.
const DEEPEST: usize = 3;
/// Files that are tried until one can be read.
const TRIED: usize = 16;
/// Files left out, and the like, that are told one by one.
const TOLD: usize = 10;
/// Shares of splits that are alike.
const EQUAL_SHARES: [f64; 3] = [0.34, 0.33, 0.33];
/// Frames of a picture.
const SHOWN: usize = 40;
/// A share of all numbers that is nearly all.
const NEARLY_ALL: f64 = 0.999;

/// Looks at what a path holds.
pub(super) fn inspect(
    path: &Path,
    data: &DataConfig,
    config: &FramesConfig,
    found: &mut Inspection,
) -> Result<()> {
    let budget = data.budget();
    let (example, mut chosen) = example(path, config, &budget, found)?;
    let data = DataConfig {
        source: Source::Frames(chosen.config.clone()),
        on_corrupt: OnCorrupt::Skip,
        ..data.clone()
    };
    let mut left_out = Vec::new();
    let mut files = Files::new(path, &data, &chosen.config, &budget, &mut left_out)?;
    if files.most_steps(2) < 2 && chosen.config.shares == FramesConfig::default().shares {
        // A short sequence that is split in time has a part for each split only where these are alike.
        let equal = FramesConfig { shares: EQUAL_SHARES, ..chosen.config.clone() };
        let data = DataConfig { source: Source::Frames(equal.clone()), ..data.clone() };
        let other = Files::new(path, &data, &equal, &budget, &mut Vec::new())?;
        if other.most_steps(2) == 2 {
            (files, chosen.config) = (other, equal);
        }
    }
    let sample = Sample::of(&files.facts, &chosen.config, &budget);
    found.choices = chosen.axes.iter().chain(&chosen.objects).cloned().collect();
    found.open = chosen.open.clone();
    let lines = describe(&files, &sample, &chosen, found);
    if chosen.axes.is_empty() {
        windows(&files, &data, &mut *found);
    }
    warn(&files, &sample, &chosen, &left_out, found);
    let largest = files.facts.iter().max_by_key(|facts| (facts.path.starts_with(&example), facts.info.steps));
    if let Some(facts) = largest
        && chosen.axes.is_empty()
    {
        let count = (found.window[0] + found.window[1]).clamp(2, SHOWN);
        if let Ok(preview) = sample::preview(facts, count, &chosen.config, &budget) {
            found.preview = Some(preview.with(lines.range.unwrap_or([0.0, 1.0]), lines.missing.clone()));
        }
    }
    found.configuration = lines.to_toml(path, found);
    Ok(())
}

/// A file or a folder of pictures that can be read, with what is chosen in it.
fn example(
    path: &Path,
    config: &FramesConfig,
    budget: &ReadBudget,
    found: &mut Inspection,
) -> Result<(PathBuf, Chosen)> {
    let mut candidates = Vec::new();
    gather(path, DEEPEST, &mut candidates)?;
    let mut first_error = None;
    for candidate in candidates {
        let read = objects::objects(&candidate, budget).map(|objects| {
            let chosen = Chosen::of(&candidate, &objects, config, budget);
            (objects, chosen)
        });
        match read {
            Ok((objects, chosen)) => {
                found.objects = objects;
                found.format = format(&candidate).into();
                found.example = (candidate != path)
                    .then(|| printable(candidate.strip_prefix(path).unwrap_or(&candidate)));
                let chosen = chosen?;
                found.read_object = chosen.object.as_ref().map(|object| object.name.clone());
                return Ok((candidate, chosen));
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| Error::Data {
        what: printable(path),
        reason: "holds no frames; give a .npy, .npz, HDF5 (.h5), netCDF (.nc), GRIB (.grib2) or .gif file, a Zarr store (.zarr), or a folder of these or of pictures".into(),
    }))
}

/// What may hold frames, in natural order: files, stores of Zarr, and folders with pictures.
fn gather(path: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<()> {
    if !input::is_folder(path)? || source::is_store(path) {
        into.push(path.into());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(Error::io("open the data folder", path))? {
        entries.push(entry.map_err(Error::io("read the data folder", path))?.path());
    }
    entries.retain(|entry| !source::is_hidden(entry));
    entries.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    if entries.iter().any(|entry| source::is_picture(entry)) {
        into.push(path.into());
        return Ok(());
    }
    // Training comes first.
    let is_train = |entry: &PathBuf| {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        name.starts_with("train")
    };
    entries.sort_by_key(|entry| !is_train(entry));
    for entry in entries {
        if into.len() >= TRIED {
            break;
        }
        if input::is_folder(&entry)? && !source::is_store(&entry) {
            if depth > 0 {
                gather(&entry, depth - 1, into)?;
            }
        } else if source::is_frames(&entry) {
            into.push(entry);
        }
    }
    Ok(())
}

/// The format of a file in words.
fn format(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match extension.as_str() {
        "npy" => "NumPy array",
        "npz" => "NumPy archive",
        "gif" => "animated GIF",
        "png" => "animated PNG",
        "nc" | "nc4" => "netCDF",
        _ if source::is_store(path) => "Zarr store",
        _ if source::is_grib(path) => "GRIB",
        _ if gridded::is_named(path) => "HDF5",
        _ => "pictures",
    }
}

/// Writes down what is read, and gives what the configuration needs.
fn describe(files: &Files, sample: &Sample, chosen: &Chosen, found: &mut Inspection) -> FrameLines {
    let (facts, config) = (&files.facts, &chosen.config);
    let of_first = &facts[0];
    let channels = of_first.info.channels.unwrap_or(sample.channels.max(1));
    let size = most_frequent(facts.iter().map(|facts| [facts.info.height, facts.info.width]));
    let steps = || facts.iter().map(|facts| facts.info.steps);
    let unit = match &of_first.content {
        _ if !config.unit.is_empty() => config.unit.clone(),
        Some(content) => content.unit.clone(),
        None => String::new(),
    };
    let is_array = of_first.axes.is_some();
    if chosen.axes.is_empty() {
        found.frames = Some(FramesSummary {
            axes: of_first.axes.as_ref().map(ToString::to_string),
            axes_known_by: known_by(chosen, is_array),
            sequences: facts.iter().map(|facts| facts.info.sequences).sum(),
            steps: [steps().min().unwrap_or(0), steps().max().unwrap_or(0)],
            shape: [channels, size[0], size[1]],
            number_type: of_first.info.number_type.to_string(),
            unit: unit.clone(),
        });
        found.time = time(facts, files.gaps());
    }
    let kind = of_first.info.number_type;
    let measured =
        if is_array { Measured::of(&sample.tally, kind) } else { Measured::of_pictures(&sample.tally) };
    let marks: Vec<f64> = measured.marks.iter().map(|mark| shortest(mark.number)).collect();
    let marked: u64 = measured.marks.iter().map(|mark| mark.count).sum();
    let mean = sample.tally.mean_without(&measured.marks);
    let total: usize = facts.iter().map(FileFacts::frames).sum();
    found.numbers = Some(NumbersSummary {
        looked_at: sample.frames,
        of: total,
        measured: measured.range.zip(mean).map(|([low, high], mean)| [low, mean, high]),
        marks: marks.clone(),
        apart: measured.apart.iter().map(|own| shortest(own.number)).collect(),
        missing_share: (sample.tally.missing + marked) as f64 / sample.tally.count.max(1) as f64,
        infinite: sample.tally.infinite,
    });
    let is_whole = sample.frames == total && sample.failed.is_empty();
    let is_scaled =
        of_first.info.natural_range == [0.0, 1.0] && !matches!(kind, NumberType::Float(_) | NumberType::Bool);
    let proposed =
        measured.range.filter(|_| is_array).map(|own| range::proposed(own, kind, is_scaled, is_whole));
    let mut missing: Vec<f64> = config.missing.clone();
    let is_new = |mark: &f64| !config.missing.iter().any(|own| *own as f32 == *mark as f32);
    missing.extend(marks.into_iter().filter(is_new));
    let minutes = found.time.as_ref().and_then(|time| time.minutes_per_step);
    let quantity = chosen.object.as_ref().map_or("", |object| match object.long_name.as_str() {
        "" => object.name.rsplit('/').next().unwrap_or_default(),
        long => long,
    });
    FrameLines {
        range: config.explicit_range().or(proposed),
        is_whole,
        missing,
        unit,
        quantity: quantity.to_owned(),
        minutes_per_step: minutes
            .filter(|minutes| *minutes > 0.0)
            .or((config.minutes_per_step > 0.0).then_some(config.minutes_per_step)),
        resize: facts.iter().any(|facts| [facts.info.height, facts.info.width] != size).then_some(size),
        model: ModelLines { channels, size: if config.resize == [0, 0] { size } else { config.resize } },
        config: config.clone(),
    }
}

fn known_by(chosen: &Chosen, is_array: bool) -> &'static str {
    let is_named = chosen.object.as_ref().is_some_and(|object| !object.dimensions.is_empty());
    match () {
        () if !is_array => "",
        () if !chosen.config.axes.is_auto() => "as data.frames.axes says",
        () if is_named => "by the names of the dimensions",
        () => "by the shape",
    }
}

fn time(facts: &[FileFacts], gaps: usize) -> Option<TimeSummary> {
    let timed: Vec<&FileFacts> = facts.iter().filter(|facts| facts.order.has_times()).collect();
    let first = timed.first()?;
    let ends: Vec<_> = timed.iter().filter_map(|facts| facts.order.first_and_last()).collect();
    Some(TimeSummary {
        first: ends.iter().map(|[first, _]| *first).min().map(|time| time.to_string()),
        last: ends.iter().map(|[_, last]| *last).max().map(|time| time.to_string()),
        minutes_per_step: first.order.minutes_per_step(),
        gaps,
        is_in_order: timed.iter().all(|facts| facts.order.is_in_order()),
    })
}

/// The most frequent one, the first of several.
fn most_frequent<T: Ord + Copy + Default>(all: impl Iterator<Item = T>) -> T {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    counts.into_iter().find(|(_, count)| *count == most).map_or(T::default(), |(one, _)| one)
}

/// Counts windows; shortens them where a split has none and the configuration leaves their length open.
fn windows(files: &Files, data: &DataConfig, found: &mut Inspection) {
    let asked = data.steps();
    let most = files.most_steps(asked);
    if most < asked && found.window == super::lines::DEFAULT_WINDOW {
        // A window has a frame to read and one to forecast at least.
        let most = most.max(2);
        found.window = [most - most / 2, most / 2];
    }
    let steps = found.window[0] + found.window[1];
    found.splits = files.summaries(steps).to_vec();
    if found.splits.iter().all(|split| split.windows > 0) {
        return;
    }
    let longest: Vec<String> =
        (0..3).map(|at| format!("{} {}", found.splits[at].name, files.longest_run(at))).collect();
    let none = match steps {
        2 => "No training is possible with these data. ",
        _ => "",
    };
    found.warnings.push(format!(
        "{none}A window has {steps} frames (data.input_frames + data.output_frames), but the most that follow each other are: {}. Give longer sequences, \
         or at least three sequences{}.",
        longest.join(", "),
        if steps > 2 { ", or set data.input_frames and data.output_frames to fewer frames" } else { "" }
    ));
}

/// What a reader should know before training.
fn warn(files: &Files, sample: &Sample, chosen: &Chosen, left_out: &[Error], found: &mut Inspection) {
    let mut warnings = Vec::new();
    if let Some((path, doubt)) = files.facts.iter().find_map(|own| Some((&own.path, own.order.doubt()?))) {
        warnings.push(format!("{} {doubt}.", printable(path)));
    }
    let numbers = found.numbers.clone().unwrap_or_default();
    for mark in &numbers.marks {
        warnings.push(format!(
            "The number {mark:?} stands apart from all others and looks like a mark for pixels that were not measured. The \
             configuration below counts it as missing; take it out of data.frames.missing only if it was measured."
        ));
    }
    // Pictures have no marks.
    let is_array = files.facts.iter().any(|facts| facts.axes.is_some());
    let mut apart = numbers.apart.clone();
    let is_told =
        |own: &f64| numbers.marks.iter().chain(&numbers.apart).any(|told| *told as f32 == *own as f32);
    apart.extend(sample.tally.apart().filter(|own| is_array && !is_told(own)));
    for apart in apart {
        warnings.push(format!(
            "The number {apart:?} stands apart from all others; the configuration below counts it as measured. If it marks pixels that were not \
             measured, set data.frames.missing = [{apart:?}], and data.frames.range to a range without it."
        ));
    }
    if numbers.infinite > 0 {
        warnings.push(format!(
            "{} numbers are infinite, and no configuration reads these. Save them as NaN where nothing was measured, or as the lowest \
             number that can be measured where nothing was seen.",
            numbers.infinite
        ));
    }
    let share = |count: u64| count as f64 / sample.tally.finite().max(1) as f64;
    let common = sample
        .tally
        .lows
        .first()
        .into_iter()
        .chain(sample.tally.highs.first())
        .find(|seen| share(seen.count) >= NEARLY_ALL && !numbers.marks.contains(&seen.number));
    match (&numbers.measured, common) {
        (None, _) => {
            warnings.push("No pixel was measured: all numbers are missing, infinite or marks.".into())
        }
        (Some(_), Some(seen)) => warnings.push(format!(
            "{:.2} % of the numbers are {:?}: there is almost nothing to learn from.",
            100.0 * share(seen.count),
            seen.number
        )),
        _ if sample.is_still => warnings.push("All frames that were read are alike: nothing moves.".into()),
        _ => {}
    }
    if numbers.missing_share > 0.5 {
        warnings.push(format!("{:.0} % of the pixels are missing.", 100.0 * numbers.missing_share));
    }
    if let Some(frames) = &found.frames {
        let [channels, height, width] = frames.shape;
        if !matches!(channels, 1 | 3) {
            warnings.push(format!(
                "Frames have {channels} channels, and a training takes 1 or 3. Save one of them, or, if the axis is no channel, set \
                 data.frames.axes."
            ));
        }
        let others = files
            .facts
            .iter()
            .filter(|facts| [facts.info.height, facts.info.width] != [height, width])
            .count();
        if others > 0 {
            warnings.push(format!(
                "{others} of {} files have frames of another size than {height} x {width} pixels; the configuration below resizes them.",
                files.facts.len()
            ));
        }
    }
    if let Some(difference) = different(files, &chosen.config) {
        warnings.push(difference);
    }
    let failed = left_out.iter().chain(&sample.failed);
    warnings.extend(failed.clone().take(TOLD).map(|error| format!("Not read: {error}")));
    let more = failed.count().saturating_sub(TOLD);
    if more > 0 {
        warnings.push(format!("{more} more files are not read."));
    }
    if !left_out.is_empty() || !sample.failed.is_empty() {
        warnings.push(
            "A training refuses files that it cannot read; set data.on_corrupt = \"skip\" to leave them out."
                .into(),
        );
    }
    found.warnings.extend(warnings);
}

/// Two files whose numbers differ in what they are.
fn different(files: &Files, config: &FramesConfig) -> Option<String> {
    let mut told = files.facts.iter().filter_map(|facts| Some((&facts.path, facts.content.as_ref()?)));
    let (first, content) = told.next()?;
    let file = printable(first);
    let difference = told.find_map(|(path, own)| Some((path, own.difference(content, &file, config)?)));
    difference.map(|(path, difference)| format!("{} {difference}.", printable(path)))
}
