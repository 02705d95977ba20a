//! One cell by both engines: fused (`ConvGru`), and composed of operations (`Recurrent`).

use std::hint::black_box;

use convgru_model::composed::{Recurrent, RecurrentConfig};
use convgru_model::{
    ConvGru, ConvGruConfig, OutputGradients, Parameters, ResetGate, Sequence, Tensor, Workspace,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Name, channels in and of the state, steps, batch, height, width.
const SHAPES: [(&str, [usize; 2], [usize; 4]); 2] =
    [("16_to_32_64x48", [16, 32], [10, 2, 64, 48]), ("64_to_64_16x16_b8", [64, 64], [10, 8, 16, 16])];

fn engines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engines");
    group.sample_size(10);
    for (name, [inputs, hidden], [steps, batch, height, width]) in SHAPES {
        let x = Tensor::from_fn(&[steps, batch, inputs, height, width], |i| {
            (i.wrapping_mul(2_654_435_761) >> 9) as f32 % 2001.0 / 1000.0 - 1.0
        });
        for reset in [ResetGate::Before, ResetGate::After] {
            let name = format!("{name}_reset_{reset}");
            let config = ConvGruConfig { reset, ..ConvGruConfig::new(inputs, &[hidden]) };
            let composed = Recurrent::<f32>::new(RecurrentConfig::from(&config), 0);
            let fused = ConvGru::<f32>::new(config, 0).expect("the configuration is valid");
            let composed = composed.expect("the configuration is valid");
            group.bench_function(BenchmarkId::new("fused_forward", &name), |bencher| {
                bencher.iter(|| fused.forward(black_box(&x)));
            });
            group.bench_function(BenchmarkId::new("composed_forward", &name), |bencher| {
                bencher.iter(|| composed.forward(black_box(&x)));
            });
            group.bench_function(BenchmarkId::new("fused_training", &name), |bencher| {
                bencher.iter(|| {
                    let mut workspace = Workspace::default();
                    let sequence = Sequence { input_gradient: true, ..Sequence::from(black_box(&x)) };
                    let states = fused.forward_train(sequence, &mut workspace)?;
                    let mut gradients = fused.parameters().zeros_like();
                    fused.backward(&mut workspace, &of_outputs(&states.outputs), &mut gradients)
                });
            });
            group.bench_function(BenchmarkId::new("composed_training", &name), |bencher| {
                bencher.iter(|| {
                    let mut workspace = Workspace::default();
                    let sequence = Sequence { input_gradient: true, ..Sequence::from(black_box(&x)) };
                    let states = composed.forward_train(sequence, &mut workspace)?;
                    let mut gradients = composed.parameters().zeros_like();
                    composed.backward(&mut workspace, &of_outputs(&states.outputs), &mut gradients)
                });
            });
        }
    }
    group.finish();
}

/// Gradients of all outputs.
fn of_outputs(outputs: &[Tensor<f32>]) -> OutputGradients<'_, f32> {
    OutputGradients { outputs: outputs.iter().map(Some).collect(), last: Vec::new() }
}

criterion_group!(benches, engines);
criterion_main!(benches);
