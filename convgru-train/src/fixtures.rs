//! Recorded values and data sets for this crate's tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convgru_model::Tensor;
use safetensors::{Dtype, SafeTensors};

#[path = "../../convgru-bench/tests/recorded_data/mod.rs"]
mod recorded_data;

pub(crate) use recorded_data::skipped::say_skipped;

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

/// A file of recorded values that is part of the project, such as `metrics.safetensors`.
pub(crate) fn parity_file(name: &str) -> ParityFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../convgru-bench/parity").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    ParityFile { name: name.to_owned(), tensors: read_tensors(&bytes) }
}

/// The folder `<data folder>/<name>`, such as `mnist`; `None` after saying `SKIPPED`.
pub(crate) fn data_folder(name: &str) -> Option<PathBuf> {
    recorded_data::folder("CONVGRU_DATA", name)
}

/// The folder of inputs with right results: `CONVGRU_CASES`, by default `../shared/cases` beside the project; `None` after
/// saying `SKIPPED`, also where recorded data are required.
pub(crate) fn case_folder() -> Option<PathBuf> {
    let named = std::env::var_os("CONVGRU_CASES").unwrap_or_else(|| "../shared/cases".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(named);
    recorded_data::found(&folder, "CONVGRU_CASES", false)
}

/// The larger of the absolute differences between two slices of one length.
pub(crate) fn worst_difference(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len(), "lengths to compare");
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    worst.fold(0.0, |worst, d| if d.is_nan() || d > worst { d } else { worst })
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
}
