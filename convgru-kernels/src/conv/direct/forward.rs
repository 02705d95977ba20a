//! The direct convolution.
//!
//! Unsafe: Items of work have rows that no other has, so that the epilogue meets each pixel of each block once.

use super::band_rows;
use crate::conv::convolve::{MOST, Region, Source, segments_of};
use crate::conv::epilogue::{Epilogue, Finish, Finished};
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{Rows, Segment, Term};
use crate::error::Result;
use crate::feature_maps::{Layout, RowPlace, count};
use crate::parallel::for_each_item;
use crate::real::Real;
use crate::scratchpad::Scratchpad;
use crate::simd::{Simd, TileKernel};

/// Convolves every image. The halo of the inputs is as wide as the geometry asks for.
///
/// # Safety
/// While the call lasts nothing else may read or write what the epilogue writes.
pub(in crate::conv) unsafe fn convolve<T: Real, E: Epilogue<T>>(
    sources: &[Source<'_, T>],
    region: &Region,
    epilogue: &E,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let Some(last) = sources.last() else { return Ok(()) };
    let packed = last.packed;
    let (Region { extent: output, rows, .. }, taps) = (region, packed.geometry.taps());
    let row_bytes = |source: &Source<'_, T>| {
        let layout = source.input.layout();
        layout.row_stride() * layout.blocks() * size_of::<T>()
    };
    let band = band_rows(output.batch * rows.len(), sources.iter().map(row_bytes).sum()).min(rows.len());
    let bands = rows.len().div_ceil(band);
    let channels: usize = sources.iter().map(|source| source.packed.geometry.input.count).sum();
    let operations = count(&[region.pixels(), output.channels, channels, taps]);
    let memory = scratch.parts(output.width * packed.panel_width(), 0)?;
    memory.segments.clear();
    for source in sources {
        memory.segments.extend(segments(&source.packed.geometry, source.input.layout()));
    }
    let segments = segments_of(sources, memory.segments, taps);
    for_each_item(output.batch * bands, operations, memory.lanes, |item, lane| {
        let (image, first) = (item / bands, rows.start + item % bands * band);
        for panel in 0..region.blocks.div_ceil(packed.panel_blocks) {
            let blocks = last.blocks_of(panel);
            for row in first..rows.end.min(first + band) {
                let mut terms = [Term::NONE; MOST];
                for ((source, term), segments) in sources.iter().zip(&mut terms).zip(segments) {
                    let start = source.packed.geometry.first_tap(source.input.layout(), row, 0);
                    let (a, b) = (&source.input.image(image)[start..], source.panel(panel));
                    *term = Term { a, segments, b, next: b.as_ptr() };
                }
                let terms = &terms[..sources.len()];
                let product = Rows { rows: output.width, terms, c: &mut *lane, blocks: blocks.len() };
                T::dispatch_tile(packed.isa, OfRow(product));
                let finished = Finished {
                    width: blocks.len(),
                    blocks: blocks.len().min(region.blocks - blocks.start),
                    place: RowPlace { image, block: blocks.start, row },
                    column: 0,
                    size: [1, output.width],
                    row_columns: output.width,
                };
                // SAFETY: `for_each_item` runs each item once, an item has rows of an image that no other has,
                // and it meets each of them once for each panel. By the contract nothing but the epilogue has
                // what it writes.
                let finish = unsafe { Finish::new(epilogue, lane, finished) };
                T::dispatch(packed.isa, finish);
            }
        }
    });
    Ok(())
}

/// Every tap of every block of input channels, relative to the first tap of the first block.
fn segments(geometry: &Geometry, layout: &Layout) -> impl Iterator<Item = Segment> {
    let (layout, [height, width]) = (*layout, geometry.kernel);
    let (input, [down, across]) = (geometry.input, geometry.dilation);
    (0..input.blocks()).flat_map(move |block| {
        (0..height * width).map(move |tap| Segment {
            offset: block * layout.block_stride()
                + tap / width * down * layout.row_stride()
                + tap % width * across * layout.lanes(),
            len: input.of_block(block).len(),
        })
    })
}

/// The sums of one row of pixels for one panel.
struct OfRow<'a, T>(Rows<'a, T>);

impl<T: Real> TileKernel<T> for OfRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        self.0.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
    }
}
