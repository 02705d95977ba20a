//! A trained network, frame after frame: what comes next is forecast after each.
//!
//! `cargo run --release -p convgru-model --example nowcast_stream [model.safetensors]`
//!
//! A file such as `runs/quick/model.safetensors` says itself which network it holds. Without one the program makes up a
//! network with random weights, to show the calls. The frames are a cloud that drifts.

#![expect(clippy::print_stdout, reason = "an example shows what it computes")]

use std::error::Error;
use std::time::Instant;

use convgru_model::{Forecaster, ForecasterConfig, PyramidConfig, Residual, Tensor, import};

/// Rows and columns: multiples of the patch of the networks that want such.
const SIZE: [usize; 2] = [64, 96];
/// Frames that are read, and frames that are forecast after each of them.
const FRAMES: usize = 6;
const AHEAD: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let network: Forecaster<f32> = match std::env::args().nth(1) {
        Some(path) => import::read(&std::fs::read(path)?)?.into_forecaster()?,
        None => {
            let config = PyramidConfig { residual: Residual::LastFrame, ..Default::default() };
            Forecaster::new(config, 0)?
        }
    };
    let config = network.config();
    println!("a network of the kind {} with {} parameters", config.kind(), config.parameter_count());

    // Weights are packed once; the states of the encoder stay in the stream.
    let mut stream = network.prepare()?.stream(1, SIZE[0], SIZE[1])?;
    for t in 0..FRAMES {
        stream.read(&cloud(config, t))?;
        let began = Instant::now();
        let forecast = stream.forecast(AHEAD)?;
        let elapsed = began.elapsed().as_secs_f64();
        // Where the network expects the cloud at the end: the centre of what it predicts.
        let column = centre(forecast.slice(AHEAD - 1));
        println!("frame {t}: {AHEAD} frames ahead in {:.1} ms, centre in column {column:.1}", elapsed * 1e3);
    }
    Ok(())
}

/// A round cloud that moves by two columns from frame to frame, `[1, C, H, W]`; all pixels of a mask are measured.
fn cloud(config: &ForecasterConfig, t: usize) -> Tensor<f32> {
    let [height, width] = SIZE;
    Tensor::from_fn(&[1, config.read_channels(), height, width], |i| {
        if i / (height * width) >= config.image_channels() {
            return 1.0;
        }
        let (y, x) = ((i / width % height) as f32, (i % width) as f32);
        let (down, across) = (y - height as f32 / 2.0, x - (20 + 2 * t) as f32);
        (-(down * down + across * across) / 60.0).exp()
    })
}

/// The mean column of a frame, weighted by its numbers.
fn centre(frame: &[f32]) -> f32 {
    let columns = |weight: fn(usize) -> f32| -> f32 {
        frame.iter().enumerate().map(|(i, value)| value.max(0.0) * weight(i % SIZE[1])).sum()
    };
    columns(|column| column as f32) / columns(|_| 1.0).max(f32::MIN_POSITIVE)
}
