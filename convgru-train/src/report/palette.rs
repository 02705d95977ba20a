//! Colours of the difference between truth and prediction.

/// Stops of the scale from no difference to a full one: black, plum, red,
/// orange, pale yellow. Lightness rises all the way, so that it reads in grey
/// too.
pub(super) const DIFFERENCE: [[u8; 3]; 5] =
    [[0, 0, 0], [76, 18, 92], [196, 46, 74], [248, 142, 52], [252, 246, 190]];

/// The colour of a difference in 0..=1, between the stops of [`DIFFERENCE`].
pub(crate) fn difference_colour(difference: f32) -> [u8; 3] {
    let place = difference.clamp(0.0, 1.0) * (DIFFERENCE.len() - 1) as f32;
    let below = (place as usize).min(DIFFERENCE.len() - 2);
    let share = place - below as f32;
    [0, 1, 2].map(|channel| {
        let (a, b) = (f32::from(DIFFERENCE[below][channel]), f32::from(DIFFERENCE[below + 1][channel]));
        (a + share * (b - a)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_gets_lighter_with_the_difference() {
        let lightness = |i: u16| {
            let [r, g, b] = difference_colour(f32::from(i) / 255.0).map(f32::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        assert!((1..=255).all(|i| lightness(i) >= lightness(i - 1)));
        assert_eq!(difference_colour(0.0), DIFFERENCE[0]);
        assert_eq!(difference_colour(2.0), DIFFERENCE[4]);
        assert_eq!(difference_colour(f32::NAN), DIFFERENCE[0]);
    }
}
