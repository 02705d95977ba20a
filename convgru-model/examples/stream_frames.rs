//! Frames that keep coming from several cameras: one batch, one step for each frame, memory taken once.
//!
//! Where a camera cuts to another scene its memory is reset, and that of the others is not. Prints how long
//! a step takes, and what a reset is good for.
//!
//! ```text
//! cargo run --release -p convgru-model --example stream_frames
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, Instant};

use convgru_model::{ConvGru, ConvGruConfig, Result, Tensor};

const CAMERAS: usize = 4;
const HEIGHT: usize = 48;
const WIDTH: usize = 64;
const FRAMES: usize = 240;
/// The frame at which a camera cuts to another scene.
const CUT: usize = 160;
const CUTTING: usize = 2;

fn main() -> Result<()> {
    // Grey frames in; 16 channels that see 5x5 pixels, 32 above them.
    let config = ConvGruConfig { kernel_size: [5, 3].into(), ..ConvGruConfig::new(1, &[16, 32]) };
    let network = ConvGru::<f32>::new(config, 1)?;

    // Weights are packed and memory is taken here. From now on a step allocates nothing.
    let mut stream = network.prepare()?.stream(CAMERAS, HEIGHT, WIDTH)?;
    // A stream that never heard of the old scene, to compare with.
    let mut newborn = network.prepare()?.stream(1, HEIGHT, WIDTH)?;
    // A stream that nobody resets.
    let mut careless = network.prepare()?.stream(CAMERAS, HEIGHT, WIDTH)?;

    let mut frames = Tensor::zeros(&[CAMERAS, 1, HEIGHT, WIDTH]);
    let mut times = Vec::with_capacity(FRAMES);
    println!("frame  camera {CUTTING}: distance from a network that saw only the new scene");
    println!("       with reset  without");
    for t in 0..FRAMES {
        for camera in 0..CAMERAS {
            draw(frames.slice_mut(camera), camera, t);
        }
        if t == CUT {
            stream.reset_samples(&[CUTTING])?;
        }
        let start = Instant::now();
        let top = stream.step(&frames)?;
        times.push(start.elapsed());

        let unaware = careless.step(&frames)?;
        if t >= CUT {
            let frame = Tensor::from_vec(&[1, 1, HEIGHT, WIDTH], frames.slice(CUTTING).to_vec())?;
            let expected = newborn.step(&frame)?.slice(0);
            if [0, 2, 4, 8, 16, 32].contains(&(t - CUT)) {
                let reset = distance(top.slice(CUTTING), expected);
                let kept = distance(unaware.slice(CUTTING), expected);
                println!("{t:5}  {reset:10.6}  {kept:7.4}");
            }
        }
    }
    times.sort_unstable();
    let at = |percent: usize| milliseconds(times[(times.len() - 1) * percent / 100]);
    println!(
        "{CAMERAS} cameras of {HEIGHT}x{WIDTH}, {FRAMES} frames: p50 {:.2} ms, p99 {:.2} ms",
        at(50),
        at(99)
    );
    Ok(())
}

/// A bright disc that crosses the picture; the scene after the cut has another one on another way.
fn draw(pixels: &mut [f32], camera: usize, t: usize) {
    let new_scene = camera == CUTTING && t >= CUT;
    let (speed, row) = if new_scene { (3, HEIGHT / 4) } else { (1 + camera, HEIGHT / 2) };
    let column = (t * speed) % WIDTH;
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let (down, right) = ((i / WIDTH).abs_diff(row), (i % WIDTH).abs_diff(column));
        *pixel = if down * down + right * right < 36 { 1.0 } else { 0.0 };
    }
}

/// The root of the mean of squared differences.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let squares: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / a.len() as f32).sqrt()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
