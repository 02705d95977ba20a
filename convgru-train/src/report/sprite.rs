//! All frames of a sequence in one image.

use super::palette::difference_colour;
use super::{Layout, SequencePanel};
use crate::error::Result;
use crate::media::encode_png;

/// An image in the format PNG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// The bytes of the file.
    pub png: Vec<u8>,
}

/// A sequence in one picture: a column for each frame; under what happened what was predicted, then the baselines, or
/// the difference where there are none.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) if the shapes do not fit together.
pub fn contact_sheet(panel: &SequencePanel) -> Result<Picture> {
    let layout = panel.layout()?;
    let width = (layout.width + 2 * BORDER) * layout.frames();
    let height = (layout.height + 2 * BORDER) * rows(layout);
    Ok(Picture { width, height, png: sheet(panel, layout)? })
}

/// Pixels around each frame that repeat its edge. When a browser scales the
/// sheet, they keep the neighbours from showing through.
pub(super) const BORDER: usize = 1;

/// Rows of a sheet: what happened, what was predicted, and the baselines, or the difference where there
/// are none.
pub(super) fn rows(layout: Layout) -> usize {
    2 + layout.baselines.max(1)
}

/// A PNG with one column for each frame in time and [`rows`]: input and
/// truth; prediction (black during the input); each baseline, or the difference of truth and
/// prediction on the scale of [`difference_colour`], largest over channels.
pub(super) fn sheet(panel: &SequencePanel, layout: Layout) -> Result<Vec<u8>> {
    let (cell_width, cell_height) = (layout.width + 2 * BORDER, layout.height + 2 * BORDER);
    let (width, height) = (cell_width * layout.frames(), cell_height * rows(layout));
    let mut pixels = vec![0u8; width * height * 3];
    for row in 0..rows(layout) {
        for frame in 0..layout.frames() {
            let Some(colour) = cell(panel, layout, row, frame) else {
                continue;
            };
            for y in 0..cell_height {
                for x in 0..cell_width {
                    let inside_x = x.saturating_sub(BORDER).min(layout.width - 1);
                    let inside_y = y.saturating_sub(BORDER).min(layout.height - 1);
                    let at = ((row * cell_height + y) * width + frame * cell_width + x) * 3;
                    pixels[at..at + 3].copy_from_slice(&colour(inside_y * layout.width + inside_x));
                }
            }
        }
    }
    encode_png(width, height, 3, &pixels)
}

/// The colours of a cell by pixel; `None` where the cell stays black.
fn cell<'a>(
    panel: &'a SequencePanel,
    layout: Layout,
    row: usize,
    frame: usize,
) -> Option<Box<dyn Fn(usize) -> [u8; 3] + 'a>> {
    let shown = move |frames, frame| -> Option<Box<dyn Fn(usize) -> [u8; 3] + 'a>> {
        Some(Box::new(move |pixel| layout.shades.colour(frames, frame, pixel)))
    };
    match (row, frame.checked_sub(layout.inputs)) {
        (0, None) => shown(&panel.input, frame),
        (0, Some(lead)) => shown(&panel.truth, lead),
        (_, None) => None,
        (1, Some(lead)) => shown(&panel.prediction, lead),
        (row, Some(lead)) => match panel.baselines.get(row - 2) {
            Some((_, frames)) => shown(frames, lead),
            None => Some(Box::new(move |pixel| difference(panel, layout, lead, pixel))),
        },
    }
}

/// The colour of the largest difference of a pixel's channels.
fn difference(panel: &SequencePanel, layout: Layout, lead: usize, pixel: usize) -> [u8; 3] {
    let (truth, prediction) = (panel.truth.slice(lead), panel.prediction.slice(lead));
    let area = layout.height * layout.width;
    let largest = (0..layout.channels)
        .map(|channel| channel * area + pixel)
        .map(|at| (truth[at].clamp(0.0, 1.0) - prediction[at].clamp(0.0, 1.0)).abs())
        .fold(0.0, f32::max);
    difference_colour(largest)
}
