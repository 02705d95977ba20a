//! Colours of rain rates.

/// From this rate on in mm/h a pixel has this colour, up to the next row. Weather maps have such steps, about two to a
/// factor of five; lightness falls all the way, so that more rain is darker to every eye and in grey.
pub(super) const CLASSES: [(f32, [u8; 3]); 9] = [
    (0.1, [206, 231, 247]),
    (0.2, [160, 208, 240]),
    (0.5, [106, 178, 230]),
    (1.0, [58, 145, 210]),
    (2.0, [40, 110, 184]),
    (5.0, [76, 72, 158]),
    (10.0, [124, 40, 134]),
    (20.0, [140, 14, 76]),
    (50.0, [88, 8, 28]),
];

/// No rain.
pub(super) const DRY: [u8; 3] = [250, 250, 248];

/// Nothing was measured.
pub(super) const MISSING: [u8; 3] = [168, 168, 166];

/// The colour of a rate in mm/h, NaN where nothing was measured.
pub(super) fn rain_colour(rate: f32) -> [u8; 3] {
    if rate.is_nan() {
        return MISSING;
    }
    CLASSES.iter().rev().find(|(from, _)| rate >= *from).map_or(DRY, |(_, colour)| *colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_rain_is_darker_and_what_is_missing_is_grey() {
        let lightness =
            |[r, g, b]: [u8; 3]| 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
        let mut last = lightness(rain_colour(0.0));
        for (from, colour) in CLASSES {
            assert_eq!(rain_colour(from), colour);
            assert_ne!(rain_colour(from * 0.99), colour);
            assert!(lightness(colour) < last - 8.0, "{from}");
            last = lightness(colour);
        }
        assert_eq!((rain_colour(-1.0), rain_colour(1e9)), (DRY, CLASSES[8].1));
        assert_eq!(rain_colour(f32::NAN), MISSING);
    }
}
