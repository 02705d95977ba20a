//! What the axes of an array mean.

use serde::{Deserialize, Serialize};

/// The shape of the standard test file of Moving MNIST but for the number of sequences.
const MOVING_MNIST: [usize; 3] = [20, 64, 64];

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

    fn letter(self) -> char {
        Self::ALL.iter().find(|(_, axis)| *axis == self).map_or('?', |(letter, _)| *letter)
    }
}

/// What the axes of an array are, a letter for each, the outermost first: `n` sequences, `t` frames (time), `c` channels, `h` rows,
/// `w` columns. Any order of them that has `t`, `h` and `w`, such as `thw`, `ntchw` or `nhwt`; or `auto`, the default.
///
/// `auto` takes the axes by their number. This rule is the same for arrays of every format (`.npy`, `.npz`, HDF5, netCDF) and in every
/// command (`train`, `tune`, `eval`, `predict`):
///
/// | shape | axes | what it is |
/// |---|---|---|
/// | three axes | `thw` | one sequence of grey frames |
/// | `[20, N, 64, 64]` | `tnhw` | the test file of Moving MNIST |
/// | any other four axes | `nthw` | sequences of grey frames |
/// | five axes | `ntchw` | sequences of frames with channels |
///
/// ```
/// use convgru_train::dataset::Axes;
///
/// let axes: Axes = "tchw".parse()?;
/// assert_eq!(axes.to_string(), "tchw");
/// assert_eq!("auto".parse::<Axes>()?, Axes::default());
/// assert!("chw".parse::<Axes>().unwrap_err().contains("t, h and w"));
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
                "`{text}` names no axes; write \"auto\", or a letter for each axis, each once, with t, h and w among them: n sequences, \
                 t frames, c channels, h rows, w columns, such as \"thw\", \"tchw\", \"nthw\", \"ntchw\", \"tnhw\" or \"nhwt\""
            )
        };
        let named = |letter| Axis::ALL.iter().find(|(own, _)| *own == letter).map(|(_, axis)| *axis);
        let axes: Vec<Axis> = text.chars().map(named).collect::<Option<_>>().ok_or_else(refuse)?;
        let count = |axis| axes.iter().filter(|own| **own == axis).count();
        let needed = [Axis::Step, Axis::Row, Axis::Column].into_iter().all(|axis| count(axis) == 1);
        if needed && count(Axis::Sequence) <= 1 && count(Axis::Channel) <= 1 {
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

impl Axes {
    /// How many axes an array of frames may have.
    pub(in crate::dataset) fn counts(&self) -> std::ops::RangeInclusive<usize> {
        if self.0.is_empty() { 3..=5 } else { self.0.len()..=self.0.len() }
    }

    /// What the axes of an array of this shape are. Nothing else decides it: a shape that could mean several things has to be told
    /// apart, or refused, here.
    ///
    /// # Errors
    /// The shape and what is read, as the end of a sentence about the file.
    pub(in crate::dataset) fn of_shape(&self, shape: &[usize]) -> Result<Vec<Axis>, String> {
        use Axis::{Channel, Column, Row, Sequence, Step};
        let axes = match (&self.0[..], shape) {
            ([], [t, _, h, w]) if [*t, *h, *w] == MOVING_MNIST => vec![Step, Sequence, Row, Column],
            ([], [_, _, _]) => vec![Step, Row, Column],
            ([], [_, _, _, _]) => vec![Sequence, Step, Row, Column],
            ([], [_, _, _, _, _]) => vec![Sequence, Step, Channel, Row, Column],
            (axes, _) => axes.to_vec(),
        };
        if !axes.is_empty() && axes.len() == shape.len() {
            return Ok(axes);
        }
        Err(format!(
            "has shape {shape:?}, but data.frames.axes = {self} asks for other axes; [T, H, W], [N, T, H, W] or [N, T, C, H, W] are read, \
             and others where data.frames.axes says so"
        ))
    }
}
