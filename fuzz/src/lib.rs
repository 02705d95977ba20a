//! What the fuzzers feed: one function for each reader, which takes any bytes.
//!
//! Whatever the bytes are, reading ends with a result or an error: no panic, nothing executed, and no more memory than the
//! rule of SECURITY.md allows, which [`memory`] measures. `cargo xtask fuzz` runs them.

mod data;
mod memory;
mod seeds;
mod weights;

pub use data::{apng, gif, grib, hdf5, idx, jpeg, netcdf, npy, npz, pgm, png, zarr};
pub use weights::{checkpoint, mxnet, pickle, safetensors, toml};

/// The variable that makes a target write its seeds into the folder that it names, and end.
const SEEDS: &str = "CONVGRU_FUZZ_SEEDS";

/// Begins a target.
///
/// # Panics
/// If the seeds cannot be written.
pub fn begin(target: &str) {
    let Some(folder) = std::env::var_os(SEEDS) else { return };
    for (index, seed) in seeds::of(target).into_iter().enumerate() {
        let path = std::path::Path::new(&folder).join(format!("seed_{index}"));
        std::fs::write(&path, seed).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
    std::process::exit(0);
}
