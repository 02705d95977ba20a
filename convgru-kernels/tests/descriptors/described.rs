//! Feature maps as they are described, and the numbers that replace some of their own.

use convgru_kernels::{Extent, FeatureMaps, Scalar};
use proptest::prelude::*;

/// Feature maps that may be or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described {
    pub(crate) extent: Extent,
    pub(crate) sections: usize,
    pub(crate) halo: [usize; 2],
}

/// One number of a descriptor that is replaced: which of them, and by what.
pub(crate) type Change = (usize, usize);

/// Small numbers, and such as are near the ends of their types or of what is allowed.
pub(crate) fn number() -> impl Strategy<Value = usize> {
    let ends = [
        1 << 24,
        (1 << 24) + 1,
        1 << 31,
        1 << 32,
        (1 << 32) + 1,
        1 << 57,
        1 << 58,
        (1 << 60) + 1,
        1 << 62,
        isize::MAX as usize,
        isize::MAX as usize + 1,
        (1 << 63) + 2,
        usize::MAX - 1,
        usize::MAX,
    ];
    prop_oneof![
        5 => 0usize..=9,
        1 => 250usize..=300,
        4 => proptest::sample::select(ends.to_vec()),
    ]
}

/// None to two changes, most often one.
pub(crate) fn changes(places: usize) -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec((0..places, number()), 0..=2)
}

impl Described {
    /// Numbers that can be replaced.
    pub(crate) const PLACES: usize = 7;

    pub(crate) fn new(extent: Extent, sections: usize, halo: usize) -> Self {
        Self { extent, sections, halo: [halo; 2] }
    }

    pub(crate) fn change(&mut self, (place, value): Change) {
        let Self { extent, sections, halo: [rows, columns] } = self;
        let Extent { batch, channels, height, width } = extent;
        *[batch, channels, height, width, sections, rows, columns][place] = value;
    }

    /// Elements of its memory, at most so many.
    fn elements(&self) -> usize {
        let [rows, columns] = self.halo;
        let Extent { batch, channels, height, width } = self.extent;
        let sides = [(height, rows), (width, columns)]
            .map(|(size, halo)| size.saturating_add(halo.saturating_mul(2)));
        let whole = channels.saturating_add(self.sections.saturating_mul(16));
        let sizes = [batch, whole, sides[0], sides[1]];
        sizes.iter().fold(1, |product, &size| product.saturating_mul(size.max(1)))
    }

    /// The maps with numbers in them, if there are such. Those too large for a test are only asked for, where no
    /// memory of any machine holds them.
    pub(crate) fn maps<T: Scalar>(&self, seed: usize, tally: &crate::Tally) -> Option<FeatureMaps<T>> {
        let elements = self.elements();
        if elements > 1 << 17 && elements < 1 << 47 {
            return None;
        }
        let maps = FeatureMaps::sectioned(self.extent, self.sections, self.halo);
        let computed = tally.count("FeatureMaps::sectioned", &maps);
        if elements > 1 << 17 {
            assert!(!computed || self.extent.is_empty(), "{self:?}");
            return None;
        }
        assert!(computed || self.sections == 0 || !self.extent.channels.is_multiple_of(self.sections));
        let mut maps = maps.ok()?;
        maps.as_mut().read_nchw(&numbers(self.extent.len(), seed)).unwrap();
        Some(maps)
    }
}

/// Small whole numbers without a pattern a mistake could hide behind: sums of their products are exact.
pub(crate) fn numbers<T: Scalar>(len: usize, seed: usize) -> Vec<T> {
    (0..len)
        .map(|i| {
            let x = (i + seed * 1_000_003).wrapping_mul(2_654_435_761) >> 7;
            T::from_f64((x % 5) as f64 - 2.0)
        })
        .collect()
}

/// All numbers in `[N, C, H, W]` order, exactly.
pub(crate) fn values<T: Scalar>(maps: &FeatureMaps<T>) -> Vec<f64> {
    let mut values = vec![T::ZERO; maps.extent().len()];
    maps.as_ref().write_nchw(&mut values).unwrap();
    values.iter().map(|value| value.to_f64()).collect()
}

/// The same numbers within an error relative to the largest.
pub(crate) fn assert_close(got: &[f64], exact: &[f64], error: f64, what: &str) {
    assert_eq!(got.len(), exact.len(), "{what}");
    let largest = exact.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
    for (i, (got, exact)) in got.iter().zip(exact).enumerate() {
        assert!((got - exact).abs() <= error * largest, "{what}[{i}]: {got} instead of {exact}");
    }
}
