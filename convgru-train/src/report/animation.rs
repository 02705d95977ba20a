//! The sequences as an animated GIF: input, truth and prediction side by side, or what was
//! observed beside all forecasts of rain; one row for each sequence.

use std::sync::LazyLock;

use gif::{Encoder, Frame, Repeat};

use super::glyphs::{GLYPH_HEIGHT, text_pixels, text_width};
use super::rain::{CLASSES, DRY, MISSING};
use super::{Layout, SequencePanel, Shades};
use crate::error::{Error, Result};

/// The most sequences drawn.
const MAX_ROWS: usize = 6;
/// Hundredths of a second per frame: eight frames per second.
const DELAY: u16 = 12;
/// Hundredths of a second the last frame stays.
const LAST_DELAY: u16 = 150;
/// Pixels between panes and around them.
const GAP: usize = 8;
/// Height of the bar that shows how much has been played.
const BAR: usize = 4;
/// How bright the last input stays while the future plays, of 256.
const DIMMED: u16 = 90;

/// Levels of each of red, green and blue in the palette of coloured frames.
const CUBE: usize = 6;
/// Levels of grey in the palette of grey frames.
const GREYS: usize = 240;

/// Colours of everything but frames, in the order of [`Ink`].
const INKS: [[u8; 3]; 6] =
    [[30, 32, 38], [232, 233, 236], [58, 61, 70], [104, 160, 255], [255, 168, 76], [16, 17, 20]];

/// Colours of everything but frames.
#[derive(Clone, Copy)]
enum Ink {
    Background,
    Text,
    Faint,
    Past,
    Future,
    Empty,
}

/// The bytes of a GIF of up to six sequences. The input plays first, with the
/// other panes empty; then truth and prediction play beside the last input.
/// It runs at eight frames per second, rests on the last frame, and repeats.
///
/// # Errors
/// [`Error::Data`] if there are no panels, their shapes do not fit together, or
/// the drawing would be wider or taller than the 65535 pixels of the format.
///
/// # Example
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::report::{SequencePanel, animation};
///
/// let panel = SequencePanel {
///     input: Tensor::zeros(&[3, 1, 32, 32]),
///     truth: Tensor::zeros(&[2, 1, 32, 32]),
///     prediction: Tensor::zeros(&[2, 1, 32, 32]),
///     ..SequencePanel::default()
/// };
/// assert!(animation(&[panel])?.starts_with(b"GIF89a"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn animation(panels: &[SequencePanel]) -> Result<Vec<u8>> {
    let panels = &panels[..panels.len().min(MAX_ROWS)];
    let refuse = |reason: String| Error::Data { what: "animation".into(), reason };
    let layout = Layout::shared(panels)?.ok_or_else(|| refuse("no sequence to draw".into()))?;
    let drawing = Drawing::new(panels, layout);
    let side = |length: usize| {
        u16::try_from(length).map_err(|_| {
            refuse(format!(
                "a side of {length} pixels is above the 65535 of GIF; use fewer or smaller frames"
            ))
        })
    };
    let (width, height) = (side(drawing.width)?, side(drawing.height)?);
    let failed = |error: gif::EncodingError| refuse(error.to_string());

    let mut bytes = Vec::new();
    let mut encoder =
        Encoder::new(&mut bytes, width, height, &Colours::of(layout).palette()).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    for frame in 0..layout.frames() {
        let last = frame + 1 == layout.frames();
        let frame = Frame {
            width,
            height,
            delay: if last { LAST_DELAY } else { DELAY },
            buffer: drawing.frame(frame).into(),
            ..Frame::default()
        };
        encoder.write_frame(&frame).map_err(failed)?;
    }
    drop(encoder);
    Ok(bytes)
}

/// The colours of frames.
#[derive(Clone, Copy)]
enum Colours {
    Grey,
    Rgb,
    Rain,
}

impl Colours {
    fn of(layout: Layout) -> Self {
        match (layout.shades, layout.channels) {
            (Shades::Rain, _) => Self::Rain,
            (Shades::Intensity, 1) => Self::Grey,
            (Shades::Intensity, _) => Self::Rgb,
        }
    }

    /// All of them.
    fn list(self) -> Vec<[u8; 3]> {
        let level = |i: usize| (i * 255 / (CUBE - 1)) as u8;
        match self {
            Self::Grey => (0..GREYS).map(|level| [(level * 255 / (GREYS - 1)) as u8; 3]).collect(),
            Self::Rgb => (0..CUBE.pow(3))
                .map(|i| [level(i / CUBE.pow(2)), level(i / CUBE % CUBE), level(i % CUBE)])
                .collect(),
            Self::Rain => RAIN.clone(),
        }
    }

    /// How many there are.
    fn count(self) -> usize {
        match self {
            Self::Grey => GREYS,
            Self::Rgb => CUBE.pow(3),
            Self::Rain => RAIN.len(),
        }
    }

    /// The bytes of the palette: these, then the bytes of [`INKS`].
    fn palette(self) -> Vec<u8> {
        self.list().iter().chain(&INKS).flatten().copied().collect()
    }

    /// The place of a colour in the palette.
    fn index(self, colour: [u8; 3]) -> u8 {
        let nearest = |value: u8, levels: usize| (usize::from(value) * (levels - 1) + 127) / 255;
        let [red, green, blue] = colour;
        let index = match self {
            Self::Grey => nearest(red, GREYS),
            Self::Rgb => (nearest(red, CUBE) * CUBE + nearest(green, CUBE)) * CUBE + nearest(blue, CUBE),
            Self::Rain => RAIN.iter().position(|listed| *listed == colour).unwrap_or(0),
        };
        index as u8
    }
}

/// Colours of maps of rain, and the same dimmed.
static RAIN: LazyLock<Vec<[u8; 3]>> = LazyLock::new(|| {
    let rates = CLASSES.iter().map(|(_, colour)| *colour);
    let bright: Vec<_> = [DRY, MISSING].into_iter().chain(rates).collect();
    let dimmed = bright.iter().map(|colour| dimmed(*colour)).collect();
    [bright, dimmed].concat()
});

fn dimmed(colour: [u8; 3]) -> [u8; 3] {
    colour.map(|value| (u16::from(value) * DIMMED / 256) as u8)
}

/// Where everything is.
struct Drawing<'a> {
    panels: &'a [SequencePanel],
    layout: Layout,
    colours: Colours,
    /// What the panes show.
    labels: Vec<String>,
    /// Size of a pixel of a frame.
    scale: usize,
    /// Size of a pixel of a letter.
    text_scale: usize,
    width: usize,
    height: usize,
}

impl<'a> Drawing<'a> {
    fn new(panels: &'a [SequencePanel], layout: Layout) -> Self {
        let labels: Vec<String> = match panels.first() {
            Some(first) if layout.baselines > 0 => ["OBSERVED", "CONVGRU"]
                .map(str::to_owned)
                .into_iter()
                .chain(first.baselines.iter().map(|(name, _)| name.to_uppercase()))
                .collect(),
            _ => ["INPUT", "TRUTH", "PREDICTION"].map(str::to_owned).into(),
        };
        // Twice as large, larger if the labels need it, and as it is from 256 pixels on.
        let label = labels.iter().map(|label| text_width(label)).max().unwrap_or(0);
        let scale = if layout.width >= 256 { 1 } else { label.div_ceil(layout.width).max(2) };
        let text_scale = if layout.width * scale >= 2 * label { 2 } else { 1 };
        let colours = Colours::of(layout);
        let mut drawing = Self { panels, layout, colours, labels, scale, text_scale, width: 0, height: 0 };
        drawing.width = GAP + drawing.labels.len() * (drawing.pane_width() + GAP);
        drawing.height = drawing.row(panels.len()) + BAR + GAP + drawing.text_height() + GAP;
        drawing
    }

    fn pane_width(&self) -> usize {
        self.layout.width * self.scale
    }

    fn text_height(&self) -> usize {
        GLYPH_HEIGHT * self.text_scale
    }

    /// The left edge of a pane.
    fn column(&self, pane: usize) -> usize {
        GAP + pane * (self.pane_width() + GAP)
    }

    /// The top edge of a sequence.
    fn row(&self, sequence: usize) -> usize {
        2 * GAP + self.text_height() + sequence * (self.layout.height * self.scale + GAP)
    }

    /// The pixels of one frame of the animation, as places in the palette.
    fn frame(&self, frame: usize) -> Vec<u8> {
        let mut pixels = vec![self.ink(Ink::Background); self.width * self.height];
        for (pane, label) in self.labels.iter().enumerate() {
            let centred = (self.pane_width().saturating_sub(text_width(label) * self.text_scale)) / 2;
            self.write(&mut pixels, label, self.column(pane) + centred, GAP, Ink::Text);
        }
        for (sequence, panel) in self.panels.iter().enumerate() {
            for pane in 0..self.labels.len() {
                self.draw_pane(&mut pixels, sequence, pane, &self.source(panel, pane, frame));
            }
        }
        self.draw_caption(&mut pixels, frame);
        pixels
    }

    /// What a pane shows, by pixel.
    fn source<'p>(
        &'p self,
        panel: &'p SequencePanel,
        pane: usize,
        frame: usize,
    ) -> Box<dyn Fn(usize) -> u8 + 'p> {
        let (shades, colours) = (self.layout.shades, self.colours);
        let show = move |frames: &'p _, frame| -> Box<dyn Fn(usize) -> u8 + 'p> {
            Box::new(move |pixel| colours.index(shades.colour(frames, frame, pixel)))
        };
        let last = self.layout.inputs - 1;
        let compared = self.layout.baselines > 0;
        match (pane, frame.checked_sub(self.layout.inputs)) {
            (0, None) => show(&panel.input, frame),
            (0, Some(lead)) if compared => show(&panel.truth, lead),
            (0, Some(_)) => {
                Box::new(move |pixel| colours.index(dimmed(shades.colour(&panel.input, last, pixel))))
            }
            (_, None) => Box::new(|_| self.ink(Ink::Empty)),
            (1, Some(lead)) if !compared => show(&panel.truth, lead),
            (pane, Some(lead)) => match pane.checked_sub(2).and_then(|at| panel.baselines.get(at)) {
                Some((_, frames)) => show(frames, lead),
                None => show(&panel.prediction, lead),
            },
        }
    }

    fn draw_pane(&self, pixels: &mut [u8], sequence: usize, pane: usize, source: &dyn Fn(usize) -> u8) {
        let (left, top) = (self.column(pane), self.row(sequence));
        for y in 0..self.layout.height * self.scale {
            let start = (top + y) * self.width + left;
            for (x, pixel) in pixels[start..start + self.pane_width()].iter_mut().enumerate() {
                *pixel = source(y / self.scale * self.layout.width + x / self.scale);
            }
        }
    }

    /// The bar of what has been played, and the time in words under it.
    fn draw_caption(&self, pixels: &mut [u8], frame: usize) {
        let top = self.row(self.panels.len());
        let length = self.width - 2 * GAP;
        let played = (frame + 1) * length / self.layout.frames();
        let past = self.layout.inputs * length / self.layout.frames();
        for y in top..top + BAR {
            for x in 0..length {
                let ink = match x {
                    x if x >= played => Ink::Faint,
                    x if x < past => Ink::Past,
                    _ => Ink::Future,
                };
                pixels[y * self.width + GAP + x] = self.ink(ink);
            }
        }
        let (word, ink) = match (frame < self.layout.inputs, self.layout.shades) {
            (true, Shades::Intensity) => ("INPUT", Ink::Past),
            (true, Shades::Rain) => ("OBSERVED", Ink::Past),
            (false, Shades::Intensity) => ("PREDICTION", Ink::Future),
            (false, Shades::Rain) => ("FORECAST", Ink::Future),
        };
        let caption = format!("{word} {}", self.layout.time(frame));
        let top = top + BAR + GAP;
        self.write(pixels, &caption, GAP, top, ink);
        if matches!(self.colours, Colours::Rain) {
            self.draw_legend(pixels, GAP + text_width(&caption) * self.text_scale, top);
        }
    }

    /// The classes of rain rates with their lower ends, and what grey means, right of `left`, as many as there is room for.
    fn draw_legend(&self, pixels: &mut [u8], left: usize, top: usize) {
        let side = self.text_height();
        let classes = CLASSES.iter().map(|(from, colour)| (from.to_string(), *colour));
        let ends = [("MM/H".to_owned(), DRY)].into_iter().chain(classes);
        let mut left = left + 4 * GAP;
        for (label, colour) in ends.chain([("NOT MEASURED".to_owned(), MISSING)]) {
            let width = side + GAP / 2 + text_width(&label) * self.text_scale;
            if left + width + GAP > self.width {
                return;
            }
            for at in 0..side * side {
                pixels[(top + at / side) * self.width + left + at % side] = self.colours.index(colour);
            }
            self.write(pixels, &label, left + side + GAP / 2, top, Ink::Text);
            left += width + GAP;
        }
    }

    /// Draws a line of text, cut off at the right edge.
    fn write(&self, pixels: &mut [u8], text: &str, left: usize, top: usize, ink: Ink) {
        let scale = self.text_scale;
        for (x, y) in text_pixels(text) {
            for i in 0..scale * scale {
                let (x, y) = (left + x * scale + i % scale, top + y * scale + i / scale);
                if x < self.width && y < self.height {
                    pixels[y * self.width + x] = self.ink(ink);
                }
            }
        }
    }

    fn ink(&self, ink: Ink) -> u8 {
        (self.colours.count() + ink as usize) as u8
    }
}
