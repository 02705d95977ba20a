//! What the processor can do at best: the measure of every kernel.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use crate::isa::Isa;
use crate::simd::dispatch::Dispatch;
use crate::simd::{Kernel, Simd, TileKernel};

/// Threads that measure at most.
const MOST_THREADS: usize = 1024;

/// Repetitions of a measurement, of which the best counts.
const REPETITIONS: usize = 5;

/// Fused multiplications and additions in `f32`, in 10^9 floating-point operations per second
/// (two for each lane), by as many threads at once (1 to 1024), on the current instruction set.
///
/// ```
/// assert!(convgru_kernels::peak::fma_gflops(1) > 0.1);
/// ```
pub fn fma_gflops(threads: usize) -> f64 {
    let threads = threads.clamp(1, MOST_THREADS);
    const ROUNDS: usize = 1 << 20;
    let isa = Isa::current();
    let operations = f32::dispatch_tile(isa, FmaLoop { rounds: 1 });
    let seconds = at_once(threads, || {
        black_box(f32::dispatch_tile(isa, FmaLoop { rounds: black_box(ROUNDS) }));
    });
    operations * ROUNDS as f64 * threads as f64 / seconds * 1e-9
}

/// Reading memory that fits into no cache, in 10^9 bytes per second, by as many threads at once (1 to
/// 1024).
pub fn read_gb_per_s(threads: usize) -> f64 {
    let threads = threads.clamp(1, MOST_THREADS);
    const BYTES: usize = 256 << 20;
    let isa = Isa::current();
    let memory = vec![1.0f32; BYTES / size_of::<f32>()];
    let part = memory.len() / threads;
    let index = std::sync::atomic::AtomicUsize::new(0);
    let seconds = at_once(threads, || {
        let start = index.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % threads * part;
        black_box(f32::dispatch(isa, ReadLoop { memory: &memory[start..start + part] }));
    });
    (part * threads * size_of::<f32>()) as f64 / seconds * 1e-9
}

/// The shortest time in seconds in which all threads did the work once.
fn at_once(threads: usize, work: impl Fn() + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let of_thread = || {
        (0..REPETITIONS)
            .map(|_| {
                barrier.wait();
                let start = Instant::now();
                work();
                barrier.wait();
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min)
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(of_thread)).collect();
        let times = handles.into_iter().map(|handle| handle.join().expect("measuring does not panic"));
        times.fold(0.0, f64::max)
    })
}

/// As many independent sums as fit into the registers; the result is the operations of a round.
struct FmaLoop {
    rounds: usize,
}

impl TileKernel<f32> for FmaLoop {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd<f32>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) -> f64 {
        let mut sums = [[s.splat(black_box(1.0)); COLUMNS]; ROWS];
        let (a, b) = (s.splat(black_box(0.999)), s.splat(black_box(0.001)));
        for _ in 0..self.rounds {
            for row in &mut sums {
                for sum in row {
                    *sum = s.mul_add(a, b, *sum);
                }
            }
        }
        let mut total = s.splat(0.0);
        for row in &sums {
            for &sum in row {
                total = s.add(total, sum);
            }
        }
        let mut lanes = [0.0f32; 16];
        s.write(&mut lanes, total);
        black_box(lanes);
        (2 * ROWS * COLUMNS * S::LANES) as f64
    }
}

/// The sum of all numbers.
struct ReadLoop<'a> {
    memory: &'a [f32],
}

impl Kernel<f32> for ReadLoop<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); 8];
        for chunk in self.memory.chunks_exact(8 * S::LANES) {
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum = s.add(*sum, s.read(&chunk[index * S::LANES..]));
            }
        }
        let mut total = s.splat(0.0);
        for sum in sums {
            total = s.add(total, sum);
        }
        let mut lanes = [0.0f32; 16];
        s.write(&mut lanes, total);
        lanes.iter().sum()
    }
}
