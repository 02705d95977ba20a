//! rten, from the ONNX files; inference only.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use peer_protocol::{Graph, Named, OnnxEngine};
use rten::{Model, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

struct Rten {
    model: Model,
    options: RunOptions,
}

impl Graph for Rten {
    type Tensor = Value;

    fn open(path: &Path, threads: usize) -> anyhow::Result<Self> {
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        Ok(Self {
            model: Model::load_file(path)?,
            options: RunOptions::default().with_thread_pool(Some(pool)),
        })
    }

    fn tensor(named: Named) -> anyhow::Result<Value> {
        Ok(Tensor::from_data(named.shape.as_slice(), named.numbers).into())
    }

    fn numbers(tensor: &Value) -> anyhow::Result<Vec<f32>> {
        let tensor: Tensor<f32> = tensor.clone().try_into().context("not a tensor of 32-bit numbers")?;
        Ok(tensor.to_vec())
    }

    fn run(&self, inputs: &[&Value]) -> anyhow::Result<Vec<Value>> {
        let ids = self.model.input_ids().iter().copied();
        let inputs = ids.zip(inputs.iter().map(|value| ValueOrView::from(*value))).collect();
        Ok(self.model.run(inputs, self.model.output_ids(), Some(self.options.clone()))?)
    }
}

fn main() -> anyhow::Result<()> {
    peer_protocol::serve("rten", env!("CARGO_PKG_VERSION"), OnnxEngine::<Rten>::load)
}
