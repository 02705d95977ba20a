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
    /// The points with at most so many threads, the forward pass before training.
    pub(super) fn points(&'static self, most_threads: usize) -> Vec<Point> {
        let of = |kind: Kind| {
            self.values.iter().filter_map(move |&value| {
                let threads = self.sizes(value).threads;
                (threads <= most_threads).then_some(Point { axis: self, value, kind, threads })
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
        // Three gates over input and state, nine taps, two operations for each; training computes twice as many for
        // the gradients, but for the gradient of the network's input.
        let half = (batch * side * side * steps * 9 * channels * 3 * channels) as f64 * 2e-9;
        let gflop = if self.kind.trains() { 5.0 * half } else { 2.0 * half };
        let workload = Workload {
            name: format!("{} = {}, {kind}", self.axis.name, self.value),
            kind: self.kind,
            batch,
            height: side,
            width: side,
            steps,
            predicted: 0,
            gflop,
            network: Network::ConvGru(ConvGruConfig::new(channels, &[channels])),
        };
        workload.check()?;
        Ok(workload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_axis_changes_its_size_and_every_point_is_a_workload() {
        for axis in &AXES {
            let points = axis.points(64);
            assert_eq!(points.len(), 2 * axis.values.len());
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
