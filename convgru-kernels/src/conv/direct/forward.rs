//! The direct convolution.
//!
//! Unsafe: Items of work have rows that no other has, so that the epilogue meets each pixel of each block once.

use super::band_rows;
use crate::conv::convolve::{ConvSource, ConvSources, MOST, Region};
use crate::conv::epilogue::{Epilogue, Finish, Finished};
use crate::conv::geometry::Geometry;
use crate::conv::multiply::{RowProduct, Segment, Term};
use crate::feature_maps::{MapLayout, RowPlace, count};
use crate::parallel::for_each_item;
use crate::real::Real;
use crate::scratchpad::{Requirement, Scratch};
use crate::simd::{Simd, TileKernel};

/// A convolution, of which items of work take bands of rows.
pub(in crate::conv) struct DirectConvolution<'a, T> {
    sources: ConvSources<'a, T>,
    region: &'a Region,
    /// Rows of an item, and items of an image.
    band: usize,
    bands: usize,
}

impl<'a, T: Real> DirectConvolution<'a, T> {
    /// The halo of the inputs is as wide as the geometry asks for.
    pub(in crate::conv) fn new(sources: ConvSources<'a, T>, region: &'a Region) -> Self {
        let row_bytes = |source: &ConvSource<'_, T>| {
            let layout = source.input.layout();
            layout.row_stride() * layout.blocks() * size_of::<T>()
        };
        let (rows, bytes) = (region.rows.len(), sources.all.iter().map(row_bytes).sum());
        let band = band_rows(region.extent.batch * rows, bytes).min(rows);
        Self { sources, region, band, bands: rows.div_ceil(band) }
    }

    fn taps(&self) -> usize {
        self.sources.last.packed.geometry.taps()
    }

    /// The sums of a row for a panel, and every tap of every block.
    pub(in crate::conv) fn scratch(&self) -> Requirement {
        Requirement {
            lane: self.region.extent.width * self.sources.last.packed.panel_width(),
            segments: self.sources.blocks() * self.taps(),
            ..Requirement::default()
        }
    }

    /// Convolves every image.
    ///
    /// # Safety
    /// While the call lasts nothing else may read or write what the epilogue writes.
    pub(in crate::conv) unsafe fn run<E: Epilogue<T>>(&self, epilogue: &E, memory: Scratch<'_, T>) {
        let Self { sources, region, band, bands } = self;
        let Region { extent: output, rows, .. } = region;
        let (isa, panel_blocks) = (sources.isa(), sources.last.packed.panel_blocks);
        let of_sources =
            sources.all.iter().flat_map(|source| segments(&source.packed.geometry, source.input.layout()));
        memory.segments.iter_mut().zip(of_sources).for_each(|(place, segment)| *place = segment);
        let segments = sources.segments(memory.segments, self.taps());
        let operations = count(&[region.pixels(), output.channels, sources.channels(), self.taps()]);
        for_each_item(output.batch * bands, operations, memory.lanes, |item, lane| {
            let (image, first) = (item / bands, rows.start + item % bands * band);
            for panel in 0..region.blocks.div_ceil(panel_blocks) {
                let blocks = sources.last.blocks_of(panel);
                for row in first..rows.end.min(first + band) {
                    let mut terms = [Term::NONE; MOST];
                    for ((source, term), segments) in sources.all.iter().zip(&mut terms).zip(segments) {
                        let start = source.packed.geometry.first_tap(source.input.layout(), row, 0);
                        let (a, b) = (&source.input.image(image)[start..], source.panel(panel));
                        *term = Term { a, segments, b, next: b.as_ptr() };
                    }
                    let terms = &terms[..sources.all.len()];
                    let (rows, blocks_of) = (output.width, blocks.len());
                    let product = RowProduct { rows, terms, c: &mut *lane, blocks: blocks_of, begin: true };
                    T::dispatch_tile(isa, RowOfPixels(product));
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
                    T::dispatch(isa, finish);
                }
            }
        });
    }
}

/// Every tap of every block of input channels, relative to the first tap of the first block.
fn segments(geometry: &Geometry, layout: &MapLayout) -> impl Iterator<Item = Segment> {
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
struct RowOfPixels<'a, T>(RowProduct<'a, T>);

impl<T: Real> TileKernel<T> for RowOfPixels<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        self.0.multiply::<S, ROWS, COLUMNS, BLOCK>(s);
    }
}
