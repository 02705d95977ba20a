//! All frames of a sequence in one image.

use convgru_model::Tensor;

use super::palette::difference_colour;
use super::{Layout, SequencePanel};
use crate::error::Result;
use crate::media::{byte, encode_png};

/// Rows of a sheet: what happened, what was predicted, and the difference.
pub(super) const ROWS: usize = 3;

/// Pixels around each frame that repeat its edge. When a browser scales the
/// sheet, they keep the neighbours from showing through.
pub(super) const BORDER: usize = 1;

/// A PNG with one column for each frame in time and [`ROWS`] rows: input and
/// truth; prediction (black during the input); difference of truth and
/// prediction on the scale of [`difference_colour`], largest over channels.
pub(super) fn sheet(panel: &SequencePanel, layout: Layout) -> Result<Vec<u8>> {
    let (cell_width, cell_height) = (layout.width + 2 * BORDER, layout.height + 2 * BORDER);
    let (width, height) = (cell_width * layout.frames(), cell_height * ROWS);
    let mut pixels = vec![0u8; width * height * 3];
    for row in 0..ROWS {
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
    match (row, frame.checked_sub(layout.inputs)) {
        (0, None) => Some(Box::new(move |pixel| colour(&panel.input, frame, pixel))),
        (0, Some(lead)) => Some(Box::new(move |pixel| colour(&panel.truth, lead, pixel))),
        (_, None) => None,
        (1, Some(lead)) => Some(Box::new(move |pixel| colour(&panel.prediction, lead, pixel))),
        (_, Some(lead)) => Some(Box::new(move |pixel| {
            let (truth, prediction) = (panel.truth.slice(lead), panel.prediction.slice(lead));
            let area = layout.height * layout.width;
            let difference = (0..layout.channels)
                .map(|channel| channel * area + pixel)
                .map(|at| (truth[at].clamp(0.0, 1.0) - prediction[at].clamp(0.0, 1.0)).abs())
                .fold(0.0, f32::max);
            difference_colour(difference)
        })),
    }
}

/// Red, green, blue of a pixel of one frame of `[T, C, H, W]`, C = 1 or 3.
pub(super) fn colour(frames: &Tensor<f32>, frame: usize, pixel: usize) -> [u8; 3] {
    let values = frames.slice(frame);
    if frames.shape()[1] == 1 {
        return [byte(values[pixel]); 3];
    }
    let area = values.len() / 3;
    [0, 1, 2].map(|channel| byte(values[channel * area + pixel]))
}
