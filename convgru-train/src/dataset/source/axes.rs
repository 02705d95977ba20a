//! What the axes of an array mean.

use crate::counted::counted;
use convgru_model::Tensor;
use serde::{Deserialize, Serialize};

/// The shape of the standard test file of Moving MNIST but for the number of sequences.
const MOVING_MNIST: [usize; 3] = [20, 64, 64];

/// The numbers of channels that pictures have: grey, colour, and colour with transparency.
const CHANNELS: [usize; 3] = [1, 3, 4];

/// The option that says the same as `data.frames.axes`, and which commands have it.
pub(in crate::dataset) const OPTION_FOR_AXES: &str = "--axes of eval, predict and watch";

/// An axis of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dataset) enum Axis {
    /// Sequences, `n`.
    Sequence,
    /// Frames of a sequence, `t`.
    Step,
    /// Channels of a frame, `c`.
    Channel,
    /// Rows, `h`.
    Row,
    /// Columns, `w`.
    Column,
}

impl Axis {
    const ALL: [(char, Self); 5] = [
        ('n', Self::Sequence),
        ('t', Self::Step),
        ('c', Self::Channel),
        ('h', Self::Row),
        ('w', Self::Column),
    ];

    pub(super) fn letter(self) -> char {
        Self::ALL.iter().find(|(_, axis)| *axis == self).map_or('?', |(letter, _)| *letter)
    }
}

/// What the axes of an array are, a letter for each, the outermost first: `n` sequences, `t` frames (time), `c` channels, `h` rows,
/// `w` columns. Any order of them that has `h` and `w`, such as `thw`, `ntchw` or `nhwt`; or `auto`, the default. Without
/// `t` a file holds one frame, and the files of a folder are the frames of a sequence.
///
/// Axes that the names of the dimensions contradict are refused: where a file names its dimensions, these decide.
///
/// `auto` takes the axes by the names of the dimensions and the attributes of their coordinates, where a netCDF or HDF5 file has these and
/// they tell each axis (CF conventions: `axis`, `standard_name`, `units`), otherwise by the shape. This rule is the same for arrays of every format (`.npy`, `.npz`, HDF5, netCDF) and in every
/// command (`train`, `tune`, `eval`, `predict`):
///
/// | shape | axes | what it is |
/// |---|---|---|
/// | two axes | `hw` | one grey frame |
/// | three axes | `thw` | one sequence of grey frames |
/// | `[20, N, 64, 64]` | `tnhw` | the test file of Moving MNIST |
/// | any other four axes | `nthw` | sequences of grey frames |
/// | five axes, the third of them 1, 3 or 4 or at most as long as the last | `ntchw` | sequences of frames with channels |
/// | five axes, the last of them 1, 3 or 4 and the third none of these | `nthwc` | sequences of frames with channels |
///
/// A shape that looks like another order is refused, with the orders to choose from:
///
/// | shape | may be |
/// |---|---|
/// | three or four axes, the last of them 1, 3 or 4 | channels or time last |
/// | three or four axes, the last of them at most half as long as each of two equal ones before it | time last |
/// | four axes, the second of them 1 or 3 | channels |
/// | any other five axes | channels third or last |
///
/// ```
/// use convgru_train::dataset::Axes;
///
/// let axes: Axes = "tchw".parse()?;
/// assert_eq!(axes.to_string(), "tchw");
/// assert_eq!("auto".parse::<Axes>()?, Axes::default());
/// assert!("tch".parse::<Axes>().unwrap_err().contains("h and w"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axes(Vec<Axis>);

impl std::str::FromStr for Axes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::default());
        }
        let refuse = || {
            format!(
                "`{text}` names no axes; write \"auto\", or a letter for each axis, each once, with h and w among them: n sequences, \
                 t frames, c channels, h rows, w columns, such as \"thw\", \"tchw\", \"nthw\", \"ntchw\", \"tnhw\" or \"nhwt\""
            )
        };
        let named = |letter| Axis::ALL.iter().find(|(own, _)| *own == letter).map(|(_, axis)| *axis);
        let axes: Vec<Axis> = text.chars().map(named).collect::<Option<_>>().ok_or_else(refuse)?;
        let count = |axis| axes.iter().filter(|own| **own == axis).count();
        let needed = [Axis::Row, Axis::Column].into_iter().all(|axis| count(axis) == 1);
        let others = [Axis::Sequence, Axis::Step, Axis::Channel].into_iter().all(|axis| count(axis) <= 1);
        if needed && others {
            return Ok(Self(axes));
        }
        Err(refuse())
    }
}

impl TryFrom<String> for Axes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Axes> for String {
    fn from(axes: Axes) -> Self {
        axes.to_string()
    }
}

impl std::fmt::Display for Axes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("auto");
        }
        self.0.iter().try_for_each(|axis| write!(f, "{}", axis.letter()))
    }
}

impl FromIterator<Axis> for Axes {
    fn from_iter<I: IntoIterator<Item = Axis>>(axes: I) -> Self {
        Self(axes.into_iter().collect())
    }
}

impl Axes {
    /// Whether file and shape tell the axes.
    pub(in crate::dataset) fn is_auto(&self) -> bool {
        self.0.is_empty()
    }

    /// Frames `[T, C, H, W]` as an array of these axes, which is read as they are with the same axes: its shape and its numbers. `auto` is
    /// `[T, H, W]` of one channel and `[1, T, C, H, W]` of several. An axis of frames that is not among them, and one of several channels, come
    /// first.
    pub(crate) fn arranged(&self, frames: &Tensor<f32>) -> (Vec<usize>, Vec<f32>) {
        let size = |axis: Axis| match axis {
            Axis::Sequence => 1,
            Axis::Step => frames.shape()[0],
            Axis::Channel => frames.shape()[1],
            Axis::Row => frames.shape()[2],
            Axis::Column => frames.shape()[3],
        };
        let stride = |axis: Axis| match axis {
            Axis::Sequence => 0,
            Axis::Step => size(Axis::Channel) * size(Axis::Row) * size(Axis::Column),
            Axis::Channel => size(Axis::Row) * size(Axis::Column),
            Axis::Row => size(Axis::Column),
            Axis::Column => 1,
        };
        let mut axes = match (self.is_auto(), size(Axis::Channel)) {
            (true, 1) => vec![Axis::Step, Axis::Row, Axis::Column],
            (true, _) => vec![Axis::Sequence, Axis::Step, Axis::Channel, Axis::Row, Axis::Column],
            (false, _) => self.0.clone(),
        };
        if !axes.contains(&Axis::Channel) && size(Axis::Channel) > 1 {
            axes.insert(0, Axis::Channel);
        }
        if !axes.contains(&Axis::Step) {
            axes.insert(0, Axis::Step);
        }
        let places = axes.iter().fold(vec![0], |before: Vec<usize>, &axis| {
            let along = |begin: usize| (0..size(axis)).map(move |at| begin + at * stride(axis));
            before.into_iter().flat_map(along).collect()
        });
        let numbers = places.into_iter().map(|place| frames.as_slice()[place]).collect();
        (axes.into_iter().map(size).collect(), numbers)
    }

    /// How many axes an array of frames may have.
    pub(in crate::dataset) fn counts(&self) -> std::ops::RangeInclusive<usize> {
        if self.0.is_empty() { 3..=5 } else { self.0.len()..=self.0.len() }
    }

    /// What the axes of an array of a shape may be where nothing else is known.
    pub(super) fn orders_of_shape(shape: &[usize]) -> Vec<Vec<Axis>> {
        orders(shape).iter().filter_map(|order| order.parse::<Self>().ok()).map(|axes| axes.0).collect()
    }

    /// The orders that a shape alone leaves open, with what an array of it holds then; none where it leaves one.
    pub(in crate::dataset) fn choices(shape: &[usize]) -> Vec<(&'static str, String)> {
        match orders(shape) {
            [_] => Vec::new(),
            several => several.iter().map(|order| (*order, held(order, shape))).collect(),
        }
    }

    /// What an array of a shape holds if its axes have an order, in words.
    pub(in crate::dataset) fn held(order: &str, shape: &[usize]) -> String {
        held(order, shape)
    }

    /// What the axes of an array of this shape are. Nothing else decides it: a shape that could mean several things is refused here.
    ///
    /// # Errors
    /// The shape and what to set, as the end of a sentence about the file.
    pub(in crate::dataset) fn of_shape(&self, shape: &[usize]) -> Result<Vec<Axis>, String> {
        if self.0.is_empty() {
            return by_shape(shape);
        }
        if self.0.len() == shape.len() {
            return Ok(self.0.clone());
        }
        Err(format!(
            "has shape {shape:?}, but data.frames.axes = \"{self}\" names {} axes (of a trained model it is that of the training); name each \
             axis of the file once, or let names or shape tell them (\"auto\"; eval, predict and watch: --axes auto)",
            self.0.len()
        ))
    }
}

/// The orders that the axes of an array of a shape may have: see [`Axes`].
fn orders(shape: &[usize]) -> &'static [&'static str] {
    let is_channels = |length: &usize| CHANNELS.contains(length);
    let time_may_be_last = |[rows, columns, last]: [usize; 3]| rows == columns && last <= columns / 2;
    match shape {
        [t, _, h, w] if [*t, *h, *w] == MOVING_MNIST => &["tnhw"],
        [_, _] => &["hw"],
        [_, _, w] if is_channels(w) => &["thw", "hwt", "hwc"],
        &[a, b, c] if time_may_be_last([a, b, c]) => &["thw", "hwt"],
        [_, _, _] => &["thw"],
        [_, _, _, w] if is_channels(w) => &["thwc", "nhwt", "nthw"],
        &[_, b, c, d] if time_may_be_last([b, c, d]) => &["nthw", "nhwt"],
        [_, 1 | 3, _, _] => &["tchw", "nthw"],
        [_, _, _, _] => &["nthw"],
        [_, _, c, _, w] => match (is_channels(c), is_channels(w)) {
            (true, false) => &["ntchw"],
            (false, true) => &["nthwc"],
            (false, false) if c <= w => &["ntchw"],
            _ => &["ntchw", "nthwc"],
        },
        _ => &[],
    }
}

/// The axes of an array by its shape alone.
fn by_shape(shape: &[usize]) -> Result<Vec<Axis>, String> {
    match orders(shape) {
        [] => Err(format!(
            "has shape {shape:?}, but frames have two to five axes; [H, W], [T, H, W], [N, T, H, W] and [N, T, C, H, W] are read, and other \
             orders where data.frames.axes (--axes of eval, predict and watch) names them"
        )),
        [only] => Ok(only.parse::<Axes>()?.0),
        several => {
            let read: Vec<String> = several.iter().map(|order| meaning(order, shape)).collect();
            Err(format!(
                "has shape {shape:?}, which may be {}; set data.frames.axes ({OPTION_FOR_AXES}) to the one it is",
                read.join(", or ")
            ))
        }
    }
}

/// An order of axes, and what an array of a shape holds if it is that.
fn meaning(order: &str, shape: &[usize]) -> String {
    format!("\"{order}\" ({})", Axes::held(order, shape))
}

/// As [`Axes::held`].
fn held(order: &str, shape: &[usize]) -> String {
    let length = |letter| order.find(letter).map_or(1, |at| shape[at]);
    let [n, t, c, h, w] = ['n', 't', 'c', 'h', 'w'].map(length);
    let sequences = if n == 1 { "a sequence".into() } else { format!("{n} sequences") };
    let channels = if c == 1 { String::new() } else { format!(" with {c} channels") };
    match order.contains('t') {
        true => format!("{sequences} of {} of {h} x {w} pixels{channels}", counted(t, "frame")),
        false => format!("a frame of {h} x {w} pixels{channels}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shape: &[usize]) -> Result<String, String> {
        Axes::default().of_shape(shape).map(|axes| Axes(axes).to_string())
    }

    #[test]
    fn shapes_with_one_meaning_are_read() {
        for (shape, axes) in [
            (&[9, 8][..], "hw"),
            (&[9, 9, 8], "thw"),
            (&[6, 16, 20], "thw"),
            (&[4, 30, 12, 16], "nthw"),
            (&[10, 4, 8, 8], "nthw"),
            (&[20, 7, 64, 64], "tnhw"),
            (&[2, 5, 3, 8, 8], "ntchw"),
            (&[2, 5, 2, 8, 8], "ntchw"),
            (&[4, 4, 12, 16, 1], "nthwc"),
        ] {
            assert_eq!(read(shape).unwrap(), axes, "{shape:?}");
        }
    }

    #[test]
    fn shapes_with_several_meanings_are_refused_with_these() {
        for (shape, orders) in [
            (&[64, 64, 3][..], &["thw", "hwt", "hwc"][..]),
            (&[384, 384, 49], &["thw", "hwt"]),
            (&[40, 32, 32, 3], &["thwc", "nhwt", "nthw"]),
            (&[4, 12, 16, 4], &["thwc", "nhwt", "nthw"]),
            (&[7, 384, 384, 49], &["nthw", "nhwt"]),
            (&[40, 3, 32, 32], &["tchw", "nthw"]),
            (&[40, 1, 32, 32], &["tchw", "nthw"]),
            (&[2, 5, 3, 8, 3], &["ntchw", "nthwc"]),
            (&[2, 5, 32, 32, 2], &["ntchw", "nthwc"]),
        ] {
            let error = read(shape).unwrap_err();
            assert!(error.contains("data.frames.axes") && error.contains(&format!("{shape:?}")), "{error}");
            for order in orders {
                assert!(error.contains(&format!("\"{order}\"")), "{error}");
                let named: Axes = order.parse().unwrap();
                assert_eq!(named.of_shape(shape).unwrap(), named.0, "{shape:?}");
            }
        }
        assert_eq!(
            read(&[40, 32, 32, 3]).unwrap_err(),
            "has shape [40, 32, 32, 3], which may be \"thwc\" (a sequence of 40 frames of 32 x 32 pixels with 3 channels), or \
             \"nhwt\" (40 sequences of 3 frames of 32 x 32 pixels), or \"nthw\" (40 sequences of 32 frames of 32 x 3 pixels); set \
             data.frames.axes (--axes of eval, predict and watch) to the one it is"
        );
    }

    #[test]
    fn other_numbers_of_axes_are_refused() {
        for shape in [&[4][..], &[1; 6]] {
            assert!(read(shape).unwrap_err().contains("two to five axes"));
        }
        let error = "thw".parse::<Axes>().unwrap().of_shape(&[2, 3, 4, 5]).unwrap_err();
        assert!(error.contains("\"thw\" names 3 axes") && error.contains("[2, 3, 4, 5]"), "{error}");
        assert!(error.contains("--axes auto") && error.contains("training"), "{error}");
    }
}
