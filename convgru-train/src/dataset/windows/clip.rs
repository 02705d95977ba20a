//! Frames that follow each other without a gap, in memory.

use crate::dataset::timestamp::Timestamp;

/// Frames that follow each other without a gap.
#[derive(Clone, Debug)]
pub(in crate::dataset) struct Clip {
    /// What it is part of, such as an event or a file.
    pub(in crate::dataset) name: String,
    /// When it begins, where that is known.
    pub(in crate::dataset) time_axis: Option<TimeAxis>,
    /// The shape of a frame, `[C, H, W]`.
    pub(in crate::dataset) shape: [usize; 3],
    /// The pixels, `[T, C, H, W]`.
    pub(in crate::dataset) pixels: Pixels,
}

/// The times of the frames of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dataset) struct TimeAxis {
    /// The time of the first frame.
    pub(in crate::dataset) first: Timestamp,
    /// Minutes from a frame to the next.
    pub(in crate::dataset) step: i64,
}

/// Pixels as they are kept: codes that [`Codebook`] give a meaning, or values.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) enum Pixels {
    /// A code of 8 bits a pixel.
    Bytes(Vec<u8>),
    /// A code of 16 bits a pixel.
    Words(Vec<u16>),
    /// Values, NaN where a pixel is missing.
    Values(Vec<f32>),
}

/// The values of the codes of some clips: one for each code, NaN for a missing pixel.
#[derive(Clone, Debug, Default)]
pub(in crate::dataset) struct Codebook(Vec<f32>);

/// The most values a code of 16 bits stands for; the last of them is left for missing pixels.
const FINEST: u16 = u16::MAX - 1;

impl Clip {
    /// The number of frames.
    pub(in crate::dataset) fn len(&self) -> usize {
        self.pixels.len() / self.shape.iter().product::<usize>().max(1)
    }

    /// What to call the frame at a place.
    pub(in crate::dataset) fn label(&self, frame: usize) -> String {
        label(self.time_axis, &self.name, frame)
    }
}

/// What to call a frame: by its time where that is known, otherwise by what it is part of.
pub(in crate::dataset) fn label(time_axis: Option<TimeAxis>, name: &str, frame: usize) -> String {
    match time_axis {
        Some(time_axis) => time_axis.first.plus(time_axis.step.saturating_mul(frame as i64)).to_string(),
        None if name.is_empty() => format!("frame {frame}"),
        None => format!("{name}, frame {frame}"),
    }
}

impl Pixels {
    /// The number of pixels of all channels and frames.
    pub(in crate::dataset) fn len(&self) -> usize {
        match self {
            Self::Bytes(codes) => codes.len(),
            Self::Words(codes) => codes.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// Bytes of memory.
    pub(in crate::dataset) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(codes) => codes.len(),
            Self::Words(codes) => 2 * codes.len(),
            Self::Values(values) => 4 * values.len(),
        }
    }

    /// The value of a pixel, NaN where it is missing.
    #[inline]
    pub(in crate::dataset) fn value(&self, at: usize, codebook: &Codebook) -> f32 {
        match self {
            Self::Bytes(codes) => codebook.0[usize::from(codes[at])],
            Self::Words(codes) => codebook.0[usize::from(codes[at])],
            Self::Values(values) => values[at],
        }
    }
}

impl Codebook {
    /// A value for each code of `bits` bits.
    pub(in crate::dataset) fn of_codes(bits: u32, value: impl Fn(u16) -> f32) -> Self {
        let codes = 1u32 << bits.min(16);
        Self((0..codes).map(|code| value(code as u16)).collect())
    }

    /// Codes of 16 bits for values from 0 to 1, written by [`encode`].
    pub(in crate::dataset) fn fine() -> Self {
        Self::of_codes(16, decode)
    }
}

/// The value of a code of [`Codebook::fine`], NaN of a missing pixel.
pub(in crate::dataset) fn decode(code: u16) -> f32 {
    if code > FINEST { f32::NAN } else { f32::from(code) / f32::from(FINEST) }
}

/// The code of a value that [`Codebook::fine`] give back, to half of 1/65534; NaN is a missing
/// pixel.
pub(in crate::dataset) fn encode(value: f64) -> u16 {
    if value.is_nan() {
        return u16::MAX;
    }
    (value.clamp(0.0, 1.0) * f64::from(FINEST)).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn codes_give_values_back(value in 0.0f64..=1.0) {
            let pixels = Pixels::Words(vec![encode(value)]);
            let back = pixels.value(0, &Codebook::fine());
            prop_assert!((f64::from(back) - value).abs() < 0.51 / 65534.0);
        }
    }

    #[test]
    fn a_value_of_a_code_has_that_code() {
        assert!((0..=u16::MAX).all(|code| encode(f64::from(decode(code))) == code));
    }

    #[test]
    fn the_ends_are_exact_and_missing_pixels_have_a_code() {
        let pixels = Pixels::Words([0.0, 1.0, f64::NAN, -3.0, 7.0].map(encode).to_vec());
        let values: Vec<f32> = (0..5).map(|at| pixels.value(at, &Codebook::fine())).collect();
        assert_eq!((values[0], values[1], values[3], values[4]), (0.0, 1.0, 0.0, 1.0));
        assert!(values[2].is_nan());
    }

    #[test]
    fn frames_are_called_by_their_time() {
        let time_axis = TimeAxis { first: Timestamp::in_text("201609282355").unwrap(), step: 5 };
        let mut clip = Clip {
            name: "a".into(),
            time_axis: Some(time_axis),
            shape: [1, 2, 2],
            pixels: Pixels::Bytes(vec![0; 12]),
        };
        assert_eq!((clip.len(), clip.pixels.bytes()), (3, 12));
        assert_eq!(clip.label(1), "2016-09-29 00:00");
        clip.time_axis = None;
        assert_eq!(clip.label(2), "a, frame 2");
    }
}
