//! How far frames lie apart in time, and which of them follow each other: one rule for all that goes on from frames.
//!
//! A step is as `--minutes-per-step` says, otherwise as in the training, otherwise as the frames usually come. A frame [follows] another if their
//! distance is within half of a step; any other distance is a gap. The usual distance is the step of the training, or its clock is
//! [rough](is_rough_clock).

/// The share of a step by which distances may differ, as clocks do.
pub(crate) const ROUGH_CLOCK: f64 = 0.02;

/// Whether a frame follows another one without a gap.
pub(crate) fn follows(distance: f64, step: f64) -> bool {
    (distance - step).abs() < 0.5 * step
}

/// The median, the lower one of two.
pub(crate) fn usual_distance(distances: &[f64]) -> Option<f64> {
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Whether frames that follow each other come a step apart by a clock that is not exact: their distances differ, and the last frame is within
/// half of a step of its place after the first.
pub(crate) fn is_rough_clock(distances: &[f64], step: f64) -> bool {
    let lowest = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let whole: f64 = distances.iter().sum();
    highest - lowest > ROUGH_CLOCK * step && (whole - step * distances.len() as f64).abs() < 0.5 * step
}

/// Why frames of known times do not come at a distance that is told, none of theirs being a step: the end of a sentence about them. All in minutes.
pub(crate) fn contradiction(distances: &[f64], told: f64) -> Option<String> {
    let usual = usual_distance(distances).filter(|_| !distances.iter().any(|&own| follows(own, told)))?;
    Some(format!(
        "has a frame every {} minutes by its times, and no two frames {told} minutes apart, which minutes_per_step says; leave \
         --minutes-per-step (data.frames.minutes_per_step) out where times are known, or correct it",
        (usual * 100.0).round() / 100.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_rough_and_another_distance_is_none() {
        assert!(follows(4.0, 5.0) && follows(7.0, 5.0) && !follows(7.5, 5.0) && !follows(10.0, 5.0));
        assert!(!follows(5.0, 10.0), "twice as many frames");
        for rough in [&[4.0, 6.0][..], &[6.0, 4.0, 5.0], &[6.0, 5.0, 6.0], &[4.0, 5.0, 6.0, 4.0]] {
            assert!(is_rough_clock(rough, 5.0), "{rough:?}");
        }
        for other in [&[][..], &[6.0], &[6.0, 6.0], &[6.0, 6.0, 7.0, 6.0], &[4.0, 4.0, 3.5, 4.0]] {
            assert!(!is_rough_clock(other, 5.0), "{other:?}");
        }
        assert_eq!(usual_distance(&[5.0, 10.0]), Some(5.0));
        assert_eq!(usual_distance(&[]), None);
        let error = contradiction(&[10.0, 10.0, 40.0], 5.0).unwrap();
        assert!(error.contains("every 10 minutes") && error.contains("5 minutes apart"), "{error}");
        for (distances, told) in [(&[5.0, 10.0][..], 5.0), (&[], 5.0), (&[40.0, 6.0], 5.0)] {
            assert_eq!(contradiction(distances, told), None);
        }
    }
}
