//! Where the numbers of an array lie: in a `.npy` file, in a member of a `.npz` archive, in a dataset of HDF5 or netCDF.

use std::io::{BufReader, Read};
use std::path::Path;

use super::config::{Axes, FramesConfig};
use crate::budget::{MemoryBudget, bytes_of};
use crate::dataset::gridded::{self, GriddedFile, Kind, Packing, Variable};
use crate::dataset::source::npz::{Npz, short};
use crate::input;
use crate::npy_header::{ByteOrder, Element, NpyHeader};
use crate::{Error, Result};

/// An array in a file.
pub(super) enum Source {
    /// A file of its own.
    Npy(NpyHeader),
    /// In an archive, by its name there.
    Npz(String, NpyHeader),
    /// A dataset, and what its numbers stand for.
    Hdf5(Box<Variable>, Packing),
}

impl Source {
    /// Whether a file is of a kind that is read here, by its name.
    pub(super) fn is_named(path: &Path) -> bool {
        super::has_extension(path, "npy") || super::has_extension(path, "npz") || gridded::is_named(path)
    }

    /// The array with the frames in a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if there is none or several, with those there are.
    pub(super) fn open(path: &Path, config: &FramesConfig, budget: &MemoryBudget) -> Result<Self> {
        let refuse = |reason| Error::Format { path: path.into(), reason };
        if gridded::is_named(path) {
            let file = GriddedFile::open(path, budget)?;
            let variable = file.variable(&chosen(&file, config)?)?;
            let packing = Packing::of(&variable.attributes(), variable.kind())?;
            return Ok(Self::Hdf5(Box::new(variable), packing));
        }
        let (source, fortran_order) = if super::has_extension(path, "npz") {
            let archive = Npz::open(path)?;
            let member = member(&archive, &config.member).map_err(refuse)?;
            let header = archive.header(&member)?;
            let fortran_order = header.fortran_order;
            (Self::Npz(member, header), fortran_order)
        } else {
            let file = input::open(path).map_err(Error::io("open", path))?;
            let length = file.metadata().map_err(Error::io("read", path))?.len();
            let header = NpyHeader::read(&mut BufReader::new(file));
            let header = header.map_err(|unread| unread.in_file(path, |reason| reason))?;
            header.expect_file_length(length).map_err(refuse)?;
            let fortran_order = header.fortran_order;
            (Self::Npy(header), fortran_order)
        };
        if fortran_order {
            let reason =
                "is in Fortran order, but C order is needed; save it again with numpy.ascontiguousarray";
            return Err(refuse(reason.into()));
        }
        Ok(source)
    }

    /// The lengths of its axes.
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Npy(header) | Self::Npz(_, header) => &header.shape,
            Self::Hdf5(variable, _) => variable.shape(),
        }
    }

    /// Working memory of [`visit`](Self::visit), for frames of `size` numbers after the first `leading` axes.
    pub(super) fn working(&self, leading: usize, size: usize) -> u64 {
        match self {
            Self::Npy(header) | Self::Npz(_, header) => bytes_of(header.element.bytes(), &[size]),
            Self::Hdf5(variable, _) => variable.working(leading),
        }
    }

    /// The value 0 to 1 that a number stands for by its type; `None` if it is out of the type's range.
    pub(super) fn brightness(&self, number: f64) -> Option<f32> {
        let element = match self {
            Self::Npy(header) | Self::Npz(_, header) => header.element,
            Self::Hdf5(variable, packing) => match (variable.kind(), packing.scale) {
                (Kind::Unsigned(1), None) => Element::Byte,
                (Kind::Signed(1), None) if packing.is_unsigned() => Element::Byte,
                (Kind::Unsigned(2), None) => Element::Word(ByteOrder::Little),
                (Kind::Signed(2), None) if packing.is_unsigned() => Element::Word(ByteOrder::Little),
                _ => Element::Double(ByteOrder::Little),
            },
        };
        element.brightness(number)
    }

    /// Calls `visit` with the numbers of some frames of `size` numbers, in ascending order of `wanted`; NaN where there is none.
    /// `leading` axes lie outside of a frame.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if the file is damaged.
    pub(super) fn visit(
        &self,
        path: &Path,
        [leading, size]: [usize; 2],
        wanted: impl Iterator<Item = usize>,
        visit: &mut dyn FnMut(Box<dyn Iterator<Item = f64> + '_>),
    ) -> Result<()> {
        let header = match self {
            Self::Npy(header) => header,
            Self::Npz(member, _) => return Npz::open(path)?.frames(member, size, wanted, visit),
            Self::Hdf5(variable, packing) => {
                return variable.frames(leading, wanted, &mut |stored| {
                    visit(Box::new(stored.map(|number| packing.unpacked(number))));
                });
            }
        };
        let io = |error: std::io::Error| input::failed(path, &error, || input::is_damaged(&error));
        let mut file = BufReader::new(input::open(path).map_err(Error::io("open", path))?);
        let element = header.element;
        let mut bytes = input::zeros(size * element.bytes()).map_err(Error::io("read", path))?;
        let mut next = 0;
        file.seek_relative(header.bytes as i64).map_err(io)?;
        for index in wanted {
            file.seek_relative(((index - next) * bytes.len()) as i64).map_err(io)?;
            file.read_exact(&mut bytes).map_err(io)?;
            next = index + 1;
            visit(element.numbers(&bytes));
        }
        Ok(())
    }
}

/// The member of an archive that holds the frames.
fn member(archive: &Npz, named: &str) -> std::result::Result<String, String> {
    let arrays: Vec<&str> = archive.names().filter(|name| name.ends_with(".npy")).collect();
    let shown = || {
        arrays.iter().take(20).map(|name| short(name.trim_end_matches(".npy"))).collect::<Vec<_>>().join(", ")
    };
    let found = match (named, &arrays[..]) {
        ("", [only]) => Some(*only),
        ("", _) => None,
        _ => arrays
            .iter()
            .copied()
            .find(|name| name.trim_end_matches(".npy") == named.trim_end_matches(".npy")),
    };
    found.map(str::to_owned).ok_or_else(|| {
        if arrays.is_empty() {
            return "holds no arrays: the name of none of its members ends with .npy".to_owned();
        }
        format!(
            "holds the arrays {}; set data.frames.member to the one with the frames (it is \"{named}\")",
            shown()
        )
    })
}

/// The path of the dataset with the frames in a file: the one that is named, otherwise the only one with numbers and
/// as many axes as frames have.
fn chosen(file: &GriddedFile, config: &FramesConfig) -> Result<String> {
    let mut datasets = file.datasets()?;
    let named = config.variable.trim_matches('/');
    let axes = match config.axes {
        Axes::Auto => 3..=5,
        Axes::Thw => 3..=3,
        Axes::Tchw | Axes::Nthw | Axes::Tnhw => 4..=4,
        Axes::Ntchw | Axes::Tnchw => 5..=5,
    };
    let fits = |dataset: &&gridded::VariableInfo| match named {
        "" => dataset.kind.is_some() && axes.contains(&dataset.shape.len()),
        _ => dataset.path == named,
    };
    let fitting: Vec<&gridded::VariableInfo> = datasets.iter().filter(fits).collect();
    if let [only] = fitting[..] {
        return Ok(only.path.clone());
    }
    let advice = match (named, fitting.len()) {
        ("", 0) => {
            "none of them has numbers and the axes of frames, [T, H, W], [N, T, H, W] or [N, T, C, H, W]; \
                    where other axes are meant, set data.frames.axes and data.frames.variable"
                .to_owned()
        }
        ("", count) => format!("set data.frames.variable to the one of {count} with the frames"),
        _ => format!("set data.frames.variable to one of them (it is \"{}\")", config.variable),
    };
    // What may be meant comes first.
    datasets.sort_by_key(|dataset| !(dataset.kind.is_some() && axes.contains(&dataset.shape.len())));
    let reason = format!("holds {}; {advice}", gridded::shown(&datasets));
    Err(Error::Format { path: file.path().into(), reason })
}
