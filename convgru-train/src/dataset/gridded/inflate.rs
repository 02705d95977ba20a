//! The filters deflate and LZF of HDF5 with a limit on what comes out.
//!
//! The library bounds the output of a filter by the output of the filters before it, if it knows how these can grow. Behind szip it knows no bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::read::ZlibDecoder;
use hdf5_reader::FilterRegistry;
use hdf5_reader::error::Error;

use super::lzf::{self, LZF};
use crate::dataset::gzip::read_at_most;

/// The number of the filter deflate in HDF5.
const DEFLATE: u16 = 1;

/// The most bytes that the filters of a file may make of a chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Limit(Arc<AtomicUsize>);

impl Limit {
    /// Allows what filters may have made of a chunk of `bytes`: packed data can be a little longer than plain ones.
    pub(super) fn allow_chunk(&self, bytes: u64) {
        let most = usize::try_from(bytes.saturating_add(bytes / 8)).unwrap_or(usize::MAX);
        self.0.fetch_max(most.saturating_add(1 << 12), Ordering::Relaxed);
    }

    /// The filters of the library, deflate among them with this limit, and LZF.
    pub(super) fn filters(&self) -> FilterRegistry {
        let mut filters = FilterRegistry::new();
        let limit = self.0.clone();
        filters.register(
            DEFLATE,
            Box::new(move |_, packed, _| {
                let most = limit.load(Ordering::Relaxed);
                let unpacked = read_at_most(ZlibDecoder::new(packed), most.saturating_add(1))
                    .map_err(|error| Error::DecompressionError(format!("deflate: {error}")))?;
                match unpacked.len() <= most {
                    true => Ok(unpacked),
                    false => Err(Error::DecompressionError(format!("deflate gives more than {most} bytes"))),
                }
            }),
        );
        let limit = self.0.clone();
        filters.register(
            LZF,
            Box::new(move |_, packed, _| {
                lzf::unpacked(packed, limit.load(Ordering::Relaxed))
                    .map_err(|reason| Error::DecompressionError(format!("LZF: {reason}")))
            }),
        );
        filters
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn no_more_comes_out_than_a_chunk_may_have() {
        let limit = Limit::default();
        limit.allow_chunk(1 << 16);
        let unpacked = |bytes: usize| {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(&vec![7; bytes]).unwrap();
            let packed = encoder.finish().unwrap();
            let filter = hdf5_reader::messages::filter_pipeline::FilterDescription {
                id: DEFLATE,
                name: None,
                client_data: vec![9],
            };
            limit.filters().apply(&filter, &packed, 1)
        };
        assert_eq!(unpacked(1 << 16).unwrap(), vec![7; 1 << 16]);
        assert!(unpacked(1 << 20).unwrap_err().to_string().contains("more than"));
    }
}
