//! What grows: one size at a time, the others stay as they are.

use convgru_bench::{Kind, Network, Workload};
use convgru_model::ConvGruConfig;

/// A size that grows.
#[derive(Debug)]
pub(super) struct Axis {
    /// Its name in tables.
    pub(super) name: &'static str,
    /// Its values.
    values: &'static [usize],
    /// Replaces the size in the workload all axes start from.
    set: fn(&mut Sizes, usize),
}

/// All sizes of a workload: one layer with 3x3 kernels.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    side: usize,
    channels: usize,
    steps: usize,
    batch: usize,
    threads: usize,
}

/// The sizes that do not grow.
const BASE: Sizes = Sizes { side: 64, channels: 16, steps: 4, batch: 1, threads: 1 };

/// Operations in 10^9 of the largest training that is measured: f64 and one iteration take a minute beyond.
const LARGEST_TRAINING: f64 = 200.0;

/// Every size that grows.
pub(super) static AXES: [Axis; 5] = [
    Axis {
        name: "rows and columns",
        values: &[16, 32, 64, 128, 256, 512, 1024],
        set: |sizes, value| sizes.side = value,
    },
    Axis {
        name: "channels",
        values: &[8, 16, 32, 64, 128, 256, 512],
        set: |sizes, value| (sizes.channels, sizes.side) = (value, 32),
    },
    Axis { name: "steps", values: &[1, 4, 16, 64, 256], set: |sizes, value| sizes.steps = value },
    Axis { name: "batch", values: &[1, 2, 4, 8, 16, 32], set: |sizes, value| sizes.batch = value },
    Axis {
        name: "threads",
        values: &[1, 2, 4, 8, 16, 32, 64],
        set: |sizes, value| (sizes.threads, sizes.channels, sizes.side) = (value, 64, 128),
    },
];

/// One value of an axis, with one kind of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) axis: &'static Axis,
    pub(super) value: usize,
    pub(super) kind: Kind,
    pub(super) threads: usize,
}

impl Axis {
    /// The points with at most so many threads, the forward pass before training. Training leaves out the largest sizes.
    pub(super) fn points(&'static self, most_threads: usize) -> Vec<Point> {
        let of = |kind: Kind| {
            self.values.iter().filter_map(move |&value| {
                let threads = self.sizes(value).threads;
                let point = Point { axis: self, value, kind, threads };
                let is_small = !kind.trains() || point.gflop() <= LARGEST_TRAINING;
                (threads <= most_threads && is_small).then_some(point)
            })
        };
        of(Kind::Sequence).chain(of(Kind::Training)).collect()
    }

    fn sizes(&self, value: usize) -> Sizes {
        let mut sizes = BASE;
        (self.set)(&mut sizes, value);
        sizes
    }
}

impl Point {
    /// The workload.
    pub(super) fn workload(&self) -> anyhow::Result<Workload> {
        let Sizes { side, channels, steps, batch, .. } = self.axis.sizes(self.value);
        let kind = if self.kind.trains() { "training" } else { "forward pass" };
        let workload = Workload {
            name: format!("{} = {}, {kind}", self.axis.name, self.value),
            kind: self.kind,
            batch,
            height: side,
            width: side,
            steps,
            predicted: 0,
            gflop: self.gflop(),
            network: Network::ConvGru(ConvGruConfig::new(channels, &[channels])),
        };
        workload.check()?;
        Ok(workload)
    }

    /// Operations in 10^9: three gates over input and state, nine taps, two operations for each. Training computes twice as
    /// many for the gradients, except for the gradient of the network's input.
    fn gflop(&self) -> f64 {
        let Sizes { side, channels, steps, batch, .. } = self.axis.sizes(self.value);
        let half = (batch * side * side * steps * 9 * channels * 3 * channels) as f64 * 2e-9;
        if self.kind.trains() { 5.0 * half } else { 2.0 * half }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_axis_changes_its_size_and_every_point_is_a_workload() {
        for axis in &AXES {
            let points = axis.points(64);
            let of_training = points.iter().filter(|point| point.kind.trains()).count();
            assert_eq!(points.len() - of_training, axis.values.len());
            assert!(of_training + 1 >= axis.values.len(), "{}: {of_training}", axis.name);
            let workloads: Vec<Workload> = points.iter().map(|point| point.workload().unwrap()).collect();
            for pair in workloads[..axis.values.len()].windows(2) {
                let grew = pair[1].gflop > pair[0].gflop;
                assert!(grew || axis.name == "threads", "{}: {pair:?}", axis.name);
            }
        }
        let threads = AXES.iter().flat_map(|axis| axis.points(2)).map(|point| point.threads);
        assert_eq!(threads.max(), Some(2));
        let first = AXES[0].points(1)[2].workload().unwrap();
        // 64 x 64 pixels, four steps, 9 taps, 32 channels in, 48 out.
        assert!((first.gflop - 2e-9 * f64::from(64 * 64 * 4 * 9 * 32 * 48)).abs() < 1e-12, "{}", first.gflop);
    }
}
