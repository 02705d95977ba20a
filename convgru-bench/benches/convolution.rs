//! The convolution of hidden states and its gradients, at the shapes of the workloads.

use std::hint::black_box;

use convgru_kernels::conv::{self, ConvShape, PackedWeights, Precision, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Scratchpad};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Name, channels in and out, batch, height, width.
const SHAPES: [(&str, [usize; 2], [usize; 3]); 5] = [
    ("64_to_128_16x16_b16", [64, 128], [16, 16, 16]),
    ("64_to_128_64x64", [64, 128], [1, 64, 64]),
    ("128_to_256_55x128", [128, 256], [1, 55, 128]),
    ("16_to_32_270x480", [16, 32], [1, 270, 480]),
    ("32_to_64_64x64_b4", [32, 64], [4, 64, 64]),
];

fn noise(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as f32 % 2001.0 / 1000.0 - 1.0).collect()
}

/// Images with the halo that a kernel of 3x3 reads.
fn images(extent: Extent) -> FeatureMaps<f32> {
    let mut maps = FeatureMaps::with_halo(extent, [1, 1]).expect("it fits into memory");
    maps.as_mut().read_nchw(&noise(extent.len())).expect("the length fits");
    maps
}

fn convolution(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("convolution");
    group.sample_size(10);
    for (name, [cin, cout], [batch, height, width]) in SHAPES {
        let shape = ConvShape { precision: Precision::Fast, ..ConvShape::same(cin, cout, [3, 3]) };
        let extent = Extent { batch, channels: cin, height, width };
        let out = extent.with_channels(cout);
        group.throughput(Throughput::Elements(2 * (out.len() * shape.reduction()) as u64));
        let weights = noise(shape.weight_len());
        let weights = PackedWeights::new(shape, &weights).expect("the length fits");
        let x = images(extent);
        let dy = images(out);
        let mut y = FeatureMaps::zeros(out).expect("it fits into memory");
        let mut dx = FeatureMaps::zeros(extent).expect("it fits into memory");
        let mut dw = vec![0.0f32; shape.weight_len()];
        let mut scratch = Scratchpad::new();
        group.bench_function(BenchmarkId::new("forward", name), |bencher| {
            bencher.iter(|| {
                conv::forward(&weights, black_box(x.as_ref()), y.as_mut(), WriteMode::Overwrite, &mut scratch)
            });
        });
        group.bench_function(BenchmarkId::new("input_gradient", name), |bencher| {
            bencher.iter(|| {
                let (dy, dx) = (black_box(dy.as_ref()), dx.as_mut());
                conv::input_gradient(&weights, dy, dx, WriteMode::Overwrite, &mut scratch)
            });
        });
        group.bench_function(BenchmarkId::new("weight_gradient", name), |bencher| {
            bencher.iter(|| {
                conv::weight_gradient(&shape, x.as_ref(), black_box(dy.as_ref()), &mut dw, &mut scratch)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convolution);
criterion_main!(benches);
