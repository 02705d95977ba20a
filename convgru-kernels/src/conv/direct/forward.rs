//! The direct convolution.

use super::band_rows;
use crate::conv::epilogue::{Epilogue, Finish};
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Rows, Segment};
use crate::conv::packed::Packed;
use crate::feature_maps::{Extent, Layout, RowPlace, Rows as FeatureRows};
use crate::parallel::for_each_item;
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;
use crate::simd::{Kernel, Simd};

/// Convolves every image. The halo of the input is as wide as the geometry asks for.
pub(in crate::conv) fn convolve<T: Scalar, E: Epilogue<T>>(
    packed: &Packed<T>,
    input: FeatureRows<'_, T>,
    output: Extent,
    epilogue: &E,
    scratch: &mut Scratchpad<T>,
) {
    let (layout, geometry) = (input.layout, &packed.geometry);
    let row_bytes = layout.row_stride() * layout.blocks() * size_of::<T>();
    let band = band_rows(output.batch * output.height, row_bytes).min(output.height);
    let bands = output.height.div_ceil(band);
    let operations = output.len() * geometry.input.count * geometry.taps();
    let memory = scratch.parts(output.width * packed.panel_width(), 0);
    memory.segments.clear();
    memory.segments.extend(segments(geometry, &layout));
    let segments = &*memory.segments;
    for_each_item(output.batch * bands, operations, memory.lanes, |item, lane| {
        let (image, first) = (item / bands, item % bands * band);
        for panel in 0..packed.panels() {
            let blocks = packed.blocks_of(panel);
            for row in first..output.height.min(first + band) {
                let start = geometry.first_tap(&layout, row, 0);
                // SAFETY: the halo reaches as far as the kernel, so the first tap of the row
                // lies in the plane.
                let a = unsafe { input.plane(image, 0).add(start) };
                let product = Rows {
                    rows: output.width,
                    a,
                    segments,
                    b: packed.panel(panel).as_ptr(),
                    c: lane.as_mut_ptr(),
                    blocks: blocks.len(),
                };
                T::dispatch(packed.isa, OfRow(product));
                let finish = Finish {
                    epilogue,
                    values: lane.as_ptr(),
                    blocks: blocks.len(),
                    place: RowPlace { image, block: blocks.start, row },
                    column: 0,
                    size: [1, output.width],
                    row_columns: output.width,
                };
                T::dispatch(packed.isa, finish);
            }
        }
    });
}

/// Every tap of every block of input channels, relative to the first tap of the first block.
fn segments(geometry: &Geometry, layout: &Layout) -> impl Iterator<Item = Segment> {
    let (layout, [height, width]) = (*layout, geometry.kernel);
    let (input, [down, across]) = (geometry.input, geometry.dilation);
    (0..input.blocks()).flat_map(move |block| {
        (0..height * width).map(move |tap| Segment {
            offset: block * layout.block_stride()
                + tap / width * down * layout.row_stride()
                + tap % width * across * layout.lanes,
            len: input.of_block(block).len(),
        })
    })
}

/// The sums of one row of pixels for one panel.
struct OfRow<'a, T>(Rows<'a, T>);

impl<T: Scalar> Kernel<T> for OfRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        // SAFETY: the segments are taps within the plane and its halo, the panel has a block
        // of rows for each of them, and the lane has room for a row of the panel for each pixel.
        unsafe { self.0.multiply::<S, ROWS, COLUMNS, BLOCK>(s) }
    }
}
