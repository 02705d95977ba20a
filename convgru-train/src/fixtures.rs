//! Recorded values and data sets for this crate's tests.
//!
//! The environment variables `CONVGRU_DATA` and `CONVGRU_PARITY` name the two
//! folders; relative paths start at the workspace root, and the defaults are
//! `../shared/data` and `../shared/parity`. A test whose folder is absent says
//! `SKIPPED` on stderr and passes; with `CONVGRU_REQUIRE_DATA=1` it fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convgru_model::Tensor;
use safetensors::{Dtype, SafeTensors};

/// The tensors of one recorded file, as `f64`.
pub(crate) struct ParityFile {
    name: String,
    tensors: BTreeMap<String, Tensor<f64>>,
}

impl ParityFile {
    /// The tensor of this name; fails the test, naming what is there, if it is absent.
    pub(crate) fn tensor(&self, name: &str) -> &Tensor<f64> {
        self.tensors.get(name).unwrap_or_else(|| {
            let names: Vec<_> = self.tensors.keys().collect();
            panic!("{}: no tensor {name}; it holds {names:?}", self.name)
        })
    }

    /// The elements of the tensor of this name in memory order.
    pub(crate) fn values(&self, name: &str) -> &[f64] {
        self.tensor(name).as_slice()
    }

    /// The only element of the tensor of this name.
    pub(crate) fn number(&self, name: &str) -> f64 {
        match self.values(name) {
            [number] => *number,
            other => panic!("{}: {name} has {} elements instead of one", self.name, other.len()),
        }
    }
}

/// The recorded file `<parity folder>/<name>`, such as `metrics.safetensors`.
///
/// `None` after saying `SKIPPED` if there is no parity folder. A folder
/// without this file fails the test.
pub(crate) fn parity_file(name: &str) -> Option<ParityFile> {
    let folder = folder("CONVGRU_PARITY", "../shared/parity", "")?;
    let path = folder.join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    Some(ParityFile { name: name.to_owned(), tensors: read_tensors(&bytes) })
}

/// The folder `<data folder>/<name>`, such as `mnist`; `None` after saying `SKIPPED`.
pub(crate) fn data_folder(name: &str) -> Option<PathBuf> {
    folder("CONVGRU_DATA", "../shared/data", name)
}

/// The larger of the absolute differences between two slices of one length.
pub(crate) fn worst_difference(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len(), "lengths to compare");
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    worst.fold(0.0, |worst, d| if d.is_nan() || d > worst { d } else { worst })
}

fn folder(variable: &str, default: &str, name: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from);
    let required = std::env::var_os("CONVGRU_REQUIRE_DATA").is_some_and(|value| value == "1");
    found(&workspace.join(root).join(name), variable, required)
}

/// The folder, if it is there; fails where it is required.
fn found(folder: &Path, variable: &str, required: bool) -> Option<PathBuf> {
    if folder.is_dir() {
        return Some(folder.into());
    }
    let message = format!("no folder {}; set {variable} to the folder that holds it", folder.display());
    assert!(!required, "{message} (CONVGRU_REQUIRE_DATA=1 forbids skipping)");
    eprintln!("SKIPPED: {message}");
    None
}

fn read_tensors(bytes: &[u8]) -> BTreeMap<String, Tensor<f64>> {
    let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let data = view.data();
        let values: Vec<f64> = match view.dtype() {
            Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::F32 => {
                data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect()
            }
            Dtype::I64 => {
                data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
            }
            Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| b.into()).collect(),
            other => panic!("{name}: numbers of type {other:?} are not read here"),
        };
        let tensor = Tensor::from_vec(view.shape(), values).unwrap();
        (name, tensor)
    });
    tensors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_difference_keeps_a_nan() {
        assert_eq!(worst_difference(&[1.0, 2.5], &[1.0, 2.0]), 0.5);
        assert!(worst_difference(&[f64::NAN, 1.0], &[0.0, 0.0]).is_nan());
        assert!(worst_difference(&[1.0, f64::NAN], &[0.0, 0.0]).is_nan());
    }

    #[test]
    fn numbers_of_each_type_arrive_as_f64() {
        use safetensors::tensor::TensorView;
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let single = bytes(&[0.5, -2.0]);
        let long: Vec<u8> = [7i64, -1].iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = [
            ("single", TensorView::new(Dtype::F32, vec![2], &single).unwrap()),
            ("long", TensorView::new(Dtype::I64, vec![1, 2], &long).unwrap()),
        ];
        let tensors = read_tensors(&safetensors::serialize(file, None).unwrap());
        assert_eq!(tensors["single"].as_slice(), [0.5, -2.0]);
        assert_eq!(tensors["long"].as_slice(), [7.0, -1.0]);
        assert_eq!(tensors["long"].shape(), [1, 2]);
    }

    #[test]
    fn data_folders_are_found_or_skipped_or_required() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(found(folder.path(), "CONVGRU_DATA", true), Some(folder.path().into()));
        let absent = folder.path().join("mnist");
        assert_eq!(found(&absent, "CONVGRU_DATA", false), None);
        let failed = std::panic::catch_unwind(|| found(&absent, "CONVGRU_DATA", true)).unwrap_err();
        let message = failed.downcast_ref::<String>().unwrap();
        assert!(
            message.contains("mnist; set CONVGRU_DATA") && message.contains("CONVGRU_REQUIRE_DATA=1"),
            "{message}"
        );
        // A file in its place is no folder.
        std::fs::write(&absent, "").unwrap();
        assert_eq!(found(&absent, "CONVGRU_DATA", false), None);
    }
}
