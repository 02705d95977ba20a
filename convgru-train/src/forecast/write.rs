//! Forecasts as files.

use std::path::Path;

use convgru_model::Tensor;

use super::{Forecast, Members, Provenance, times};
use crate::media::{self, write_array};
use crate::{Error, Result};

/// The kinds of file that forecasts are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// netCDF-4, `.nc`.
    NetCdf,
    /// A Zarr store of version 3, `.zarr`.
    Zarr,
    /// An array of NumPy, `.npy`.
    Npy,
    /// An animated GIF.
    Gif,
    /// A folder of PNG images.
    Folder,
}

impl Form {
    /// The form that a path announces; a folder, or a name without an extension, is for images.
    ///
    /// # Errors
    /// [`Error::Format`] if the extension is unknown, or the program was built without the form.
    pub fn of(path: &Path) -> Result<Self> {
        let known = [
            ("nc", Self::NetCdf),
            ("nc4", Self::NetCdf),
            ("zarr", Self::Zarr),
            ("npy", Self::Npy),
            ("gif", Self::Gif),
        ];
        let is_store = path.extension().is_some_and(|own| own.eq_ignore_ascii_case("zarr"));
        let form = match path.extension() {
            _ if path.is_dir() && !is_store => Self::Folder,
            None => Self::Folder,
            Some(extension) => {
                let named = known.into_iter().find(|(name, _)| extension.eq_ignore_ascii_case(name));
                let (_, form) = named.ok_or_else(|| Error::Format {
                    path: path.into(),
                    reason: format!(
                        "has the unknown extension .{} (forecasts are written to a .nc, .npy or .gif file, a .zarr store or a folder of PNG images)",
                        extension.to_string_lossy()
                    ),
                })?;
                form
            }
        };
        if form == Self::NetCdf && !cfg!(feature = "hdf5") {
            let reason = "is netCDF, which this program was built without; build it with `--features hdf5`, or write a .npy file";
            return Err(Error::Format { path: path.into(), reason: reason.into() });
        }
        Ok(form)
    }

    /// Refuses a form that cannot hold the members of a network of so many.
    ///
    /// # Errors
    /// [`Error::Data`] for pictures of several members.
    pub fn expect_members(self, members: Members, of_network: usize) -> Result<()> {
        match (self, members) {
            (Self::Gif | Self::Folder, Members::All) if of_network > 1 => {
                let reason = format!(
                    "pictures show one member, not {of_network}; write the mean, or a .nc, .zarr or .npy file"
                );
                Err(Error::Data { what: "forecast".into(), reason })
            }
            _ => Ok(()),
        }
    }
}

impl Forecast {
    /// Writes the forecast in the form that the path announces. What is written appears complete or not at all.
    ///
    /// # Errors
    /// [`Error::Format`] for an unknown form, and for a folder, a store or a netCDF file that holds something else than a forecast, [`Error::Data`] if the form cannot hold the forecast,
    /// [`Error::Io`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        match Form::of(path)? {
            Form::NetCdf => self.write_netcdf(path),
            Form::Zarr => super::zarr::write(path, &self.dataset()?),
            Form::Npy => write_array(path, &self.values, &self.axes),
            Form::Gif | Form::Folder => media::write_frames(path, &self.pictures()?),
        }
    }

    #[cfg(feature = "hdf5")]
    fn write_netcdf(&self, path: &Path) -> Result<()> {
        super::replaced::expect_forecast(path)?;
        crate::write_atomically(path, &super::netcdf::encoded(&self.dataset()?)?)
    }

    #[cfg(not(feature = "hdf5"))]
    fn write_netcdf(&self, path: &Path) -> Result<()> {
        Form::of(path).map(|_| ())
    }

    /// The frames as values 0 to 1, `[T, C, H, W]`; black where nothing was measured.
    ///
    /// # Errors
    /// [`Error::Data`] for several members.
    fn pictures(&self) -> Result<Tensor<f32>> {
        let [members, steps, channels, height, width] = self.shape();
        Form::Gif.expect_members(Members::All, members)?;
        let shade = |&number: &f32| match self.quantity.transform.from_units(f64::from(number)) as f32 {
            shade if shade.is_nan() => 0.0,
            shade => shade,
        };
        let shades = self.values.as_slice().iter().map(shade).collect();
        Ok(Tensor::from_vec(&[steps, channels, height, width], shades)?)
    }
}

impl Provenance {
    /// That of a command of this program now, with a network whose file has a hash.
    pub fn now(command: &str, network: &str, model_hash: &str) -> Self {
        let program = format!("convgru {}", env!("CARGO_PKG_VERSION"));
        Self {
            title: format!("Forecast by the network {network}"),
            source: format!("{program}, convolutional GRU {network}"),
            history: format!("{} {program}: {command}", times::now()),
            model_hash: model_hash.into(),
        }
    }
}
