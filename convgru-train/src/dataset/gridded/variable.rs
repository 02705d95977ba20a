//! A dataset of numbers.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_reader::{Dataset, Hdf5File, SliceInfo, SliceInfoElem};

use super::file::damaged;
use super::inflate::Limit;
use super::netcdf3::Netcdf3;
use super::number::Number;
use super::stored_type::{self, BitField};
use super::zarr::ZarrArray;
use super::{Attributes, Dimension, NumberType, chunk_numbering, dimensions, netcdf3, number};
use crate::dataset::caught::caught;
use crate::dataset::source::VisitBlock;
use crate::read_budget::bytes_of;
use crate::{Error, ReadBudget, Result};

/// Numbers that are read at once, where more than one frame is.
const AT_ONCE: usize = 1 << 20;
/// Bytes of a number while it is read: as it is stored, as the libraries convert it, and as `f64`.
const NUMBER_BYTES: usize = 32;
/// Buffers of the size of a chunk while it is unpacked: before and after a filter, and assembled.
const CHUNK_BUFFERS: usize = 3;
/// Bytes of chunks that are kept unpacked, since neighbouring frames may share them.
const KEPT_CHUNKS: usize = 1 << 26;

/// The bytes of unpacked chunks that a file may keep.
pub(super) fn kept_chunks(budget: &ReadBudget) -> usize {
    usize::try_from(budget.limit() / 8).unwrap_or(usize::MAX).min(KEPT_CHUNKS)
}

/// A dataset of numbers in a file.
pub(in crate::dataset) struct Variable {
    file: PathBuf,
    name: String,
    content: Content,
    kind: NumberType,
    shape: Vec<usize>,
    /// What its axes are called, `None` for one without a name.
    dimensions: Vec<Option<Dimension>>,
    /// The bits of a number that hold its value, where they are not all of them.
    bits: Option<BitField>,
    /// Bytes that reading takes besides the numbers: of chunks.
    chunks: u64,
}

/// Where a library reads the numbers.
enum Content {
    Hdf5(Box<Dataset>),
    /// In a file, by the variable's name.
    Netcdf3(Arc<Netcdf3>),
    /// With its attributes.
    Zarr(Box<ZarrArray>, Attributes),
}

impl Variable {
    /// A dataset of HDF5.
    ///
    /// # Errors
    /// [`Error::Format`] if it holds no numbers, or more than there can be.
    pub(super) fn of_hdf5(
        file: &Path,
        name: &str,
        (whole, dataset): (&Hdf5File, Dataset),
        (budget, limit): (&ReadBudget, &Limit),
    ) -> Result<Self> {
        let kind = number::kind(dataset.dtype()).ok_or_else(|| other(&format!("{:?}", dataset.dtype())));
        let refuse = |reason| Error::Format { path: file.into(), reason: format!("{name} {reason}") };
        chunk_numbering::expect_readable(whole, &dataset).map_err(refuse)?;
        let bits = match &kind {
            Ok(kind) => stored_type::bit_field(&dataset, *kind).map_err(refuse)?,
            Err(_) => None,
        };
        let dimensions = dimensions::of_hdf5(file, name, (whole, &dataset));
        let axes = dataset.shape().to_vec();
        let chunk: Vec<usize> =
            dataset.chunks().into_iter().flatten().take(axes.len()).map(|side| side as usize).collect();
        limit.allow_chunk(bytes_of(size_of::<f64>(), &chunk));
        let chunks = if chunk.is_empty() { 0 } else { bytes_of(size_of::<f64>() * CHUNK_BUFFERS, &chunk) };
        let chunks = chunks.saturating_add(kept_chunks(budget) as u64);
        Ok(Self {
            chunks,
            bits,
            dimensions,
            ..Self::new(file, name, Content::Hdf5(Box::new(dataset)), kind, &axes)?
        })
    }

    /// A variable of classic netCDF.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none, it holds no numbers, or more than the file does.
    pub(super) fn of_classic(file: &Path, name: &str, classic: Arc<Netcdf3>) -> Result<Self> {
        let variable = classic.variable(name)?;
        let kind = netcdf3::kind(&variable.dtype).ok_or_else(|| other(&format!("{:?}", variable.dtype)));
        if let Ok(kind) = kind {
            classic.expect_whole(name, kind)?;
        }
        let axes = variable.shape();
        let dimensions = dimensions::of_classic(file, name, &classic);
        Ok(Self { dimensions, ..Self::new(file, name, Content::Netcdf3(classic), kind, &axes)? })
    }

    /// An array of Zarr, with its attributes and what its axes are called.
    ///
    /// # Errors
    /// [`Error::Format`] if it holds more numbers than there can be.
    pub(super) fn of_zarr(
        file: &Path,
        name: &str,
        (array, attributes, dimensions): (ZarrArray, Attributes, Vec<Option<Dimension>>),
    ) -> Result<Self> {
        let (kind, axes, chunks) = (Ok(array.kind()), array.shape().to_vec(), array.working());
        let content = Content::Zarr(Box::new(array), attributes);
        Ok(Self { dimensions, chunks, ..Self::new(file, name, content, kind, &axes)? })
    }

    /// A dataset with the kind of its numbers, or what they are instead, and its axes.
    fn new(
        file: &Path,
        name: &str,
        content: Content,
        kind: std::result::Result<NumberType, String>,
        axes: &[u64],
    ) -> Result<Self> {
        let refuse = |reason| Error::Format { path: file.into(), reason };
        let kind =
            kind.map_err(|other| refuse(format!("{name} holds no numbers that are read, but {other}")))?;
        let shape: Option<Vec<usize>> = axes.iter().map(|&axis| usize::try_from(axis).ok()).collect();
        // The product of the axes is a number of elements that everything below may compute with.
        let elements = shape.as_ref().and_then(|shape| {
            shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis.max(1)))
        });
        match (shape, elements) {
            (Some(shape), Some(1..=0xff_ffff_ffff_ffff)) => Ok(Self {
                file: file.into(),
                name: name.into(),
                content,
                kind,
                shape,
                dimensions: Vec::new(),
                bits: None,
                chunks: 0,
            }),
            _ => Err(refuse(format!("{name} announces the shape {axes:?}, which no file can hold"))),
        }
    }

    /// The working memory of [`frames`](Self::frames) after the first `leading` axes; of [`numbers`](Self::numbers) if they are 0.
    pub(in crate::dataset) fn working(&self, leading: usize) -> u64 {
        let frame = bytes_of(1, self.shape.get(leading..).unwrap_or_default());
        let numbers = if leading == 0 { frame } else { frame.max(AT_ONCE as u64) };
        numbers.saturating_mul(NUMBER_BYTES as u64).saturating_add(self.chunks)
    }

    /// Its shape, the outermost axis first.
    pub(in crate::dataset) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What its axes are called, `None` for one without a name; none at all where the file names none.
    pub(in crate::dataset) fn dimensions(&self) -> &[Option<Dimension>] {
        &self.dimensions
    }

    /// How its numbers are stored.
    pub(in crate::dataset) fn kind(&self) -> NumberType {
        self.kind
    }

    /// Its attributes.
    pub(in crate::dataset) fn attributes(&self) -> Attributes {
        match &self.content {
            Content::Hdf5(dataset) => Attributes::new(&self.file, &self.name, dataset.attributes()),
            Content::Netcdf3(classic) => {
                let own = classic.variable(&self.name).map_or(&[][..], |variable| &variable.attributes);
                Attributes::new(&self.file, &self.name, own.iter().cloned())
            }
            Content::Zarr(_, attributes) => attributes.clone(),
        }
    }

    /// All numbers as they are stored. They are few enough to be held.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(in crate::dataset) fn numbers(&self) -> Result<Vec<f64>> {
        self.slice(self.shape.iter().map(|&axis| (0, axis)).collect())
    }

    /// Calls `visit` with the stored numbers of some frames: what the axes after the first `leading` ones span, counted
    /// over the first ones, in ascending order of `wanted`.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged; the errors of `visit`.
    pub(in crate::dataset) fn frames(
        &self,
        leading: usize,
        wanted: impl Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let frame = &self.shape[leading.min(self.shape.len())..];
        let whole: Vec<Range<usize>> = frame.iter().map(|&length| 0..length).collect();
        self.frames_within(leading, &whole, wanted, visit)
    }

    /// As [`frames`](Self::frames), of which a part of each axis is wanted.
    ///
    /// # Errors
    /// The errors of [`frames`](Self::frames).
    pub(in crate::dataset) fn frames_within(
        &self,
        leading: usize,
        within: &[Range<usize>],
        wanted: impl Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let outer = &self.shape[..leading.min(self.shape.len())];
        let size: usize = within.iter().map(Range::len).product();
        let inner = outer.last().copied().unwrap_or(1).max(1);
        let most = (AT_ONCE / size.max(1)).max(1);
        let mut wanted = wanted.peekable();
        while let Some(first) = wanted.next() {
            // Frames that follow each other on the last of the outer axes are read together.
            let mut count = 1;
            while count < most
                && (first + count) % inner != 0
                && wanted.next_if_eq(&(first + count)).is_some()
            {
                count += 1;
            }
            let mut rest = first;
            let mut ranges: Vec<(usize, usize)> = Vec::with_capacity(self.shape.len());
            for (at, &axis) in outer.iter().enumerate().rev() {
                let place = rest % axis.max(1);
                rest /= axis.max(1);
                ranges.push(if at + 1 == outer.len() { (place, place + count) } else { (place, place + 1) });
            }
            ranges.reverse();
            ranges.extend(within.iter().map(|part| (part.start, part.end)));
            let numbers = self.slice(ranges)?;
            for numbers in numbers.chunks_exact(size.max(1)) {
                visit(&mut numbers.iter().copied())?;
            }
        }
        Ok(())
    }

    /// The numbers between a beginning and an end on each axis.
    fn slice(&self, ranges: Vec<(usize, usize)>) -> Result<Vec<f64>> {
        let needed = ranges.iter().fold(1usize, |product, (start, end)| product.saturating_mul(end - start));
        let wide = || ranges.iter().map(|&(start, end)| (start as u64, end as u64));
        let read: Vec<f64> = match &self.content {
            Content::Zarr(array, _) => array.slice(&ranges)?,
            Content::Hdf5(dataset) => {
                let range = |(start, end)| SliceInfoElem::Slice { start, end, step: 1 };
                let selection = SliceInfo { selections: wide().map(range).collect() };
                let read = caught(&self.file, || {
                    let read = dataset.read_slice::<Number>(&selection);
                    read.map_err(|error| damaged(&self.file, &self.name, error))
                })?;
                match self.bits {
                    Some(bits) => read.iter().map(|number| bits.value(number.0)).collect(),
                    None => read.iter().map(|number| number.0).collect(),
                }
            }
            Content::Netcdf3(classic) => classic.slice(&self.name, wide())?,
        };
        if read.len() != needed {
            let reason = format!("{} gave {} numbers of {needed}", self.name, read.len());
            return Err(Error::Format { path: self.file.clone(), reason });
        }
        Ok(read)
    }
}

/// A type that is not read, as long as one can read it.
fn other(described: &str) -> String {
    const LONGEST: usize = 200;
    described.chars().take(LONGEST).collect()
}
