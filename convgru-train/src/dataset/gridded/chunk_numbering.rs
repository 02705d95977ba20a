//! Layouts of chunks that the library numbers wrongly.

use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::{ChunkIndexing, DataLayout};
use hdf5_reader::{Dataset, Hdf5File};

/// Refuses a dataset whose chunks the library would look for in wrong places.
///
/// In two kinds of index (the fixed array, and none, where chunks follow each other) the number of a chunk counts the chunks that there
/// could be, up to the largest extent of each axis. The library counts the chunks of the present extent.
///
/// # Errors
/// Shape and largest extent, as the end of a sentence about the dataset.
pub(super) fn expect_readable(file: &Hdf5File, dataset: &Dataset) -> Result<(), String> {
    let (Some(most), Some(chunk)) = (dataset.max_dims(), dataset.chunks()) else { return Ok(()) };
    let chunks = |length: u64, side: u32| length.div_ceil(u64::from(side).max(1));
    // The outermost axis changes no number.
    let axes = dataset.shape().iter().zip(most).zip(&chunk).skip(1);
    let grows = axes.into_iter().any(|((&length, &most), &side)| chunks(length, side) != chunks(most, side));
    if !grows {
        return Ok(());
    }
    let header = file.get_or_parse_header(dataset.address());
    let header = header.map_err(|error| format!("has a header that cannot be read again ({error})"))?;
    let is_numbered = header.messages.iter().any(|message| match message {
        HdfMessage::DataLayout(message) => matches!(
            message.layout,
            DataLayout::Chunked {
                chunk_indexing: Some(ChunkIndexing::FixedArray { .. } | ChunkIndexing::Implicit),
                ..
            }
        ),
        _ => false,
    });
    match is_numbered {
        false => Ok(()),
        true => Err(format!(
            "has chunks in a fixed array and the shape {:?}, which may grow to {most:?}; such a layout is not read: rewrite the file with \
             `h5repack --low=0 --high=1`, or save the dataset without a largest extent (maxshape)",
            dataset.shape()
        )),
    }
}
