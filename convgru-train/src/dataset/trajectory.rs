//! The path of one digit: straight on until a wall, then back.

use rand_chacha::ChaCha8Rng;

use super::random::{between, direction, unit};

/// A point that bounces inside the unit square, which is the free canvas: the
/// places where the top left corner of a digit may be.
///
/// The motion follows Srivastava, Mansimov and Salakhutdinov 2015,
/// "Unsupervised Learning of Video Representations using LSTMs", as their
/// generator computes it. A point that reaches a wall stays on it for that
/// frame and turns back, per coordinate:
///
/// ```text
/// p <- p + v
/// p <= 0:  p <- 0, v <- -v
/// p >= 1:  p <- 1, v <- -v
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trajectory {
    /// x and y, each in 0..=1.
    position: [f64; 2],
    /// The way of one frame, in units of the free canvas.
    velocity: [f64; 2],
}

impl Trajectory {
    /// A uniform start, a uniform direction, and a speed that is uniform in
    /// `speed`, in units of the free canvas per frame.
    pub(super) fn random(random: &mut ChaCha8Rng, speed: [f64; 2]) -> Self {
        let position = [unit(random), unit(random)];
        let length = between(random, speed[0], speed[1]);
        let velocity = direction(random).map(|component| component * length);
        Self { position, velocity }
    }

    /// Goes on by one frame.
    pub(super) fn advance(&mut self) {
        for (position, velocity) in self.position.iter_mut().zip(&mut self.velocity) {
            *position += *velocity;
            if *position <= 0.0 {
                *position = 0.0;
                *velocity = -*velocity;
            } else if *position >= 1.0 {
                *position = 1.0;
                *velocity = -*velocity;
            }
        }
    }

    /// The corner as whole pixels `[x, y]` on a free canvas of `free` pixels,
    /// rounded down; each in `0..=free`.
    pub(super) fn pixel(&self, free: usize) -> [usize; 2] {
        self.position.map(|position| (free as f64 * position) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;
    use crate::dataset::random::{Purpose, SampleKey, generator};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_point_stays_inside_and_keeps_its_speed(
            seed: u64, free in 1usize..200, low in 0.0f64..1.0, extra in 0.0f64..1.0,
        ) {
            let sample = SampleKey { seed, split: Split::Train, epoch: 0, index: 0 };
            let speed = [low, (low + extra).min(1.0)];
            let mut path = Trajectory::random(&mut generator(Purpose::Digits, sample), speed);
            let start = path.velocity.map(f64::abs);
            let length = start[0].hypot(start[1]);
            prop_assert!(length >= speed[0] - 1e-12 && length <= speed[1] + 1e-12);
            for _ in 0..100 {
                let before = path;
                path.advance();
                prop_assert_eq!(path.velocity.map(f64::abs), start);
                for (axis, &component) in start.iter().enumerate() {
                    prop_assert!((0.0..=1.0).contains(&path.position[axis]));
                    prop_assert!(path.pixel(free)[axis] <= free);
                    let turned = path.velocity[axis] != before.velocity[axis];
                    let at_wall = path.position[axis] == 0.0 || path.position[axis] == 1.0;
                    prop_assert_eq!(turned, at_wall && component != 0.0);
                }
            }
        }
    }

    #[test]
    fn a_wall_stops_the_point_for_one_frame_and_sends_it_back() {
        let mut path = Trajectory { position: [0.75, 0.25], velocity: [0.5, -0.125] };
        let mut seen = Vec::new();
        for _ in 0..5 {
            path.advance();
            seen.push(path.position);
        }
        assert_eq!(seen, [[1.0, 0.125], [0.5, 0.0], [0.0, 0.125], [0.5, 0.25], [1.0, 0.375]]);
        assert_eq!(path.pixel(36), [36, 13]);
    }
}
