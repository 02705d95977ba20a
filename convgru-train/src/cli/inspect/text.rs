//! What was found, in words.

use convgru_train::dataset::{FramesSummary, Inspection, NumbersSummary, Object, TimeSummary};

use crate::cli::output::{self, counted};

/// Objects that are listed.
const LISTED: usize = 30;
/// The width of lines.
const WIDTH: usize = 100;

/// Everything but the picture and the configuration.
pub(super) fn report(found: &Inspection) -> String {
    let mut text = header(found);
    text += &objects(found);
    if let Some(open) = &found.open {
        text += "\n\nWhat is open\n";
        text += &wrapped(&format!("It {open}"), "  ");
    }
    for setting in settings(found) {
        text += &format!("\n\nChoose {setting}\n");
        let choices = found.choices.iter().filter(|choice| choice.setting == setting);
        let lines = choices.map(|choice| {
            let set = format!("{setting}={}", choice.value.trim_matches('"'));
            format!("  --set {:<34}{}", output::shell(&set), choice.meaning)
        });
        text += &lines.collect::<Vec<_>>().join("\n");
    }
    text += "\n\nHow it would be read";
    if let Some(frames) = &found.frames {
        text += &line("frames", &frames_in_words(found, frames));
    } else {
        text += &line("frames", "not known before the axes are chosen");
    }
    if let Some(numbers) = &found.numbers {
        text += &line("numbers", &numbers_in_words(numbers, found.frames.as_ref()));
        text += &line("missing", &missing_in_words(numbers));
    }
    if let Some(time) = &found.time {
        text += &line("time", &time_in_words(time));
    } else if found.source == "frames" {
        text += &line("time", "unknown: frames follow each other in the order of the files");
    }
    if !found.splits.is_empty() {
        text += &line("windows", &windows_in_words(found));
    }
    if !found.warnings.is_empty() {
        text += "\n\nBefore you train";
        for warning in &found.warnings {
            text += "\n";
            text += &wrapped(warning, "  - ");
        }
    }
    text
}

/// The lines to copy, and what to do with them.
pub(super) fn configuration(found: &Inspection) -> String {
    let program = output::program();
    // As `train --data` chooses the preset.
    let preset = if found.source == "radar" { "--preset radar " } else { "" };
    let mut text = format!(
        "\nConfiguration: save it as data.toml, then run  {program} train {preset}--config data.toml\n"
    );
    if found.open.is_some() {
        text = format!(
            "\nConfiguration, incomplete: run {program} inspect with one of the --set options above to complete it.\n"
        );
    }
    for line in found.configuration.lines() {
        text += if line.is_empty() { "\n" } else { "\n  " };
        text += line;
    }
    text
}

fn header(found: &Inspection) -> String {
    let name = convgru_train::printable::printable(&found.path);
    let size = size(found.bytes);
    match found.files {
        1 => format!("{name}: {}, {size}", found.format),
        files => format!("{name}: {files} files, {}, {size}", found.format),
    }
}

fn objects(found: &Inspection) -> String {
    let of = found.example.as_ref().map_or(String::new(), |example| format!(" (as {example})"));
    if found.objects.is_empty() {
        return String::new();
    }
    let mut text = format!("\n\nWhat it holds{of}");
    let name =
        |object: &Object| if object.name.is_empty() { "the array".into() } else { object.name.clone() };
    let shape = |object: &Object| match object.dimensions.is_empty() {
        _ if object.shape.is_empty() && object.number_type == "event" => String::new(),
        true => format!("{:?}", object.shape),
        false => {
            let axes = object.dimensions.iter().zip(&object.shape);
            format!(
                "[{}]",
                axes.map(|(name, length)| format!("{name} {length}")).collect::<Vec<_>>().join(", ")
            )
        }
    };
    let shown = || found.objects.iter().take(LISTED);
    let width = |of: &dyn Fn(&Object) -> String| {
        shown().map(|own| of(own).chars().count()).max().unwrap_or(0).min(44)
    };
    let (names, shapes) = (width(&name), width(&shape));
    for object in shown() {
        let mark = if found.read_object.as_ref() == Some(&object.name) { ">" } else { " " };
        let told = match &object.unreadable {
            Some(reason) => format!("cannot be read: {reason}"),
            None => {
                let kind = if object.number_type.is_empty() { "no numbers" } else { &object.number_type };
                [kind, &object.unit, &object.long_name]
                    .into_iter()
                    .filter(|own| !own.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        };
        text += &format!("\n{mark} {:<names$}  {:<shapes$}  {told}", name(object), shape(object));
    }
    if found.objects.len() > LISTED {
        text += &format!("\n  and {} more", found.objects.len() - LISTED);
    }
    text
}

/// The settings that are open, each once.
fn settings(found: &Inspection) -> Vec<&'static str> {
    let mut settings: Vec<&str> = found.choices.iter().map(|choice| choice.setting).collect();
    settings.dedup();
    settings
}

fn frames_in_words(found: &Inspection, frames: &FramesSummary) -> String {
    let [channels, height, width] = frames.shape;
    let [fewest, most] = frames.steps;
    let steps = if fewest == most { counted(most, "frame") } else { format!("{fewest} to {most} frames") };
    let parts = counted(frames.sequences, "sequence");
    let colours = match channels {
        1 => String::new(),
        3 => ", 3 channels (colour)".into(),
        channels => format!(", {channels} channels"),
    };
    let axes = match &frames.axes {
        Some(axes) => format!("; axes \"{axes}\", {}", frames.axes_known_by),
        None => String::new(),
    };
    if found.source == "mnist" {
        return format!(
            "{} of {height} x {width} pixels, which become moving digits",
            counted(most, "image")
        );
    }
    format!("{parts} of {steps}, {height} x {width} pixels{colours}{axes}")
}

fn numbers_in_words(numbers: &NumbersSummary, frames: Option<&FramesSummary>) -> String {
    let unit = frames.map_or("", |frames| frames.unit.as_str());
    let looked = match numbers.looked_at == numbers.of {
        true => "all frames were read".to_owned(),
        false => format!("{} of {} frames were read", numbers.looked_at, numbers.of),
    };
    match numbers.measured {
        Some([low, mean, high]) => {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            format!("{} to {}{unit}, mean {} ({looked})", short(low), short(high), short(mean))
        }
        None => format!("nothing was measured ({looked})"),
    }
}

fn missing_in_words(numbers: &NumbersSummary) -> String {
    let share = 100.0 * numbers.missing_share;
    let marks: Vec<String> = numbers.marks.iter().map(|mark| short(*mark)).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(", marked by {}", marks.join(" and ")) };
    match numbers.missing_share {
        0.0 => "no pixel".into(),
        _ if share < 0.01 => format!("less than 0.01 % of the pixels{marks}"),
        _ => format!("{share:.2} % of the pixels{marks}"),
    }
}

fn time_in_words(time: &TimeSummary) -> String {
    let span = match (&time.first, &time.last) {
        (Some(first), Some(last)) => format!("{first} to {last} UTC"),
        _ => "counted from an unknown date".into(),
    };
    let step = match time.minutes_per_step {
        Some(minutes) if minutes >= 60.0 && minutes % 60.0 == 0.0 => {
            format!(", a frame every {}", counted((minutes / 60.0) as usize, "hour"))
        }
        Some(1.0) => ", a frame every minute".into(),
        Some(minutes) => format!(", a frame every {} minutes", short(minutes)),
        None => String::new(),
    };
    let gaps = match time.gaps {
        0 => ", no gaps".into(),
        gaps => format!(", {}, where sequences end", counted(gaps, "gap")),
    };
    let order = if time.is_in_order { "" } else { "; the frames are sorted by time" };
    format!("{span}{step}{gaps}{order}")
}

fn windows_in_words(found: &Inspection) -> String {
    let [read, forecast] = found.window;
    let splits: Vec<String> =
        found.splits.iter().map(|split| format!("{} {}", split.windows, split.name)).collect();
    format!("of {read} + {forecast} frames (read and forecast): {}", splits.join(", "))
}

/// A number as one reads it.
pub(super) fn short(number: f64) -> String {
    let text = match number.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-4..1e9).contains(&size) => return format!("{number:.3e}"),
        size if size >= 1000.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.3}"),
        _ => format!("{number:.5}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Bytes as one reads them.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => counted(usize::try_from(bytes).unwrap_or(usize::MAX), "byte"),
    }
}

/// A fact with its name.
fn line(name: &str, text: &str) -> String {
    let begin = format!("  {name:<9}");
    format!("\n{}", wrapped(text, &begin))
}

/// Text in lines of [`WIDTH`] columns; the first begins with `begin`, the others with as many spaces.
fn wrapped(text: &str, begin: &str) -> String {
    let indent = " ".repeat(begin.chars().count());
    let mut lines = vec![begin.to_owned()];
    let mut length = indent.len();
    for word in text.split_whitespace() {
        let own = word.chars().count();
        if length > indent.len() && length + 1 + own > WIDTH {
            lines.push(indent.clone());
            length = indent.len();
        }
        let Some(last) = lines.last_mut() else { continue };
        if length > indent.len() {
            last.push(' ');
            length += 1;
        }
        last.push_str(word);
        length += own;
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_read_well() {
        for (number, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (-0.25, "-0.25"),
            (101_325.04, "101325"),
            (9.97e36, "9.970e36"),
            (1e-7, "1.000e-7"),
        ] {
            assert_eq!(short(number), text);
        }
        assert_eq!([size(1), size(2048), size(3 << 29)], ["1 byte", "2.0 KiB", "1.5 GiB"]);
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = wrapped(&"word ".repeat(60), "  - ");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(
            text.starts_with("  - word") && text.lines().skip(1).all(|line| line.starts_with("    word"))
        );
        assert_eq!(text.split_whitespace().filter(|word| *word == "word").count(), 60);
    }
}
