//! Events to video: FireNet (Scheerlinck et al. 2020, WACV) over a stream of voxel grids.
//!
//! A disc moves in front of a camera that is computed: pixels whose brightness changes by a threshold give events. The events of each
//! 20 ms become a voxel grid, and the network makes a picture of it. Writes the pictures as `frame_000.pgm` and so on, and prints how long
//! a frame takes.
//!
//! ```text
//! cargo run --release -p convgru-model --example firenet -- PICTURES [WEIGHTS [HEIGHTxWIDTH]]
//! cargo run --release -p convgru-model --example firenet -- pictures firenet.pth 260x346
//! ```
//! `WEIGHTS` is a file of FireNet's weights as PyTorch wrote them, or a file of `convgru import`: in the pictures 0 is black and 1 is
//! white. Without it weights are drawn, and each picture goes from the lowest to the highest number that the untrained network gives.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use convgru_model::composed::{CellConfig, ConvStageConfig, Recurrent, RecurrentConfig, Stage, Wiring};
use convgru_model::events::{Events, VoxelGrid};
use convgru_model::layer::Activation;
use convgru_model::{Tensor, import};

/// Bins of time of a voxel grid, and channels of the network without a file.
const BINS: usize = 5;
const CHANNELS: usize = 16;
/// Voxel grids, each of so many positions of the disc.
const FRAMES: usize = 30;
const POSITIONS: usize = 20;
/// Seconds of a voxel grid.
const SECONDS: f64 = 0.02;
/// The change of the logarithm of brightness that gives an event.
const THRESHOLD: f64 = 0.2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(pictures) = arguments.first() else {
        return Err("usage: firenet PICTURES [WEIGHTS [HEIGHTxWIDTH]]".into());
    };
    let network = match arguments.get(1) {
        Some(path) => import::read::<f32>(&fs::read(path)?)?.into_recurrent()?,
        None => drawn()?,
    };
    let size = arguments.get(2).map_or("96x128", String::as_str);
    let (height, width) = size.split_once('x').ok_or("a size such as 260x346 is needed")?;
    let grid = VoxelGrid { bins: BINS, height: height.parse()?, width: width.parse()?, normalized: true };

    let chain = network.to_chain()?;
    if chain.in_channels() != BINS {
        return Err(
            format!("the network reads {} channels, not {BINS} bins of time", chain.in_channels()).into()
        );
    }
    let mut stream = chain.stream(1, grid.height, grid.width)?;
    let mut camera = Camera::new(grid.height, grid.width);
    fs::create_dir_all(pictures)?;
    let mut times = Vec::with_capacity(FRAMES);
    for frame in 0..FRAMES {
        let begin = frame as f64 * SECONDS;
        let events = camera.watch(begin);
        let voxels: Tensor<f32> = grid.of(events, Some([begin, begin + SECONDS]))?;
        let voxels = voxels.reshape(&[1, BINS, grid.height, grid.width])?;
        let start = Instant::now();
        let picture = stream.step(&voxels)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let range = if arguments.len() > 1 { [0.0, 1.0] } else { range_of(picture) };
        write_picture(&Path::new(pictures).join(format!("frame_{frame:03}.pgm")), picture, range)?;
    }
    times.sort_by(f64::total_cmp);
    writeln!(
        out,
        "{FRAMES} frames of {height} x {width} in {pictures}: {:.2} ms each (median), {:.2} ms the slowest",
        times[FRAMES / 2],
        times[FRAMES - 1]
    )?;
    Ok(())
}

/// FireNet with drawn weights.
fn drawn() -> convgru_model::Result<Recurrent<f32>> {
    let convolution = |[in_channels, out_channels]: [usize; 2], size, activation| ConvStageConfig {
        in_channels,
        out_channels,
        kernel_size: [size; 2],
        activation,
        ..Default::default()
    };
    let relu = Activation::Relu;
    let cell = || Stage::Cell(CellConfig::new(CHANNELS, CHANNELS));
    let block = || Stage::Residual(convolution([CHANNELS; 2], 3, relu));
    let stages = vec![
        Stage::Convolution(convolution([BINS, CHANNELS], 3, relu)),
        cell(),
        block(),
        cell(),
        block(),
        Stage::Convolution(convolution([CHANNELS, 1], 1, Activation::Identity)),
    ];
    Recurrent::new(RecurrentConfig { stages, wiring: Wiring::Chain }, 1)
}

/// A camera whose pixels say when their brightness changed.
struct Camera {
    size: [usize; 2],
    /// The logarithm of brightness of each pixel at its last event.
    last: Vec<f64>,
    x: Vec<u16>,
    y: Vec<u16>,
    t: Vec<f64>,
    p: Vec<i8>,
}

impl Camera {
    fn new(height: usize, width: usize) -> Self {
        let mut camera =
            Self { size: [height, width], last: Vec::new(), x: vec![], y: vec![], t: vec![], p: vec![] };
        camera.last = (0..height * width).map(|pixel| camera.brightness(pixel, 0.0)).collect();
        camera
    }

    /// The logarithm of brightness: a bright disc with a soft edge that moves on a circle.
    fn brightness(&self, pixel: usize, time: f64) -> f64 {
        let [height, width] = self.size.map(|size| size as f64);
        let angle = 4.0 * time;
        let row = (pixel / self.size[1]) as f64 - height * (0.5 + 0.25 * angle.sin());
        let column = (pixel % self.size[1]) as f64 - width * (0.5 + 0.25 * angle.cos());
        let edge = row.hypot(column) - height / 8.0;
        (0.1 + 1.0 / (1.0 + edge.exp())).ln()
    }

    /// The events of the time of a voxel grid.
    fn watch(&mut self, begin: f64) -> Events<'_> {
        self.x.clear();
        self.y.clear();
        self.t.clear();
        self.p.clear();
        for position in 1..=POSITIONS {
            let time = begin + SECONDS * position as f64 / POSITIONS as f64;
            // Rounding must not put the last position behind the window.
            let time = time.min(begin + SECONDS);
            for pixel in 0..self.last.len() {
                let change = self.brightness(pixel, time) - self.last[pixel];
                if change.abs() >= THRESHOLD {
                    self.last[pixel] += change.signum() * THRESHOLD;
                    self.x.push((pixel % self.size[1]) as u16);
                    self.y.push((pixel / self.size[1]) as u16);
                    self.t.push(time);
                    self.p.push(if change > 0.0 { 1 } else { -1 });
                }
            }
        }
        Events { x: &self.x, y: &self.y, t: &self.t, p: &self.p }
    }
}

/// The lowest and the highest number.
fn range_of(picture: &Tensor<f32>) -> [f32; 2] {
    let values = || picture.as_slice().iter().copied();
    [values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max)]
}

/// A grey picture, from black to white.
fn write_picture(path: &Path, picture: &Tensor<f32>, [low, high]: [f32; 2]) -> std::io::Result<()> {
    let &[_, _, height, width] = picture.shape() else { unreachable!("frames are [N, C, H, W]") };
    let mut bytes = format!("P5\n{width} {height}\n255\n").into_bytes();
    // Of a network that gives several channels the first is shown.
    let shade = |value: &f32| ((value - low) / (high - low).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    bytes.extend(
        picture.as_slice()[..height * width].iter().map(|value| (shade(value) * 255.0).round() as u8),
    );
    fs::write(path, bytes)
}
