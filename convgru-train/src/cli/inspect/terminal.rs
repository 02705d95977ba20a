//! A picture in a terminal: some frames side by side, in colours or in letters.

use convgru_train::dataset::Preview;
use convgru_train::printable::escaped;

use super::text::short;

/// Columns of all frames.
const COLUMNS: usize = 78;
/// Frames side by side, at most.
const FRAMES: usize = 4;
/// Lines of a frame, at most.
const LINES: usize = 18;
/// Letters from dark to light.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
/// The letter of a pixel that was not measured.
const MISSING: char = '/';

/// Frames of a picture, with what they are called.
pub(super) fn picture(preview: &Preview, has_colours: bool) -> String {
    let chosen = preview.strip(FRAMES);
    let width = (COLUMNS + 2) / chosen.len().max(1) - 2;
    let [rows, columns] = preview.size();
    // A letter is twice as high as it is wide.
    let scale = (width as f64 / columns as f64).min(2.0 * LINES as f64 / rows as f64);
    let scaled = |side: usize| ((side as f64 * scale).round() as usize).max(1);
    let (width, height) = (scaled(columns), scaled(rows).div_ceil(2));
    let frames: Vec<Vec<String>> = chosen
        .iter()
        .map(|&frame| match has_colours {
            true => coloured(&preview.colours(frame, [2 * height, width]), width),
            false => shaded(&preview.lights(frame, [height, width]), width),
        })
        .collect();
    let labels = chosen.iter().map(|&frame| preview.labels[frame].as_str()).collect::<Vec<_>>().join(" | ");
    let [low, high] = preview.range;
    let has_missing =
        chosen.iter().any(|&frame| preview.lights(frame, [height, width]).iter().any(|own| own.is_nan()));
    let missing = match (has_missing, has_colours) {
        (false, _) => String::new(),
        (true, true) => "; blue: not measured".into(),
        (true, false) => format!("; {MISSING}: not measured"),
    };
    let weak = if preview.lifts_weak_numbers() { ", weak numbers lighter than their share" } else { "" };
    let mut text = format!("\nPicture of {}: {}\n", escaped(&preview.source), escaped(&labels));
    for line in 0..height {
        let parts: Vec<&str> = frames.iter().map(|frame| frame[line].as_str()).collect();
        text += &format!("\n  {}", parts.join("  "));
    }
    text + &format!("\n\n  dark to light: {} to {}{weak}{missing}", short(low), short(high))
}

/// Lines of letters.
fn shaded(shares: &[f32], width: usize) -> Vec<String> {
    let letter = |share: &f32| match share.is_nan() {
        true => MISSING,
        false => SHADES[((share.clamp(0.0, 1.0) * SHADES.len() as f32) as usize).min(SHADES.len() - 1)],
    };
    shares.chunks_exact(width).map(|row| row.iter().map(letter).collect()).collect()
}

/// Lines of upper halves of blocks, whose colour is the pixel above, on the colour of the pixel below.
fn coloured(colours: &[[u8; 3]], width: usize) -> Vec<String> {
    let line = |rows: &[[u8; 3]]| {
        let (above, below) = rows.split_at(width);
        let pixels = above.iter().zip(below).map(|([r, g, b], [red, green, blue])| {
            format!("\x1b[38;2;{r};{g};{b};48;2;{red};{green};{blue}m\u{2580}")
        });
        pixels.collect::<String>() + "\x1b[0m"
    };
    colours.chunks_exact(2 * width).map(line).collect()
}
