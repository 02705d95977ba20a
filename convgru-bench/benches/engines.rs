//! One cell by both engines: fused (`ConvGru`), and composed of operations (`Recurrent`).

use std::hint::black_box;

use convgru_model::composed::{CellConfig, Frames, Recurrent, RecurrentConfig, RecurrentOutputGradients};
use convgru_model::{
    ConvGru, ConvGruConfig, ConvGruOutputGradients, InputGradient, Outputs, Parameters, ResetGate, Tensor,
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
            let fused = ConvGru::<f32>::new(config, 0).expect("the configuration is valid");
            let cell = CellConfig { reset, ..CellConfig::new(inputs, hidden) };
            let composed = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 0);
            let composed = composed.expect("the configuration is valid");
            group.bench_function(BenchmarkId::new("fused_forward", &name), |bencher| {
                bencher.iter(|| fused.forward(black_box(&x), None, Outputs::Top));
            });
            group.bench_function(BenchmarkId::new("composed_forward", &name), |bencher| {
                bencher.iter(|| composed.forward(&Frames::new(black_box(&x))));
            });
            group.bench_function(BenchmarkId::new("fused_training", &name), |bencher| {
                bencher.iter(|| {
                    let (states, mut workspace) = fused.forward_train(black_box(&x), None)?;
                    let mut gradients = fused.parameters().zeros_like();
                    let outputs = vec![Some(&states.outputs[0])];
                    let d_states = ConvGruOutputGradients { outputs, last: vec![None] };
                    fused.backward(&mut workspace, &d_states, InputGradient::Compute, &mut gradients)
                });
            });
            group.bench_function(BenchmarkId::new("composed_training", &name), |bencher| {
                bencher.iter(|| {
                    let (states, workspace) = composed.forward_train(&Frames::new(black_box(&x)), None)?;
                    let mut gradients = composed.parameters().zeros_like();
                    let outputs = vec![Some(&states.outputs[0])];
                    let d_states = RecurrentOutputGradients { outputs, ..Default::default() };
                    workspace.backward(&d_states, &mut gradients)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, engines);
criterion_main!(benches);
