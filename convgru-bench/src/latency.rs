//! `--latency`: the time from a frame to the state, as a distribution.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use convgru_model::{ConvGru, ConvGruConfig, Tensor};
use serde::Serialize;

use crate::progress::print;

/// A stream of frames: one layer with 3x3 kernels and as many channels in as out.
#[derive(Debug, Clone, Copy)]
struct Stream {
    height: usize,
    width: usize,
    channels: usize,
    /// Steps that are timed.
    steps: usize,
}

const STREAMS: [Stream; 3] = [
    Stream { height: 16, width: 16, channels: 16, steps: 10_000 },
    Stream { height: 64, width: 64, channels: 32, steps: 4000 },
    Stream { height: 270, width: 480, channels: 16, steps: 400 },
];

/// The share of steps before those that are timed.
const WARM_UP: usize = 20;

/// The memory that a neighbour reads again and again: more than caches hold.
const NEIGHBOUR_BYTES: usize = 64 << 20;

/// One line of the table. Times are in microseconds.
#[derive(Debug, Serialize)]
struct Latency {
    height: usize,
    width: usize,
    channels: usize,
    threads: usize,
    /// Whether another thread reads memory all the time.
    neighbour: bool,
    steps: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

/// Prints the distributions for 1 and 2 threads, on an idle machine and beside a neighbour.
pub(crate) fn run(json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for neighbour in [false, true] {
        for stream in STREAMS {
            for threads in [1, 2] {
                let measured = || stream.measure(threads, neighbour);
                rows.push(if neighbour { beside_neighbour(measured)? } else { measured()? });
            }
        }
    }
    print(&if json { serde_json::to_string_pretty(&rows)? } else { table(&rows) });
    Ok(())
}

fn table(rows: &[Latency]) -> String {
    let mut text = String::from("a step of a prepared stream, 3x3 kernels, microseconds\n");
    text += &format!(
        "{:>16} {:>7} {:>9} {:>7} {:>9} {:>9} {:>9}\n",
        "HxWxchannels", "threads", "neighbour", "steps", "p50", "p99", "max"
    );
    for row in rows {
        let Latency { height, width, channels, threads, neighbour, steps, p50, p99, max } = row;
        let size = format!("{height}x{width}x{channels}");
        let neighbour = if *neighbour { "yes" } else { "no" };
        text +=
            &format!("{size:>16} {threads:>7} {neighbour:>9} {steps:>7} {p50:>9.1} {p99:>9.1} {max:>9.1}\n");
    }
    text + "\nneighbour: another thread that reads memory all the time\n"
}

impl Stream {
    fn measure(self, threads: usize, neighbour: bool) -> anyhow::Result<Latency> {
        let Self { height, width, channels, steps } = self;
        let network = ConvGru::<f32>::new(ConvGruConfig::new(channels, &[channels]), 1)?;
        let frame = Tensor::from_fn(&[1, channels, height, width], |i| (i % 13) as f32 / 7.0 - 0.8);
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("cannot start threads")?;
        let mut times = pool.install(|| self.times(&network, &frame))?;
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(at);
        Ok(Latency { height, width, channels, threads, neighbour, steps, p50, p99, max })
    }

    fn times(self, network: &ConvGru<f32>, frame: &Tensor<f32>) -> anyhow::Result<Vec<f64>> {
        let mut stream = network.prepare()?.stream(1, self.height, self.width)?;
        let warm_up = self.steps.div_ceil(WARM_UP);
        let mut times = Vec::with_capacity(self.steps);
        for step in 0..warm_up + self.steps {
            let start = Instant::now();
            stream.step(frame)?;
            if step >= warm_up {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(times)
    }
}

/// Does something while another thread reads memory.
fn beside_neighbour<T>(something: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let memory = vec![1u64; NEIGHBOUR_BYTES / size_of::<u64>()];
            while !stop.load(Ordering::Relaxed) {
                std::hint::black_box(memory.iter().fold(0u64, |sum, number| sum.wrapping_add(*number)));
            }
        });
        // The neighbour has its memory by then.
        std::thread::sleep(Duration::from_millis(100));
        let _stop = StopOnDrop(&stop);
        something()
    })
}

/// Stops the neighbour, also where the work panics: the scope waits for the neighbour.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_in_order_and_fills_a_line() {
        let stream = Stream { height: 4, width: 5, channels: 2, steps: 50 };
        let row = beside_neighbour(|| stream.measure(1, true)).unwrap();
        assert!(row.p50 > 0.0 && row.p50 <= row.p99 && row.p99 <= row.max, "{row:?}");
        let text = table(&[row]);
        assert!(text.lines().nth(2).unwrap().trim_start().starts_with("4x5x2"), "{text}");
    }
}
