//! Cell steps, sequences and training steps of every workload of stacks of cells.

use std::hint::black_box;

use convgru_bench::{Kind, Workload};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn workloads(criterion: &mut Criterion) {
    for workload in Workload::all().expect("the files are checked by a test") {
        let group_name = match workload.kind {
            Kind::Step => "cell_step",
            Kind::Sequence => "sequence",
            Kind::Training => "training_step",
            // They take seconds: `cargo xtask bench` measures them.
            Kind::Forecast | Kind::ForecastTraining => continue,
        };
        let network = workload.cells().expect("the files are checked by a test");
        let frames = workload.frames();
        let mut group = criterion.benchmark_group(group_name);
        group.sample_size(10);
        // "Elements" are floating-point operations: Gelem/s reads as GFLOP/s.
        group.throughput(Throughput::Elements((workload.gflop * 1e9) as u64));
        group.bench_function(BenchmarkId::from_parameter(&workload.name), |bencher| {
            bencher.iter(|| workload.run(&network, black_box(&frames)));
        });
        group.finish();
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
