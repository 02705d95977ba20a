//! tract, from the ONNX files; inference only.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use peer_protocol::{Graph, Named, OnnxEngine};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

struct Tract(Arc<TypedRunnableModel>);

impl Graph for Tract {
    type Tensor = TValue;

    fn open(path: &Path, threads: usize) -> anyhow::Result<Self> {
        if threads > 1 {
            set_default_executor(Executor::multithread(threads));
        }
        Ok(Self(tract_onnx::onnx().model_for_path(path)?.into_optimized()?.into_runnable()?))
    }

    fn tensor(named: Named) -> anyhow::Result<TValue> {
        Ok(Tensor::from_shape(&named.shape, &named.numbers)?.into_tvalue())
    }

    fn numbers(tensor: &TValue) -> anyhow::Result<Vec<f32>> {
        Ok(tensor.to_plain_array_view::<f32>()?.iter().copied().collect())
    }

    fn run(&self, inputs: &[&TValue]) -> anyhow::Result<Vec<TValue>> {
        let inputs = inputs.iter().map(|value| (*value).clone()).collect();
        Ok(self.0.run(inputs)?.into_iter().collect())
    }
}

fn main() -> anyhow::Result<()> {
    peer_protocol::serve("tract", env!("CARGO_PKG_VERSION"), OnnxEngine::<Tract>::load)
}
