//! Parts of frames of other sequences.

use convgru_model::Tensor;

use super::random::{Purpose, SampleKey, below, generator};
use super::windows::listed;
use super::{FoundData, Quantity, SequenceDataset, SequenceMut, Split, check_request};
use crate::{Error, Result};

/// The places that parts of frames may have.
pub(super) enum Places {
    /// Anywhere, in any window.
    Anywhere,
    /// The places of a list.
    Listed(Vec<Row>),
}

/// A row of a list among windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The window that begins at its first frame.
    pub(super) window: usize,
    /// How many windows, from that one on, lie in its frames.
    pub(super) starts: usize,
    /// The row and the column of its first pixel.
    pub(super) top: usize,
    pub(super) left: usize,
}

/// Sequences of parts of frames. Each epoch of training draws its parts. Without a list the window, the row and the column are uniform. From a
/// list an epoch takes every row, or draws as many rows as an epoch has sequences uniformly, and draws one of the windows of each row uniformly. The
/// other splits have fixed parts: parts side by side in the middle of frames, or the first window of each row of the list, evenly over all of them.
pub(super) struct Crops {
    windows: Box<dyn SequenceDataset>,
    /// Height and width.
    size: [usize; 2],
    places: Places,
    /// The seed of the draws; `None` for fixed parts.
    seed: Option<u64>,
    len: usize,
    found: Option<FoundData>,
    warnings: Vec<String>,
}

/// A window, and where a part of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    window: usize,
    top: usize,
    left: usize,
}

impl Crops {
    /// At most `most` parts of a size in an epoch; drawn with a seed, or fixed.
    ///
    /// # Errors
    /// [`Error::Data`] for frames that are smaller.
    pub(super) fn new(
        windows: Box<dyn SequenceDataset>,
        size: [usize; 2],
        places: Places,
        (seed, most): (Option<u64>, usize),
    ) -> Result<Self> {
        let [channels, height, width] = windows.frame_shape();
        if height < size[0] || width < size[1] {
            return Err(Error::Data {
                what: windows.name().to_owned(),
                reason: format!(
                    "has frames of {height} x {width} pixels, smaller than the {} x {} of data.frames.crop; take smaller parts, or [0, 0] for whole \
                     frames",
                    size[0], size[1]
                ),
            });
        }
        let grid = (height / size[0]) * (width / size[1]);
        let len = match (&places, seed) {
            (Places::Listed(rows), _) => rows.len().min(most),
            (Places::Anywhere, Some(_)) => most,
            (Places::Anywhere, None) => windows.len().saturating_mul(grid).min(most),
        };
        let found = windows.found().cloned();
        let found = found.map(|found| FoundData { frame: [channels, size[0], size[1]], ..found });
        let warnings = windows.warnings().to_vec();
        Ok(Self { windows, size, places, seed, len, found, warnings })
    }

    /// The same with more warnings.
    pub(super) fn with_warnings(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(more);
        self
    }

    fn place(&self, epoch: u64, index: usize) -> Place {
        let [_, height, width] = self.windows.frame_shape();
        let drawn = self.seed.map(|seed| {
            generator(Purpose::Parts, SampleKey { seed, split: Split::Train, epoch, index: index as u64 })
        });
        match (&self.places, drawn) {
            (Places::Anywhere, Some(mut random)) => Place {
                window: below(&mut random, self.windows.len()),
                top: below(&mut random, height - self.size[0] + 1),
                left: below(&mut random, width - self.size[1] + 1),
            },
            (Places::Anywhere, None) => self.in_grid(index),
            (Places::Listed(rows), Some(mut random)) => {
                let row = if rows.len() == self.len { index } else { below(&mut random, rows.len()) };
                let Row { window, starts, top, left } = rows[row];
                Place { window: window + below(&mut random, starts), top, left }
            }
            (Places::Listed(rows), None) => {
                let Row { window, top, left, .. } = rows[listed(index, rows.len(), self.len)];
                Place { window, top, left }
            }
        }
    }

    /// One of the fixed parts, side by side in the middle of frames.
    fn in_grid(&self, index: usize) -> Place {
        let [_, height, width] = self.windows.frame_shape();
        let [rows, columns] = [height / self.size[0], width / self.size[1]];
        let count = self.windows.len().saturating_mul(rows * columns);
        let number = listed(index, count, self.len);
        let (window, place) = (number / (rows * columns), number % (rows * columns));
        Place {
            window,
            top: (height - rows * self.size[0]) / 2 + place / columns * self.size[0],
            left: (width - columns * self.size[1]) / 2 + place % columns * self.size[1],
        }
    }

    /// Copies a part of all planes of a window.
    fn cut(&self, from: &[f32], place: Place, to: &mut [f32]) {
        let [_, height, width] = self.windows.frame_shape();
        let [rows, columns] = self.size;
        for (plane, part) in from.chunks_exact(height * width).zip(to.chunks_exact_mut(rows * columns)) {
            for (row, part) in part.chunks_exact_mut(columns).enumerate() {
                part.copy_from_slice(&plane[(place.top + row) * width + place.left..][..columns]);
            }
        }
    }
}

impl SequenceDataset for Crops {
    fn name(&self) -> &str {
        self.windows.name()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn frame_shape(&self) -> [usize; 3] {
        let [channels, _, _] = self.windows.frame_shape();
        [channels, self.size[0], self.size[1]]
    }

    fn steps(&self) -> usize {
        self.windows.steps()
    }

    fn quantity(&self) -> Quantity {
        self.windows.quantity()
    }

    fn found(&self) -> Option<&FoundData> {
        self.found.as_ref()
    }

    fn has_missing(&self) -> bool {
        self.windows.has_missing()
    }

    fn label(&self, index: usize) -> String {
        if index >= self.len {
            return format!("sequence {index}");
        }
        let Place { window, top, left } = self.place(0, index);
        format!("{}, row {top}, column {left}", self.windows.label(window))
    }

    fn times(&self, index: usize) -> Vec<String> {
        if index >= self.len { Vec::new() } else { self.windows.times(self.place(0, index).window) }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let place = self.place(epoch, index);
        let [channels, height, width] = self.windows.frame_shape();
        let mut whole = Tensor::<f32>::try_zeros(&[self.steps(), channels, height, width])?;
        let mut valid = self.has_missing().then(|| vec![0.0; whole.len()]);
        let mut window = SequenceMut { frames: whole.as_mut_slice(), valid: valid.as_deref_mut() };
        self.windows.sequence(epoch, place.window, &mut window)?;
        self.cut(whole.as_slice(), place, into.frames);
        if let (Some(valid), Some(into)) = (&valid, into.valid.as_deref_mut()) {
            self.cut(valid, place, into);
        }
        Ok(())
    }
}
