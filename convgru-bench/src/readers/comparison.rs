//! A drawn file, read by convgru and compared with the reference.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use convgru_train::ReadBudget;
use convgru_train::dataset::{FramesConfig, read_numbers};

use super::drawn::{self, Line};

/// Memory for a file, which is far larger than any that is drawn.
const BUDGET_MIB: usize = 1024;

/// How a file was read.
#[derive(Debug, PartialEq)]
pub(super) enum Comparison {
    /// As the reference reads it.
    Equal,
    /// For a reason that the draw names.
    Refused(String),
    /// Otherwise, or refused without such a reason.
    Failed(String),
}

/// Reads a file and compares.
///
/// # Errors
/// What is wrong with the script, not with the reader.
pub(super) fn compare(line: &Line, folder: &Path) -> anyhow::Result<Comparison> {
    let expected = drawn::expected(line, folder)?;
    let mut config = FramesConfig {
        variable: line.config.variable.clone(),
        member: line.config.member.clone(),
        ..FramesConfig::default()
    };
    if let Some(axes) = &line.config.axes {
        config.axes = axes.parse().map_err(anyhow::Error::msg)?;
    }
    let path = folder.join(&line.file);
    let read = catch_unwind(AssertUnwindSafe(|| {
        read_numbers(&path, &config, &ReadBudget::new(BUDGET_MIB, "memory"))
    }));
    Ok(match read {
        Err(_) => Comparison::Failed("the reader panics".into()),
        Ok(Err(error)) => {
            // The path is another for each draw.
            let reason = error.to_string().replace(&*folder.to_string_lossy(), "");
            let lower = reason.to_lowercase();
            match line.refusals.iter().any(|own| lower.contains(&own.to_lowercase())) {
                true => Comparison::Refused(reason),
                false => Comparison::Failed(format!("it is refused: {reason}")),
            }
        }
        Ok(Ok(numbers)) if numbers.shape() != line.shape => {
            Comparison::Failed(format!("its shape is {:?} instead of {:?}", numbers.shape(), line.shape))
        }
        Ok(Ok(numbers)) => match difference(numbers.as_slice(), &expected, line.roundings) {
            None => Comparison::Equal,
            Some(difference) => Comparison::Failed(difference),
        },
    })
}

/// How many numbers differ by more than some roundings, with the first of them; `None` if all are equal. Any NaN is equal to any other.
fn difference(found: &[f32], expected: &[f32], roundings: u32) -> Option<String> {
    let differs = |(found, expected): (&f32, &f32)| {
        let is_equal =
            found.is_nan() && expected.is_nan() || distance(*found, *expected) <= u64::from(roundings);
        !is_equal
    };
    let places: Vec<usize> =
        found.iter().zip(expected).enumerate().filter(|(_, pair)| differs(*pair)).map(|(at, _)| at).collect();
    let first = *places.first()?;
    Some(format!(
        "{} of {} numbers differ, the first at {first}: {:?} instead of {:?}",
        places.len(),
        expected.len(),
        found[first],
        expected[first]
    ))
}

/// How many numbers of `f32` lie between two, which are one apart if the second follows the first; the largest number where one is NaN.
fn distance(a: f32, b: f32) -> u64 {
    if a.is_nan() || b.is_nan() {
        return u64::MAX;
    }
    let ordered = |number: f32| {
        let bits = i64::from(number.to_bits() & 0x7fff_ffff);
        // Zero with a sign is another number than without.
        if number.is_sign_negative() { -bits - 1 } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_bits_are_equal() {
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(difference(&[1.0, f32::NAN], &[1.0, f32::NAN], 0), None);
        for (found, expected) in [(1.0, next), (0.0, -0.0), (f32::NAN, 1.0), (1.0, f32::NAN), (-1.0, 1.0)] {
            let told = difference(&[found], &[expected], 0).unwrap();
            assert!(told.contains("1 of 1"), "{told}");
        }
        assert_eq!(difference(&[next], &[1.0], 1), None);
        assert!(difference(&[f32::NAN], &[1.0], 1).is_some() && difference(&[2.0], &[1.0], 1).is_some());
    }

    #[test]
    fn a_file_is_equal_refused_for_a_named_reason_or_fails() {
        let folder = tempfile::tempdir().unwrap();
        let write = |numbers: [f32; 2], file: &str| {
            let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
            let header = format!("{header:<117}\n");
            let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
            let bytes: Vec<u8> =
                b"\x93NUMPY\x01\x00\x76\x00".iter().copied().chain(header.bytes()).chain(bytes).collect();
            std::fs::write(folder.path().join(file), bytes).unwrap();
        };
        let expected: Vec<u8> = [3.0f32, 4.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(folder.path().join("numpy-5.f32"), expected).unwrap();
        let line = |file: &str, refusals: &[&str]| Line {
            kind: "numpy".into(),
            number: 5,
            file: file.into(),
            shape: [1, 1, 1, 1, 2],
            refusals: refusals.iter().map(|&own| own.to_owned()).collect(),
            ..Line::default()
        };
        write([3.0, 4.0], "numpy-5.npy");
        assert_eq!(compare(&line("numpy-5.npy", &[]), folder.path()).unwrap(), Comparison::Equal);
        let moved = Line { shape: [1, 1, 1, 2, 1], ..line("numpy-5.npy", &[]) };
        assert!(matches!(compare(&moved, folder.path()).unwrap(), Comparison::Failed(_)));
        write([3.0, 5.0], "numpy-5.npy");
        assert!(matches!(compare(&line("numpy-5.npy", &[]), folder.path()).unwrap(), Comparison::Failed(_)));
        std::fs::write(folder.path().join("numpy-5.npy"), "no array").unwrap();
        assert!(matches!(compare(&line("numpy-5.npy", &[]), folder.path()).unwrap(), Comparison::Failed(_)));
        let refused = compare(&line("numpy-5.npy", &["NUMPY"]), folder.path()).unwrap();
        assert!(matches!(refused, Comparison::Refused(_)));
        let kept = folder.path().join("kept");
        drawn::keep(&line("numpy-5.npy", &[]), folder.path(), &kept).unwrap();
        drawn::delete(&line("numpy-5.npy", &[]), folder.path()).unwrap();
        assert!(kept.join("numpy-5.npy").exists() && kept.join("numpy-5.f32").exists());
        assert!(!folder.path().join("numpy-5.npy").exists());
    }
}
