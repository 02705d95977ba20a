//! Small files to begin with, made here; files of the project for formats that nothing here writes.

use std::path::Path;

use convgru_model::import::{NamedNetwork, NamedTensors};
use convgru_model::layer::{Conv2d, Conv2dConfig};
use convgru_model::{ConvGru, ConvGruConfig, EncoderForecasterConfig, Forecaster, ForecasterConfig, MlcastConfig, PyramidConfig, Tensor, export};
use convgru_train::checkpoint::Checkpoint;
use convgru_train::config::{Preset, RunConfig};
use convgru_train::media;
use convgru_train::trainer::TrainedModel;

/// The seeds of a target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "npy" => vec![written("a.npy", [3, 1, 4, 5])],
        "npz" => vec![zip(&[("frames.npy", &written("a.npy", [3, 1, 4, 5]))])],
        "idx" => vec![[&[0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 28, 0, 0, 0, 28][..], &[7; 4 * 28 * 28]].concat()],
        "pgm" => vec![
            [b"P5\n# obstime 201609281000\n4 3\n255\n", &[9u8; 12][..]].concat(),
            [b"P5 64 48 255\n", &[3u8; 64 * 48][..]].concat(),
        ],
        "png" => {
            let folder = tempfile::tempdir().expect("a folder for seeds");
            media::write_frames(folder.path().join("a"), &ramp([1, 1, 4, 5])).expect("frames");
            media::write_frames(folder.path().join("b"), &ramp([1, 3, 4, 5])).expect("frames");
            [files(&folder.path().join("a")), files(&folder.path().join("b"))].concat()
        }
        "jpeg" => recorded("tests/data/jpeg", "jpg"),
        "apng" => recorded("tests/data/apng", "png"),
        "gif" => vec![written("a.gif", [3, 1, 4, 5]), written("a.gif", [2, 3, 6, 5])],
        "hdf5" => recorded("tests/data/hdf5", "h5"),
        "netcdf" => recorded("tests/data/hdf5", "nc"),
        "grib" => recorded("tests/data/grib", "grib2"),
        "zarr" => recorded("tests/data/zarr", "zip").into_iter().filter(|file| file.len() < 1 << 16).collect(),
        "safetensors" => safetensors(),
        "pickle" => pickles(),
        "mxnet" => vec![mxnet(0, &[0; 8]), mxnet(2, &[0; 4]), mxnet(3, &[0; 2])],
        "checkpoint" => checkpoints(),
        "toml" => Preset::ALL
            .iter()
            .map(|preset| RunConfig::preset(*preset).to_toml().into_bytes())
            .chain([b"name = \"x\"\n[training]\nsteps = 7\nloss = { mse = 1.0, ssim = 0.1 }\n".to_vec()])
            .collect(),
        other => panic!("no target {other}"),
    }
}

fn ramp(shape: [usize; 4]) -> Tensor<f32> {
    Tensor::from_fn(&shape, |i| (i % 5) as f32 / 5.0)
}

/// The bytes of a file of frames.
fn written(name: &str, shape: [usize; 4]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder for seeds");
    let path = folder.path().join(name);
    media::write_frames(&path, &ramp(shape)).expect("frames");
    std::fs::read(&path).expect("the frames that were written")
}

/// The files of a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| std::fs::read(entry.ok()?.path()).ok()).collect()
}

/// Files of the project's own tests, by the end of their names.
fn recorded(below: &str, ending: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../convgru-train").join(below);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|end| end == ending)).filter_map(|path| std::fs::read(path).ok()).collect()
}

/// A zip archive of stored entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let little = |numbers: &[(usize, usize)]| -> Vec<u8> {
        numbers.iter().flat_map(|&(number, width)| number.to_le_bytes()[..width].to_vec()).collect()
    };
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let at = bytes.len();
        let common = [(0, 2), (0, 4), (0, 4), (data.len(), 4), (data.len(), 4), (name.len(), 2), (0, 2)];
        bytes.extend(little(&[(0x0403_4b50, 4), (10, 2), (0, 2)]));
        bytes.extend(little(&common));
        bytes.extend(name.bytes().chain(data.iter().copied()));
        directory.extend(little(&[(0x0201_4b50, 4), (10, 2), (10, 2), (0, 2)]));
        directory.extend(little(&common));
        directory.extend(little(&[(0, 2), (0, 2), (0, 2), (0, 4), (at, 4)]));
        directory.extend(name.bytes());
    }
    let (at, count, length) = (bytes.len(), entries.len(), directory.len());
    bytes.extend(directory);
    bytes.extend(little(&[(0x0605_4b50, 4), (0, 2), (0, 2), (count, 2), (count, 2), (length, 4), (at, 4), (0, 2)]));
    bytes
}

fn safetensors() -> Vec<Vec<u8>> {
    let small = EncoderForecasterConfig { patch: 1, hidden_channels: vec![1], ..Default::default() };
    let network = |config: ForecasterConfig| Forecaster::<f32>::new(config, 0).expect("a small network");
    let trained = |model: Forecaster<f32>| {
        let config = RunConfig { model: model.config().clone(), ..RunConfig::default() };
        TrainedModel { model, config, step: 1 }.to_safetensors().expect("a small file")
    };
    let described = |model: &Forecaster<f32>| {
        let network = NamedNetwork { name: String::new(), network: model.clone().into(), origin: None };
        export::networks(&vec![network]).expect("a small file")
    };
    let stack = ConvGru::<f64>::new(ConvGruConfig::new(1, &[1]), 0).expect("a small network");
    let layer = Conv2d::<f32>::new(Conv2dConfig::new(1, 2, [1, 1]), 0).expect("a small layer");
    let mut files = vec![
        trained(network(small.clone().into())),
        described(&network(small.into())),
        described(&network(PyramidConfig::default().into())),
        export::to_safetensors(stack.parameters(), &[]).expect("a small file"),
        export::to_safetensors(layer.parameters(), &[]).expect("a small file"),
        published(),
        mlcast(),
    ];
    // Without its hash a changed file is read further.
    for index in 0..files.len() {
        files.push(without_hash(&files[index]));
    }
    files
}

/// Kernels under the names of a cell of another program.
fn published() -> Vec<u8> {
    let gates = ["convz", "convr", "convq"];
    let tensors = gates.map(|gate| (format!("gru.{gate}.weight"), Tensor::from_fn(&[1, 2, 1, 1], |i| i as f32)));
    export::to_safetensors(&NamedTensors { tensors: tensors.into(), skipped: Vec::new() }, &[]).expect("a small file")
}

/// A network of mlcast under its names.
fn mlcast() -> Vec<u8> {
    let config = MlcastConfig { blocks: 1, kernel_size: [1, 1], ..Default::default() };
    let network = Forecaster::<f32>::new(config.clone(), 0).expect("a small network");
    let weights = export::mlcast(&config, network.parameters()).expect("they are of the configuration");
    export::to_safetensors(&weights, &[]).expect("a small file")
}

/// A file whose entry of the hash has a shorter name and no value.
fn without_hash(file: &[u8]) -> Vec<u8> {
    let entry = b"\"convgru_hash\":\"blake3:";
    let Some(at) = file.windows(entry.len()).position(|window| window == entry) else { return file.to_vec() };
    let mut file = file.to_vec();
    let end = at + entry.len() + 64;
    let mut plain = b"\"h\":\"".to_vec();
    plain.resize(end - at, b' ');
    file[at..end].copy_from_slice(&plain);
    file
}

fn pickles() -> Vec<Vec<u8>> {
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01sU\x03cpuK\x06tQK\x01(K\x02K\x02t(K\x02K\x01t\x89NtR";
    let plain = [&b"}U\x01w"[..], tensor, b"s."].concat();
    let ordered = [&b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00aq\x02"[..], tensor, b"X\x01\x00\x00\x00bh\x00)Ru."].concat();
    let module = [
        &b"cmine\nCell\n)\x81}(U\x0b_parameters}U\x01wctorch._utils\n_rebuild_parameter\n("[..],
        tensor,
        b"\x88NtRsU\x08_buffers}U\x08_modules}ub.",
    ]
    .concat();
    let framed = b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94\x8c\x02os\x94\x8c\x01b\x93\x94s.".to_vec();
    let zipped = zip(&[("a/data.pkl", &plain), ("a/byteorder", b"little"), ("a/data/s", &[0x3f; 24])]);
    let old = b"(dp0\nS'a'\np1\n(lp2\nI1\naF2.5\naL3L\nas.".to_vec();
    vec![plain, ordered, module, framed, zipped, old]
}

/// A list of one array of two numbers.
fn mxnet(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [0x112u64.to_le_bytes(), [0; 8], 1u64.to_le_bytes()].concat();
    bytes.extend(0xF993_FAC9u32.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(data);
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(5u64.to_le_bytes());
    bytes.extend(b"arg:w");
    bytes
}

/// The version and the record of checkpoints, as earlier versions wrote them and as they are written now.
fn checkpoints() -> Vec<Vec<u8>> {
    let earlier = ["version3", "version4"].map(|folder| recorded(&format!("src/checkpoint/{folder}"), "ckpt")).concat();
    let now = earlier.iter().filter_map(|file| Checkpoint::from_bytes(file).ok()?.to_bytes().ok());
    let now: Vec<_> = now.collect();
    // Behind the magic the version, the length of the record and its hash.
    earlier.into_iter().chain(now).map(|file| [&file[8..9], &file[52..]].concat()).collect()
}
