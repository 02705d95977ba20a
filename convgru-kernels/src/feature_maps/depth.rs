//! Between space and channels: a patch of `r x r` pixels is `r^2` groups of channels of one pixel.

use super::extent::{Extent, expect_extent};
use super::layout::MapLayout;
use super::rows::RowPlace;
use super::view::{FeatureMapsMut, FeatureMapsRef};
use crate::error::{Error, Result};
use crate::real::Real;

impl<T: Real> FeatureMapsMut<'_, T> {
    /// Fills these maps with the patches of others: `y[(i r + j) C + c, h, w] = x[c, h r + i, w r + j]`, the order of
    /// the operator `SpaceToDepth` of ONNX.
    ///
    /// # Shapes
    /// `flat`: `[N, C, H r, W r]`; these: `[N, r^2 C, H, W]`, in any sections.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) if the extents do not belong together,
    /// [`Error::Factor`](crate::Error::Factor) for patches without pixels or with more than can be counted.
    ///
    /// ```
    /// use convgru_kernels::{Extent, FeatureMaps};
    ///
    /// let extent = Extent { batch: 1, channels: 1, height: 2, width: 4 };
    /// let flat = FeatureMaps::from_nchw(extent, &[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])?;
    /// let mut deep = FeatureMaps::zeros(Extent { batch: 1, channels: 4, height: 1, width: 2 })?;
    /// deep.as_mut().space_to_depth(flat.as_ref(), 2)?;
    /// let mut images = [0.0; 8];
    /// deep.as_ref().write_nchw(&mut images)?;
    /// assert_eq!(images, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    /// # Ok::<(), convgru_kernels::Error>(())
    /// ```
    pub fn space_to_depth(&mut self, flat: FeatureMapsRef<'_, T>, factor: usize) -> Result<()> {
        expect_pair(self.extent(), flat.extent(), factor)?;
        let (layout, source, channels) = (self.layout(), flat.rows(), flat.layout().channels());
        let whole = moves_whole(&layout, &flat.layout(), factor);
        let row_of = |place: RowPlace, tap: usize, block: usize| {
            source.row(RowPlace { block, row: place.row * factor + tap / factor, ..place })
        };
        self.write_rows(|place, row| {
            if whole {
                let (tap, block) = (place.block / channels.blocks(), place.block % channels.blocks());
                let from = row_of(place, tap, block)[tap % factor * T::BLOCK..].chunks(factor * T::BLOCK);
                for (to, from) in row.chunks_exact_mut(T::BLOCK).zip(from) {
                    to.copy_from_slice(&from[..T::BLOCK]);
                }
                return;
            }
            for (lane, deep_channel) in layout.channels().of_block(place.block).enumerate() {
                let (tap, channel) = (deep_channel / channels.count, deep_channel % channels.count);
                let (block, from_lane) = channels.place_of(channel);
                let from = row_of(place, tap, block)[tap % factor * T::BLOCK + from_lane..].iter();
                let to = row[lane..].iter_mut().step_by(T::BLOCK);
                to.zip(from.step_by(factor * T::BLOCK)).for_each(|(to, &from)| *to = from);
            }
        });
        Ok(())
    }

    /// The inverse of [`space_to_depth`](Self::space_to_depth): `y[c, h r + i, w r + j] = x[(i r + j) C + c, h, w]`.
    ///
    /// # Shapes
    /// `deep`: `[N, r^2 C, H, W]`, in any sections; these: `[N, C, H r, W r]`.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) if the extents do not belong together,
    /// [`Error::Factor`](crate::Error::Factor) for patches without pixels or with more than can be counted.
    pub fn depth_to_space(&mut self, deep: FeatureMapsRef<'_, T>, factor: usize) -> Result<()> {
        expect_pair(deep.extent(), self.extent(), factor)?;
        let (layout, source, of_deep) = (self.layout(), deep.rows(), deep.layout().channels());
        let channels = layout.channels();
        let whole = moves_whole(&deep.layout(), &layout, factor);
        self.write_rows(|place, row| {
            for column in 0..factor {
                let tap = place.row % factor * factor + column;
                let row_of = |block: usize| source.row(RowPlace { block, row: place.row / factor, ..place });
                if whole {
                    let from = row_of(tap * channels.blocks() + place.block).chunks_exact(T::BLOCK);
                    let to = row[column * T::BLOCK..].chunks_mut(factor * T::BLOCK);
                    to.zip(from).for_each(|(to, from)| to[..T::BLOCK].copy_from_slice(from));
                    continue;
                }
                for (lane, channel) in channels.of_block(place.block).enumerate() {
                    let (block, from_lane) = of_deep.place_of(tap * channels.count + channel);
                    let from = row_of(block)[from_lane..].iter().step_by(T::BLOCK);
                    let to = row[column * T::BLOCK + lane..].iter_mut().step_by(factor * T::BLOCK);
                    to.zip(from).for_each(|(to, &from)| *to = from);
                }
            }
        });
        Ok(())
    }
}

/// Whether blocks of channels stay together: each group of the deep maps begins at a block.
fn moves_whole(deep: &MapLayout, flat: &MapLayout, factor: usize) -> bool {
    let groups = deep.sections() == factor * factor;
    let whole = deep.sections() == 1 && flat.extent().channels.is_multiple_of(flat.lanes());
    flat.sections() == 1 && (groups || whole)
}

/// Fails unless the extents fit maps and their patches.
fn expect_pair(deep: Extent, flat: Extent, factor: usize) -> Result<()> {
    let of_patch = factor.checked_mul(factor).and_then(|taps| flat.channels.checked_mul(taps));
    let Some(channels) = of_patch.filter(|_| factor > 0) else {
        return Err(Error::Factor { factor, channels: flat.channels });
    };
    let expected = flat.with_channels(channels);
    let sides = deep.height.checked_mul(factor).zip(deep.width.checked_mul(factor));
    let (height, width) = sides.unwrap_or((usize::MAX, usize::MAX));
    expect_extent("maps of patches", expected, Extent { height, width, ..deep })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FeatureMaps;

    fn image<T: Real>(maps: &FeatureMaps<T>) -> Vec<T> {
        let mut images = vec![T::ZERO; maps.extent().len()];
        maps.as_ref().write_nchw(&mut images).unwrap();
        images
    }

    /// Every number is where the definition has it, and comes back.
    fn check<T: Real>(channels: usize, factor: usize, sections: usize) {
        let flat_extent = Extent { batch: 2, channels, height: 3 * factor, width: 2 * factor };
        let deep_extent = Extent { channels: channels * factor * factor, height: 3, width: 2, ..flat_extent };
        let numbers: Vec<T> = (0..flat_extent.len()).map(|i| T::from_f64(1.0 + i as f64)).collect();
        let flat = FeatureMaps::from_nchw(flat_extent, &numbers).unwrap();
        let mut deep = FeatureMaps::sectioned(deep_extent, sections, [1, 2]).unwrap();
        deep.as_mut().space_to_depth(flat.as_ref(), factor).unwrap();
        let patches = image(&deep);
        for (index, &number) in numbers.iter().enumerate() {
            let (x, rest) = (index % flat_extent.width, index / flat_extent.width);
            let (y, rest) = (rest % flat_extent.height, rest / flat_extent.height);
            let (c, n) = (rest % channels, rest / channels);
            let deep_channel = (y % factor * factor + x % factor) * channels + c;
            let at = ((n * deep_extent.channels + deep_channel) * 3 + y / factor) * 2 + x / factor;
            assert_eq!(patches[at], number, "{channels} channels, factor {factor}, {sections} sections");
        }
        let mut back = FeatureMaps::with_halo(flat_extent, [2, 1]).unwrap();
        back.as_mut().depth_to_space(deep.as_ref(), factor).unwrap();
        assert_eq!(image(&back), numbers);
    }

    #[test]
    fn patches_are_where_the_definition_has_them() {
        for channels in [1, 3, 8, 16, 19, 32] {
            for factor in [1, 2, 3] {
                for sections in [1, factor * factor] {
                    check::<f32>(channels, factor, sections);
                    check::<f64>(channels, factor, sections);
                }
            }
        }
    }

    #[test]
    fn maps_that_do_not_belong_together_are_refused() {
        let extent = Extent { batch: 1, channels: 2, height: 4, width: 6 };
        let flat = FeatureMaps::<f32>::zeros(extent).unwrap();
        for (channels, height, factor) in [(8, 2, 3), (4, 2, 2), (8, 1, 2), (8, 2, 0)] {
            let mut deep = FeatureMaps::zeros(Extent { batch: 1, channels, height, width: 3 }).unwrap();
            assert!(deep.as_mut().space_to_depth(flat.as_ref(), factor).is_err());
        }
        // Factors whose square wraps to what would fit, and those of maps without numbers.
        for extent in [extent, Extent { height: 0, width: 0, ..extent }] {
            let flat = FeatureMaps::<f32>::zeros(extent).unwrap();
            for factor in [0, 1 << 32, (1 << 32) + 1, 1 << 63, usize::MAX] {
                for channels in [0, 2] {
                    let mut deep = FeatureMaps::zeros(extent.with_channels(channels)).unwrap();
                    let error = deep.as_mut().space_to_depth(flat.as_ref(), factor).unwrap_err();
                    assert!(matches!(error, Error::Factor { .. }), "{factor}: {error}");
                    assert_eq!(
                        FeatureMaps::zeros(extent).unwrap().as_mut().depth_to_space(deep.as_ref(), factor),
                        Err(error)
                    );
                }
            }
        }
    }
}
