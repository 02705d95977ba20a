//! Which steps read the truth.

use crate::dataset::{numbered, unit};

/// Separates the random numbers of teacher forcing from the random numbers of the data.
const TEACHER_FORCING_SEED: u64 = 0x7465_6163_6865_7221;

/// Which output steps read the truth: each with the given probability, drawn
/// from the seed and the number of the optimiser step alone.
pub(crate) fn draw_teacher_forced(seed: u64, step: u64, probability: f64, steps: usize) -> Vec<bool> {
    let mut random = numbered(seed, TEACHER_FORCING_SEED, step);
    (0..steps).map(|_| unit(&mut random) < probability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forcing_follows_its_probability_and_derives_from_seed_and_step() {
        assert!(draw_teacher_forced(1, 2, 1.0, 50).iter().all(|&f| f));
        assert!(draw_teacher_forced(1, 2, 0.0, 50).iter().all(|&f| !f));
        assert_eq!(draw_teacher_forced(1, 2, 0.5, 50), draw_teacher_forced(1, 2, 0.5, 50));
        assert_ne!(draw_teacher_forced(1, 2, 0.5, 50), draw_teacher_forced(1, 3, 0.5, 50));
        assert_ne!(draw_teacher_forced(1, 2, 0.5, 50), draw_teacher_forced(2, 2, 0.5, 50));
        let share = draw_teacher_forced(7, 7, 0.3, 10_000).iter().filter(|&&f| f).count();
        assert!((2_800..3_200).contains(&share), "{share}");
    }
}
