//! A store of Zarr that is larger than the memory, quickly made and small on the disk.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// Pixels of a side of a frame, and of a chunk.
const SIDE: usize = 512;
const CHUNK_SIDE: usize = 256;
/// Frames of a chunk.
const CHUNK_STEPS: usize = 8;
/// Frames after which the pattern comes again.
const PERIOD: usize = 32;
/// The largest number.
pub(super) const HIGHEST: f64 = 20.0;

/// How many frames of `float32` have so many bytes, in whole chunks.
pub(super) fn frames_of(bytes: u64) -> usize {
    let chunk = (CHUNK_STEPS * SIDE * SIDE * size_of::<f32>()) as u64;
    usize::try_from(bytes / chunk).unwrap_or(usize::MAX).max(1).saturating_mul(CHUNK_STEPS)
}

/// Writes a store, version 3, with the array `rain` of some frames, whose times are five minutes apart; its bytes on the disk.
///
/// Every chunk is packed by gzip. There are as many different ones as the pattern has phases, so that packing takes no time.
pub(super) fn write(store: &Path, frames: usize) -> anyhow::Result<u64> {
    let rain = store.join("rain");
    let places = SIDE / CHUNK_SIDE;
    let packed: Vec<Vec<u8>> =
        (0..PERIOD / CHUNK_STEPS * places * places).map(packed).collect::<Result<_, _>>()?;
    save(&store.join("zarr.json"), &json!({"zarr_format": 3, "node_type": "group", "attributes": {}}))?;
    let chunk = [CHUNK_STEPS, CHUNK_SIDE, CHUNK_SIDE];
    let attributes = json!({"units": "mm/h", "standard_name": "rainfall_rate"});
    save(
        &rain.join("zarr.json"),
        &array((&[frames, SIDE, SIDE], &chunk), &["time", "y", "x"], "float32", attributes),
    )?;
    let attributes = json!({"units": "minutes since 2020-01-01", "standard_name": "time"});
    save(&store.join("time/zarr.json"), &array((&[frames], &[frames]), &["time"], "float64", attributes))?;
    let times = (0..frames).flat_map(|step| (5.0 * step as f64).to_le_bytes()).collect::<Vec<u8>>();
    write_file(&store.join("time/c/0"), &gzip(&times)?)?;
    let mut bytes = 0;
    for block in 0..frames / CHUNK_STEPS {
        for place in 0..places * places {
            let own = &packed[block % (PERIOD / CHUNK_STEPS) * places * places + place];
            let name = format!("c/{block}/{}/{}", place / places, place % places);
            write_file(&rain.join(name), own)?;
            bytes += own.len() as u64;
        }
    }
    Ok(bytes)
}

/// A chunk of the pattern, by its number over phases and places.
fn packed(number: usize) -> std::io::Result<Vec<u8>> {
    let places = SIDE / CHUNK_SIDE;
    let (phase, place) = (number / (places * places), number % (places * places));
    let [top, left] = [place / places, place % places].map(|at| at * CHUNK_SIDE);
    let mut bytes = Vec::with_capacity(CHUNK_STEPS * CHUNK_SIDE * CHUNK_SIDE * size_of::<f32>());
    for step in 0..CHUNK_STEPS {
        let time = phase * CHUNK_STEPS + step;
        for row in 0..CHUNK_SIDE {
            for column in 0..CHUNK_SIDE {
                bytes.extend(rate(time, top + row, left + column).to_le_bytes());
            }
        }
    }
    gzip(&bytes)
}

/// A rain rate: showers that move by four pixels in each frame, in tenths of mm/h.
fn rate(time: usize, row: usize, column: usize) -> f32 {
    let turn = |at: usize, length: f64| (std::f64::consts::TAU * at as f64 / length).sin();
    let shower = turn(row + 4 * time, 4.0 * PERIOD as f64) * turn(column, 64.0);
    ((shower.max(0.0) * HIGHEST * 10.0).round() / 10.0) as f32
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn array((shape, chunk): (&[usize], &[usize]), names: &[&str], kind: &str, attributes: Value) -> Value {
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": kind,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "gzip", "configuration": {"level": 1}},
        ],
        "dimension_names": names,
        "attributes": attributes,
    })
}

fn save(path: &Path, json: &Value) -> anyhow::Result<()> {
    write_file(path, json.to_string().as_bytes())
}

fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use convgru_train::ReadBudget;
    use convgru_train::dataset::{FramesConfig, read_numbers};

    use super::*;

    #[test]
    fn a_store_is_read_with_its_numbers_and_small_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("rain.zarr");
        let frames = frames_of(20 << 20);
        assert_eq!((frames, frames_of(1)), (16, 8));
        let bytes = write(&store, frames).unwrap();
        assert!(bytes < 4 << 20, "{bytes}");
        let config = FramesConfig { variable: "rain".into(), ..FramesConfig::default() };
        let numbers = read_numbers(&store, &config, &ReadBudget::new(256, "memory")).unwrap();
        assert_eq!(numbers.shape(), [1, frames, 1, SIDE, SIDE]);
        for (time, row, column) in [(0, 0, 0), (9, 40, 300), (15, 511, 511)] {
            assert_eq!(numbers.as_slice()[(time * SIDE + row) * SIDE + column], rate(time, row, column));
        }
    }
}
