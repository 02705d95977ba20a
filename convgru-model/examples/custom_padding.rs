//! Weather on a globe: west of the first column lies the last one, and nothing lies beyond the poles.
//!
//! ```text
//! cargo run --release -p convgru-model --example custom_padding
//! ```
//! A cell that wraps around gives the same for a globe that is turned, only turned; one with zeros beyond the edge does not.

use std::error::Error;
use std::io::Write;

use convgru_model::Tensor;
use convgru_model::composed::{CellConfig, PaddingMode, Recurrent, RecurrentConfig};

const STEPS: usize = 6;
const ROWS: usize = 18;
const COLUMNS: usize = 36;

/// A front that moves east, on a globe turned by so many columns.
fn weather(turned: usize) -> Tensor<f32> {
    Tensor::from_fn(&[STEPS, 1, 1, ROWS, COLUMNS], |i| {
        let (t, row, column) = (i / COLUMNS / ROWS, i / COLUMNS % ROWS, (i + turned) % COLUMNS);
        let distance = (column + COLUMNS - 2 * t) % COLUMNS;
        (-(distance.min(COLUMNS - distance) as f32) / 3.0).exp() * (row as f32 / ROWS as f32)
    })
}

/// The largest difference between what a cell makes of a turned globe, turned back, and of the globe itself.
fn difference(padding_mode: [PaddingMode; 2]) -> Result<f32, Box<dyn Error>> {
    let cell = CellConfig { padding_mode, kernel_size: [5, 5], ..CellConfig::new(1, 8) };
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 0)?;
    let turn = COLUMNS / 2;
    let [straight, turned] = [network.forward(&weather(0))?, network.forward(&weather(turn))?];
    let [straight, turned] = [&straight.outputs[0], &turned.outputs[0]];
    let mut largest = 0f32;
    for (i, value) in turned.as_slice().iter().enumerate() {
        let back = i / COLUMNS * COLUMNS + (i + turn) % COLUMNS;
        largest = largest.max((value - straight.as_slice()[back]).abs());
    }
    Ok(largest)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for (name, padding_mode) in [
        ("zeros beyond every edge", [PaddingMode::Zeros, PaddingMode::Zeros]),
        ("wrapped around from west to east", [PaddingMode::Zeros, PaddingMode::Circular]),
        ("wrapped around, poles repeated", [PaddingMode::Replicate, PaddingMode::Circular]),
    ] {
        writeln!(out, "{name}: a turned globe differs by {:.1e}", difference(padding_mode)?)?;
    }
    Ok(())
}
