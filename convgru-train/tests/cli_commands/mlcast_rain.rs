//! The preset `mlcast`: rain of every source on the scale of the package, trained, measured and forecast.

use std::fs;
use std::path::Path;

use convgru_model::import::NamedTensors;
use convgru_model::{Forecaster, MlcastConfig, Parameters, export};
use convgru_train::ReadBudget;
use convgru_train::dataset::read_numbers;
use convgru_train::trainer::TrainedModel;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::forecasts::composite;
use crate::netcdf::NetCdf;
use crate::program::{array, convgru};

const SIZE: [usize; 2] = [20, 26];

/// A shower of rain in mm/h that moves, dry and unmeasured pixels around it.
fn rate(at: usize) -> f32 {
    let (step, row, column) = (at / 520, at / 26 % 20, at % 26);
    match (row + column + step) % 13 {
        _ if column == 25 => f32::NAN,
        0..5 => 0.0,
        wet => 0.1 * (wet * wet) as f32,
    }
}

fn write(path: &Path, steps: usize, unit: &str, name: &str, of_rate: f32) {
    let numbers = |at: usize| rate(at) / of_rate;
    let shape = [steps, SIZE[0], SIZE[1]];
    NetCdf { shape, unit: Some(unit), standard_name: Some(name), minutes: 5.0, numbers: &numbers }
        .write(path);
}

/// A store of Zarr with the same numbers, in chunks of a frame.
fn write_store(path: &Path, steps: usize) {
    let put = |name: &str, text: String| {
        let path = path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let array = |shape: &str, chunks: &str, kind: &str| {
        format!(
            r#"{{"zarr_format": 2, "shape": {shape}, "chunks": {chunks}, "dtype": "{kind}", "compressor": null, "fill_value": null, "order": "C", "filters": null}}"#
        )
    };
    put(".zgroup", r#"{"zarr_format": 2}"#.into());
    put("RR/.zarray", array(&format!("[{steps}, 20, 26]"), "[1, 20, 26]", "<f4"));
    put(
        "RR/.zattrs",
        r#"{"_ARRAY_DIMENSIONS": ["time", "y", "x"], "standard_name": "rainfall_rate", "units": "mm h-1"}"#
            .into(),
    );
    put("time/.zarray", array(&format!("[{steps}]"), &format!("[{steps}]"), "<f8"));
    put(
        "time/.zattrs",
        r#"{"_ARRAY_DIMENSIONS": ["time"], "standard_name": "time", "units": "minutes since 2020-01-01"}"#
            .into(),
    );
    for step in 0..steps {
        let frame: Vec<u8> = (0..520).flat_map(|pixel| rate(step * 520 + pixel).to_le_bytes()).collect();
        fs::write(path.join(format!("RR/{step}.0.0")), frame).unwrap();
    }
    let times: Vec<u8> = (0..steps).flat_map(|step| (5.0 * step as f64).to_le_bytes()).collect();
    fs::write(path.join("time/0"), times).unwrap();
}

const SMALL: &str = "train --preset mlcast --steps 3 --batch-size 2 --threads 1 --set training.accumulate=1 --set model.blocks=2 \
                     --set data.input_frames=3 --set data.output_frames=2 --set data.train_sequences=4 --set data.validation_sequences=2 \
                     --set data.test_sequences=2 --set training.validate_every=2";

/// The numbers of the variable in a file, in its unit, NaN where there is none.
fn numbers(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let config = convgru_train::dataset::FramesConfig::default();
    let read = read_numbers(path, &config, &ReadBudget::new(64, "a test")).unwrap();
    (read.shape().to_vec(), read.as_slice().to_vec())
}

/// A run measures finite scores and forecasts rain rates in mm/h.
fn expect_forecasts(folder: &Path, run: &str, input: &str) {
    let value =
        convgru(folder, &format!("eval --checkpoint runs/{run} --baselines --json")).succeeded().json();
    let crps = value["crps"]["crps"].as_f64();
    assert!(crps.is_some_and(|crps| crps > 0.0 && crps < 1.0), "{value}");
    let csi = &value["models"]["convgru"]["csi"];
    let shares = csi
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|of_threshold| of_threshold.as_array().into_iter().flatten());
    let shares: Vec<f64> = shares.filter_map(Value::as_f64).collect();
    assert!(!shares.is_empty() && shares.iter().all(|share| (0.0..=1.0).contains(share)), "{value}");
    let out = format!("{run}.nc");
    let predict = format!("predict --checkpoint runs/{run} --input {input} --frames 4 --out {out} --json");
    let value = convgru(folder, &predict).succeeded().json();
    assert_eq!((&value["unit"], &value["shape"][0]), (&Value::from("mm/h"), &Value::from(4)));
    let (_, rates) = numbers(&folder.join(out));
    // 60 dBZ are the end of the scale.
    let dry_or_rain = |rate: &f32| *rate == 0.0 || (0.036..=205.1).contains(rate);
    assert!(rates.iter().filter(|rate| !rate.is_nan()).all(dry_or_rain));
    assert!(rates.iter().any(|rate| !rate.is_nan()));
}

#[test]
fn the_preset_trains_on_netcdf_stores_and_radar_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("rain.nc"), 60, "mm h-1", "rainfall_rate", 1.0);
    let parts = "--set data.frames.crop=[8,12]";
    let ran = convgru(folder.path(), &format!("{SMALL} {parts} --data rain.nc --name rate")).succeeded();
    // The command that the training proposes works.
    let proposed = ran.stdout.lines().find_map(|line| line.trim().split_once("convgru predict "));
    let (_, proposed) = proposed.unwrap_or_else(|| panic!("{ran:?}"));
    assert!(proposed.contains("rain.nc --newest 3 "), "{proposed}");
    convgru(folder.path(), &format!("predict {proposed}")).succeeded();
    assert!(path("runs/rate/continued.gif").is_file());
    let config = fs::read_to_string(path("runs/rate/config.toml")).unwrap();
    for line in
        ["unit = \"mm/h\"", "z_r = [200.0, 1.6]", "crop = [8, 12]", "frame = [1, 8, 12]", "signed = true"]
    {
        assert!(config.contains(line), "{line}: {config}");
    }
    expect_forecasts(folder.path(), "rate", "rain.nc");
    // The whole frame is forecast, and what was not measured is missing.
    let (shape, rates) = numbers(&path("rate.nc"));
    assert_eq!(shape[shape.len() - 2..], SIZE);
    assert!(rates.iter().enumerate().all(|(at, rate)| rate.is_nan() == (at % 26 == 25)));

    // The same rain in other units gives the same forecast, of rain rates.
    write(&path("flux.nc"), 60, "kg m-2 s-1", "rainfall_flux", 3600.0);
    write(&path("amount.nc"), 60, "kg m-2", "rainfall_amount", 12.0);
    for other in ["flux", "amount"] {
        let predict =
            format!("predict --checkpoint runs/rate --input {other}.nc --frames 4 --out of_{other}.nc");
        convgru(folder.path(), &predict).succeeded();
        let (_, same) = numbers(&path(&format!("of_{other}.nc")));
        let is_same = |(a, b): (&f32, &f32)| a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-4 * b.max(1.0);
        assert!(same.iter().zip(&rates).all(is_same), "{other}");
        let bytes = fs::read(path(&format!("of_{other}.nc"))).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|own| own == text.as_bytes());
        assert!(holds("rainfall_rate") && !holds(&format!("rainfall_{other}")), "{other}");
    }
    // A floor of -32 dBZ is a number of another unit, and no rain rate that is too low.
    let floored = |at: usize| if rate(at) > 0.0 { rate(at) } else { -32.0 };
    let name = Some("equivalent_reflectivity_factor");
    let dbz = NetCdf {
        shape: [60, SIZE[0], SIZE[1]],
        unit: Some("dBZ"),
        standard_name: name,
        minutes: 5.0,
        numbers: &floored,
    };
    dbz.write(&path("dbz.nc"));
    let ran = convgru(folder.path(), &format!("{SMALL} {parts} --data dbz.nc --name dbz"));
    assert!(ran.code == Some(1) && ran.stderr.contains("the unit \"dBZ\""), "{ran:?}");
    array(&path("none.npy"), &[60, 20, 26], rate);
    for (input, said) in [
        ("dbz.nc", "the unit \"dBZ\", but data.frames.rain reads rain in mm/h (kg m-2 h-1), kg m-2 s-1"),
        ("none.npy", "tells no unit"),
        ("rain.nc --range 0,100", "--range"),
    ] {
        let ran = convgru(
            folder.path(),
            &format!("predict --checkpoint runs/rate --frames 1 --out no.nc --input {input}"),
        );
        assert!(ran.code == Some(1) && ran.stderr.contains(said), "{input}: {ran:?}");
    }
    convgru(
        folder.path(),
        "predict --checkpoint runs/rate --frames 1 --out of.npy --input none.npy --unit mm/h",
    )
    .succeeded();
    let ran = convgru(folder.path(), &format!("{SMALL} {parts} --data none.npy --name none"));
    assert!(ran.code == Some(1) && ran.stderr.contains("data.frames.unit"), "{ran:?}");

    if cfg!(feature = "zarr") {
        write_store(&path("rain.zarr"), 60);
        // A list of parts, of which the second is validated on and the third tested on.
        fs::write(path("crops.csv"), "t,x,y\n3,4,5\n42,13,12\n51,0,0\n").unwrap();
        let list = "--set data.frames.crop_list=crops.csv --set data.frames.time_depth=8";
        convgru(folder.path(), &format!("{SMALL} {parts} {list} --data rain.zarr --name store")).succeeded();
        expect_forecasts(folder.path(), "store", "rain.zarr");
        fs::write(path("crops.csv"), "t,x,y\n3,15,5\n").unwrap();
        let ran = convgru(folder.path(), &format!("{SMALL} {parts} {list} --data rain.zarr --name outside"));
        assert!(ran.code == Some(1) && ran.stderr.contains("lines 2"), "{ran:?}");
    }

    fs::create_dir(path("radar")).unwrap();
    (0..60).step_by(5).for_each(|minute| composite(&path("radar"), minute));
    for hour in 15..19 {
        for minute in (0..60).step_by(5) {
            let name = |hour: usize| format!("radar/20160928{hour}{minute:02}_fmi.pgm");
            fs::copy(path(&name(14)), path(&name(hour))).unwrap();
        }
    }
    let parts = "--set data.radar.crop=[16,12] --set data.radar.minimum_measured=0.0";
    convgru(folder.path(), &format!("{SMALL} {parts} --data radar --name images")).succeeded();
    expect_forecasts(folder.path(), "images", "radar");
}

#[test]
fn an_imported_network_of_the_package_forecasts_rain_with_the_scale_of_the_preset() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("rain.nc"), 12, "mm h-1", "rainfall_rate", 1.0);
    let config = MlcastConfig { blocks: 2, ..MlcastConfig::default() };
    let theirs = Forecaster::<f32>::new(config.clone(), 4).unwrap();
    let written = export::mlcast(&config, theirs.parameters()).unwrap();
    fs::write(path("theirs.safetensors"), export::to_safetensors(&written, &[]).unwrap()).unwrap();
    let import = "import --input theirs.safetensors --preset mlcast --out ours.safetensors";
    convgru(folder.path(), &format!("{import} --members 1")).succeeded();
    // What another program, or a training, wrote is never replaced.
    convgru(folder.path(), &format!("{import} --members 2")).succeeded();
    let ours = fs::read(path("ours.safetensors")).unwrap();
    let mut learned = TrainedModel::read(&path("ours.safetensors")).unwrap();
    learned.step = 7;
    for other in
        [b"notes".to_vec(), fs::read(path("theirs.safetensors")).unwrap(), learned.to_safetensors().unwrap()]
    {
        fs::write(path("other.safetensors"), &other).unwrap();
        let ran = convgru(folder.path(), &import.replace("ours", "other"));
        assert!(ran.code == Some(1) && ran.stderr.contains("holds something else"), "{ran:?}");
        assert_eq!(fs::read(path("other.safetensors")).unwrap(), other);
    }
    convgru(folder.path(), &format!("{import} --members 1")).succeeded();
    assert_ne!(fs::read(path("ours.safetensors")).unwrap(), ours);
    let trained = TrainedModel::read(&path("ours.safetensors")).unwrap();
    assert_eq!((trained.model.members(), trained.model.parameters()), (1, theirs.parameters()));
    convgru(folder.path(), "predict --checkpoint ours.safetensors --input rain.nc --frames 3 --out next.nc")
        .succeeded();

    // By hand, with the equations of the package in f64: rates to dBZ to -1 to 1, through the network as it is, and back.
    let normalized = |rate: f32| match f64::from(rate) {
        rate if rate.is_nan() => -1.0,
        rate => (10.0 * 200f64.log10() + 16.0 * rate.log10()).clamp(0.0, 60.0) / 30.0 - 1.0,
    };
    let frames = convgru_model::Tensor::from_fn(&[12, 1, 1, 20, 26], |at| normalized(rate(at)) as f32);
    let expected = theirs.forward(&frames, 3).unwrap();
    let (_, rates) = numbers(&path("next.nc"));
    for (at, (rate, own)) in rates.iter().zip(expected.as_slice()).enumerate() {
        let dbz = 30.0 * (f64::from(*own) + 1.0);
        let expected = if dbz <= 0.0 { 0.0 } else { 10f64.powf((dbz - 10.0 * 200f64.log10()) / 16.0) };
        let is_same = (f64::from(*rate) - expected).abs() < 1e-4 * expected.max(0.1);
        assert!(if at % 26 == 25 { rate.is_nan() } else { is_same }, "{at}: {rate} {expected}");
    }
    convgru(folder.path(), &import.replace("ours", "ensemble")).succeeded();
    let all = "predict --checkpoint ensemble.safetensors --input rain.nc --frames 3 --members all --out all.nc --json";
    assert_eq!(convgru(folder.path(), all).succeeded().json()["shape"][0], 2);
    // The mean of the members is the mean of their rain rates.
    convgru(
        folder.path(),
        "predict --checkpoint ensemble.safetensors --input rain.nc --frames 3 --out mean.nc",
    )
    .succeeded();
    let ((_, all), (_, mean)) = (numbers(&path("all.nc")), numbers(&path("mean.nc")));
    assert_eq!(all.len(), 2 * mean.len());
    let mut differing = 0;
    for (at, mean) in mean.iter().enumerate().filter(|(_, mean)| !mean.is_nan()) {
        let [one, other] = [all[at], all[at + all.len() / 2]];
        assert!(
            (mean - (one + other) / 2.0).abs() <= 1e-5 * mean.max(0.1),
            "{at}: {mean} of {one} and {other}"
        );
        differing += usize::from((one - other).abs() > 0.1 * one.max(other));
    }
    assert!(differing > 0, "members are the same");
    // Frames that are smaller than the parts of the preset are measured whole.
    write(&path("long.nc"), 40, "mm h-1", "rainfall_rate", 1.0);
    write(&path("short.nc"), 19, "mm h-1", "rainfall_rate", 1.0);
    let ran =
        convgru(folder.path(), "eval --checkpoint ensemble.safetensors --data short.nc --baselines --json")
            .succeeded();
    assert!(ran.stderr.contains("20 x 26 pixels, smaller than the 256 x 256 of data.frames.crop"), "{ran:?}");
    assert!(ran.json()["sequences"].as_u64() > Some(0), "{ran:?}");
    begin_with_imported(folder.path());
    let ran = convgru(folder.path(), "import --input theirs.safetensors --preset mlcast");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let export = "export --checkpoint ours.safetensors --out back.safetensors --layout";
    let ran = convgru(folder.path(), &format!("{export} original"));
    assert!(ran.code == Some(1) && ran.stderr.contains("is written by --layout mlcast"), "{ran:?}");
    convgru(folder.path(), &format!("{export} mlcast")).succeeded();
    let back = convgru_model::import::named_tensors(&fs::read(path("back.safetensors")).unwrap()).unwrap();
    let given = convgru_model::import::named_tensors(&fs::read(path("theirs.safetensors")).unwrap()).unwrap();
    assert_eq!(back.tensors, given.tensors);
}

#[test]
fn a_checkpoint_of_the_package_in_any_precision_becomes_a_trained_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let config = MlcastConfig { blocks: 2, ..MlcastConfig::default() };
    let theirs = Forecaster::<f32>::new(config.clone(), 4).unwrap();
    let written = export::mlcast(&config, theirs.parameters()).unwrap().tensors;
    // Zeros are the same in every precision.
    let is_other = |number: &&f32| **number != 0.0;
    let count: usize =
        written.iter().map(|(_, tensor)| tensor.as_slice().iter().filter(is_other).count()).sum();
    let import = "import --input theirs.safetensors --preset mlcast --members 1 --out ours.safetensors";
    let mut expected = None;
    // Of 64 bits, every number a little away from one of 32 bits; then numbers that 32, and that 16 bits hold.
    for (dtype, away, rounded) in
        [(Dtype::F64, 1.0 + 1e-12, count), (Dtype::F64, 1.0, 0), (Dtype::BF16, 1.0, 0)]
    {
        let bytes = |tensor: &convgru_model::Tensor<f32>| -> Vec<u8> {
            let number = |number: f32| match dtype {
                Dtype::BF16 => number.to_le_bytes()[2..].to_vec(),
                _ => (f64::from(number) * away).to_le_bytes().to_vec(),
            };
            tensor.as_slice().iter().flat_map(|&own| number(own)).collect()
        };
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = written
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shape().to_vec(), bytes(tensor)))
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(dtype, shape.clone(), bytes).unwrap())
        });
        fs::write(path("theirs.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
        let value = convgru(folder.path(), &format!("{import} --json")).succeeded().json();
        assert_eq!(
            (value["rounded"].as_u64(), value["left"].as_array().map(Vec::len)),
            (Some(rounded as u64), Some(0))
        );
        let trained = TrainedModel::read(&path("ours.safetensors")).unwrap();
        if dtype == Dtype::F64 {
            for ((name, ours), (_, theirs)) in
                trained.model.parameters().to_named().iter().zip(theirs.parameters().to_named())
            {
                let close = |(one, other): (&f32, &f32)| (one - other).abs() < 1e-10;
                assert!(ours.as_slice().iter().zip(theirs.as_slice()).all(close), "{name}");
            }
            expected = Some(trained);
        }
    }
    assert!(expected.is_some());
    let shape = written[0].1.shape().to_vec();
    let mut large: Vec<_> =
        written.iter().map(|(name, tensor)| (name.clone(), tensor.cast::<f64>())).collect();
    large[0].1 = convgru_model::Tensor::from_fn(&shape, |_| 1e300);
    let large = NamedTensors { tensors: large, skipped: Vec::new() };
    fs::write(path("theirs.safetensors"), export::to_safetensors(&large, &[]).unwrap()).unwrap();
    let ran = convgru(folder.path(), import);
    assert!(ran.code == Some(1) && ran.stderr.contains("too large for 32 bits"), "{ran:?}");
}

/// A training keeps the blocks of the file beside `--set model.members`, and warns where rain or the network mean something else.
fn begin_with_imported(folder: &Path) {
    convgru(folder, "import --input theirs.safetensors --out raw.safetensors").succeeded();
    let of_preset = "--preset mlcast --data long.nc --steps 1 --batch-size 2 --set training.accumulate=1 --set training.loss=l1 \
                     --set data.frames.crop=[16,16] --set data.input_frames=2 --set data.output_frames=1 --set data.train_sequences=2 \
                     --set data.validation_sequences=2 --set data.test_sequences=2 --dry-run";
    let dry = |arguments: &str| convgru(folder, &format!("train {arguments}"));
    let ran = dry(&format!("{of_preset} --init-from raw.safetensors --set model.members=1")).succeeded();
    assert!(ran.stdout.contains("tensors, imported") && !ran.stderr.contains("scale"), "{ran:?}");
    let other = format!("{of_preset} --init-from ours.safetensors --set model.signed=false");
    let ran = dry(&other);
    assert!(ran.code == Some(1) && ran.stderr.contains("model.signed: true, false"), "{ran:?}");
    let ran = dry(&format!("{other} --init-partial")).succeeded();
    assert!(
        ran.stdout.contains("in a network that is another") && !ran.stdout.contains("are drawn"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("is another than the configured one: model.signed: true, false"), "{ran:?}");
    let plain = of_preset.replace("--preset mlcast", "--preset quick --set data.frames.range=[0,200]");
    let ran = dry(&format!("{plain} --init-from ours.safetensors")).succeeded();
    assert!(ran.stderr.contains("reads rain as dBZ from 0 to 60 by Z = 200 R^1.6"), "{ran:?}");
    assert!(ran.stderr.contains("--preset mlcast"), "{ran:?}");
}
