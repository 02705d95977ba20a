//! Numbers mean the same in `train`, `eval` and `predict`, whatever type they have: an untrained network repeats the last frame.

use std::fs;
use std::path::Path;

use convgru_model::Tensor;
use convgru_train::media::write_frames;
use convgru_train::trainer::TrainedModel;

use crate::netcdf::NetCdf;
use crate::program::{LAST_FRAME, Ran, array, convgru};

const SHAPE: [usize; 3] = [6, 16, 20];
const FRAME: usize = 16 * 20;
/// Which of 52 levels a pixel has.
fn level(at: usize) -> u8 {
    (at * 7 % 52) as u8
}

fn whole_numbers<T: npyz::Serialize + npyz::AutoSerialize>(path: &Path, number: impl Fn(u8) -> T) {
    use npyz::WriterBuilder;
    let file = fs::File::create(path).unwrap();
    let shape = SHAPE.map(|length| length as u64);
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
    writer.extend((0..6 * FRAME).map(|at| number(level(at)))).unwrap();
    writer.finish().unwrap();
}

/// Writes the levels as the files of a kind, and returns the name.
fn write(folder: &Path, kind: &str) -> &'static str {
    let numbers = |scale: f32| move |at: usize| scale * f32::from(level(at));
    let netcdf = |unit: Option<&str>, minutes: f64, scale: f32| {
        NetCdf { shape: SHAPE, unit, standard_name: None, minutes, numbers: &numbers(scale) }
            .write(&folder.join("a.nc"));
        "a.nc"
    };
    let pictures = |name: &'static str| {
        let frames = Tensor::from_fn(&[6, 1, 16, 20], |at| f32::from(level(at)) / 51.0);
        write_frames(folder.join(name), &frames).unwrap();
        name
    };
    let shape = SHAPE.map(|length| length as u64);
    match kind {
        "uint8" => whole_numbers(&folder.join("a.npy"), |level| 5 * level),
        "mask" => whole_numbers(&folder.join("a.npy"), |level| level % 2),
        "uint16" => whole_numbers(&folder.join("a.npy"), |level| 1285 * u16::from(level)),
        "uint16 to 969" => whole_numbers(&folder.join("a.npy"), |level| 19 * u16::from(level)),
        "int16 to 102" => whole_numbers(&folder.join("a.npy"), |level| 2 * i16::from(level)),
        "float to 1" => array(&folder.join("a.npy"), &shape, numbers(1.0 / 51.0)),
        "float to 102" => array(&folder.join("a.npy"), &shape, numbers(2.0)),
        "float to 969" => array(&folder.join("a.npy"), &shape, numbers(19.0)),
        "mm/h" => return netcdf(Some("mm/h"), 5.0, 2.0),
        "mm h-1" => return netcdf(Some("mm h-1"), 5.0, 2.0),
        "mm/h to 1" => return netcdf(Some("mm/h"), 5.0, 1.0 / 51.0),
        "mm/h every 10" => return netcdf(Some("mm/h"), 10.0, 2.0),
        "mm/h without times" => return netcdf(Some("mm/h"), 0.0, 2.0),
        "dBZ" => return netcdf(Some("dBZ"), 5.0, 2.0),
        "float with gaps" => {
            array(
                &folder.join("a.npy"),
                &shape,
                |at| if at < 9 { f32::NAN } else { numbers(1.0 / 51.0)(at) },
            );
        }
        "no unit" => return netcdf(None, 5.0, 2.0),
        "gif" => return pictures("a.gif"),
        "png" => return pictures("images"),
        other => unreachable!("{other}"),
    }
    "a.npy"
}

/// Trains a step on data of a kind: the folder, with the run in `runs/t` and the data in `data`.
fn trained(kind: &str, settings: &str) -> (tempfile::TempDir, Ran) {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "validation", "test"] {
        let split = folder.path().join("data").join(split);
        fs::create_dir_all(&split).unwrap();
        write(&split, kind);
    }
    fs::write(folder.path().join("step.toml"), LAST_FRAME).unwrap();
    let ran = convgru(folder.path(), &format!("train --config step.toml --data data --json {settings}"));
    (folder, ran)
}

/// What `predict` writes of an input of a kind.
fn predicted(folder: &Path, kind: &str, options: &str) -> (Ran, Vec<f32>) {
    let input = tempfile::tempdir_in(folder).unwrap();
    let name = write(input.path(), kind);
    let within = input.path().file_name().unwrap().to_str().unwrap().to_owned();
    let out = format!("{within}.npy");
    let ran = convgru(
        folder,
        &format!("predict --checkpoint runs/t --input {within}/{name} --frames 2 --out {out} {options}"),
    );
    let numbers = fs::File::open(folder.join(out)).ok().map(|file| {
        let file = npyz::NpyFile::new(file).unwrap();
        assert_eq!(file.shape(), [2, 16, 20]);
        file.into_vec().unwrap()
    });
    assert_eq!(ran.code == Some(0), numbers.is_some(), "{kind} {options}: nothing is written on refusal");
    (ran, numbers.unwrap_or_default())
}

/// What becomes of an input: the number of its highest level in the forecast, or words of the refusal.
enum Expected {
    Highest(f32),
    Warned(f32, &'static [&'static str]),
    Refused(&'static [&'static str]),
}

use Expected::{Highest, Refused, Warned};

fn check(training: (&str, &str), inputs: &[(&str, &str, Expected)]) {
    let (kind, settings) = training;
    let (folder, ran) = trained(kind, settings);
    ran.succeeded();
    for (input, options, expected) in inputs {
        let (ran, numbers) = predicted(folder.path(), input, options);
        let what = format!("trained on {kind} {settings}, given {input} {options}: {}", ran.stderr);
        let has = |words: &[&str]| words.iter().all(|word| ran.stderr.contains(word));
        let highest = match expected {
            Highest(highest) => {
                assert!(!ran.stderr.contains("warning"), "{what}");
                *highest
            }
            Warned(highest, words) => {
                assert!(ran.stderr.contains("warning") && has(words), "{what}");
                *highest
            }
            Refused(words) => {
                assert!(ran.code == Some(1) && has(words), "{what}");
                continue;
            }
        };
        assert_eq!(ran.code, Some(0), "{what}");
        for (at, &number) in numbers.iter().enumerate() {
            let right = highest * f32::from(level(5 * FRAME + at % FRAME)) / 51.0;
            assert!((number - right).abs() <= 2e-4 * highest, "{what}: {number}, not {right}");
        }
    }
}

#[test]
fn shares_of_the_full_scale_are_the_same_in_every_type() {
    for (kind, highest) in
        [("uint8", 255.0), ("uint16", 65535.0), ("float to 1", 1.0), ("gif", 1.0), ("png", 1.0)]
    {
        // Such numbers may be a forecast of a training on whole numbers.
        let shares = match kind {
            "uint8" => Warned(highest, &["a.npy", "shares 0 to 1", "say --range 0,255"]),
            "uint16" => Warned(highest, &["a.npy", "shares 0 to 1", "say --range 0,65535"]),
            _ => Highest(highest),
        };
        check(
            (kind, ""),
            &[
                ("uint8", "", Highest(highest)),
                ("uint16", "", Highest(highest)),
                ("float to 1", "", shares),
                ("float to 1", "--range 0,1", Highest(highest)),
                ("gif", "", Highest(highest)),
                ("png", "", Highest(highest)),
                ("float to 102", "", Refused(&["a.npy", "number 14", "0 to 1", "--range"])),
                ("float to 102", "--range 0,102", Highest(highest)),
                ("int16 to 102", "--range 0,102", Highest(highest)),
                ("float with gaps", "", Warned(highest, &["a.npy", "missing pixels"])),
                ("mm/h", "", Refused(&["a.nc", "0 to 1"])),
                ("mm/h to 1", "", Warned(highest, &["mm/h", "without a unit"])),
            ],
        );
    }
}

#[test]
fn numbers_of_a_unit_are_read_in_that_unit_alone() {
    let inputs = |is_told: bool| {
        let silent = |highest| match is_told {
            true => Warned(highest, &["tells no unit", "mm/h"]),
            false => Highest(highest),
        };
        [
            ("mm/h", "", Highest(102.0)),
            ("mm h-1", "", Highest(102.0)),
            ("mm/h to 1", "", Highest(1.0)),
            ("mm/h without times", "", Highest(102.0)),
            ("dBZ", "", Refused(&["a.nc", "\"dBZ\"", "\"mm/h\"", "--unit"])),
            ("dBZ", "--range 0,102", Refused(&["\"dBZ\"", "\"mm/h\""])),
            ("dBZ", "--unit mm/h", Highest(102.0)),
            ("float to 102", "", silent(102.0)),
            ("float to 102", "--unit mm/h", Highest(102.0)),
            ("no unit", "", silent(102.0)),
            ("int16 to 102", "", silent(102.0)),
            ("float to 969", "", Refused(&["a.npy", "number 133", "0 to 102", "--range"])),
            ("float to 969", "--range 0,969 --unit mm/h", Highest(102.0)),
            ("gif", "", Refused(&["a.gif", "pictures", "0 to 102 mm/h", "--range 0,102"])),
            ("png", "", Refused(&["images", "pictures", "0 to 102 mm/h"])),
            ("png", "--range 0,102 --unit mm/h", Highest(102.0)),
        ]
    };
    check(("mm/h", "--set data.frames.range=[0,102]"), &inputs(true));
    check(("dBZ", "--set data.frames.range=[0,102] --set data.frames.unit=mm/h"), &{
        let mut inputs = inputs(true);
        // Such files told dBZ in the training, too.
        (inputs[4].2, inputs[5].2) = (Highest(102.0), Highest(102.0));
        inputs
    });
    check(("float to 102", "--set data.frames.range=[0,102] --set data.frames.unit=mm/h"), &inputs(false));
}

#[test]
fn types_that_cannot_have_the_range_of_the_training_are_refused() {
    check(
        ("uint16 to 969", "--set data.frames.range=[0,969]"),
        &[
            ("uint16 to 969", "", Highest(969.0)),
            ("float to 969", "", Highest(969.0)),
            ("uint8", "", Refused(&["a.npy", "uint8", "0 to 255", "0 to 969", "--range 0,969"])),
            ("uint8", "--range 0,255", Highest(969.0)),
            ("gif", "", Refused(&["a.gif", "pictures", "0 to 969"])),
            ("mm/h", "", Warned(102.0, &["mm/h", "without a unit"])),
        ],
    );
    // Pictures of a training with a range go on as pictures; arrays are in the unit.
    check(
        ("gif", "--set data.frames.range=[0,102]"),
        &[
            ("gif", "", Highest(102.0)),
            ("png", "", Highest(102.0)),
            ("float to 102", "", Highest(102.0)),
            ("uint8", "", Refused(&["uint8", "pictures", "--range 0,255", "--range 0,102"])),
            ("uint8", "--range 0,255", Highest(102.0)),
        ],
    );
}

#[test]
fn splits_that_a_training_takes_are_read_again() {
    for (train, test, range) in
        [("uint8", "png", "[0,255]"), ("png", "uint8", "[0,255]"), ("float to 1", "png", "[0,100]")]
    {
        let folder = tempfile::tempdir().unwrap();
        for (split, kind) in [("train", train), ("validation", train), ("test", test)] {
            let split = folder.path().join("data").join(split);
            fs::create_dir_all(&split).unwrap();
            write(&split, kind);
        }
        fs::write(folder.path().join("step.toml"), LAST_FRAME).unwrap();
        let run = |arguments: &str| convgru(folder.path(), arguments).succeeded();
        run(&format!(
            "train --config step.toml --data data --set schedule.kind=constant --set data.frames.range={range}"
        ));
        run("train --resume=t --steps 2");
        run("eval --checkpoint runs/t/model.safetensors");
        let (ran, numbers) = predicted(folder.path(), test, "");
        let highest = if range == "[0,255]" { 255.0 } else { 100.0 };
        let right = highest * f32::from(level(5 * FRAME)) / 51.0;
        assert!(
            (numbers[0] - right).abs() < 0.5,
            "{test} for {train}: {} is not {right}: {}",
            numbers[0],
            ran.stderr
        );
    }
}

#[test]
fn frames_at_another_distance_in_time_are_refused() {
    check(
        ("mm/h", "--set data.frames.range=[0,102]"),
        &[
            ("mm/h every 10", "", Refused(&["a.nc", "every 10 minutes", "every 5", "--minutes-per-step 10"])),
            ("mm/h every 10", "--minutes-per-step 10", Highest(102.0)),
        ],
    );
}

#[test]
fn eval_and_training_refuse_what_predict_refuses() {
    let (folder, ran) = trained("mm/h", "--set data.frames.range=[0,102]");
    ran.succeeded();
    let own = convgru(folder.path(), "eval --checkpoint runs/t --json").succeeded().json();
    for (kind, words) in [
        ("dBZ", &["\"dBZ\"", "\"mm/h\""][..]),
        ("gif", &["pictures", "0 to 102"]),
        ("mm/h every 10", &["every 10", "every 5"]),
    ] {
        let other = folder.path().join("other");
        fs::create_dir_all(&other).unwrap();
        let name = write(&other, kind);
        for data in ["other".to_owned(), format!("other/{name}")] {
            let ran = convgru(folder.path(), &format!("eval --checkpoint runs/t --data {data}"));
            assert!(
                ran.code == Some(1) && words.iter().all(|word| ran.stderr.contains(word)),
                "{kind}: {}",
                ran.stderr
            );
        }
        fs::remove_dir_all(&other).unwrap();
    }
    let other = folder.path().join("other");
    fs::create_dir_all(&other).unwrap();
    let name = write(&other, "mm h-1");
    let same = convgru(folder.path(), &format!("eval --checkpoint runs/t --data other/{name} --json"))
        .succeeded()
        .json();
    assert_eq!(same["mse_copy_last"], own["mse_copy_last"]);
    // A test split in another unit, and a run whose record is not that of its data.
    write(&folder.path().join("data/test"), "dBZ");
    let ran = convgru(folder.path(), "train --config step.toml --data data --set data.frames.range=[0,102]");
    assert!(ran.code == Some(1) && ran.stderr.contains("\"dBZ\""), "{}", ran.stderr);
    let ran = convgru(folder.path(), "eval --checkpoint runs/t");
    assert!(ran.code == Some(1) && ran.stderr.contains("\"dBZ\""), "{}", ran.stderr);
    let ran = convgru(folder.path(), "train --resume=t --allow-changed-data");
    assert!(ran.code == Some(1) && ran.stderr.contains("\"dBZ\""), "{}", ran.stderr);
}

#[test]
fn the_record_is_written_and_a_written_one_is_checked() {
    let (folder, ran) = trained("mm/h", "--set data.frames.range=[0,102]");
    ran.succeeded();
    let config = fs::read_to_string(folder.path().join("runs/t/config.toml")).unwrap();
    let table: toml::Table = config.parse().unwrap();
    let found = &table["data"]["found"];
    assert_eq!(found["numbers"].as_str(), Some("float32"));
    assert_eq!(found["unit"].as_str(), Some("mm/h"));
    assert_eq!(found["minutes_per_step"].as_float(), Some(5.0));
    assert_eq!(found["frame"].as_array().unwrap().len(), 3);
    // The configuration of a run begins another one on such data, and none on others.
    let again = "train --config runs/t/config.toml --set name=u";
    convgru(folder.path(), &format!("{again} --data data")).succeeded();
    let (other, _) = trained("dBZ", "--set data.frames.range=[0,102]");
    let data = other.path().join("data");
    let ran = convgru(folder.path(), &format!("{again} --data {}", data.display()));
    assert!(ran.code == Some(1) && ran.stderr.contains("\"dBZ\""), "{}", ran.stderr);
    let ran = convgru(
        folder.path(),
        "train --config step.toml --data data --set data.frames.range=[0,102] --set data.found.unit=K --set data.found.range=[0,102]",
    );
    assert!(ran.code == Some(1) && ran.stderr.contains("\"K\""), "{}", ran.stderr);
}

#[test]
fn forecasts_lie_as_the_arrays_that_they_continue() {
    let (folder, ran) = trained("float to 102", "--set data.frames.range=[0,102]");
    ran.succeeded();
    let path = |name: &str| folder.path().join(name);
    let number =
        |step: usize, row: usize, column: usize| 2.0 * f32::from(level(step * FRAME + row * 20 + column));
    array(&path("thw.npy"), &[6, 16, 20], |at| number(at / 320, at / 20 % 16, at % 20));
    array(&path("hwt.npy"), &[16, 20, 6], |at| number(at % 6, at / 120, at / 6 % 20));
    array(&path("tcwh.npy"), &[6, 1, 20, 16], |at| number(at / 320, at % 16, at / 16 % 20));
    array(&path("nhwt.npy"), &[1, 16, 20, 6], |at| number(at % 6, at / 120, at / 6 % 20));
    for (axes, shape) in [
        ("thw", &[2, 16, 20][..]),
        ("hwt", &[16, 20, 2]),
        ("tcwh", &[2, 1, 20, 16]),
        ("nhwt", &[1, 16, 20, 2]),
    ] {
        let predict = format!(
            "predict --checkpoint runs/t --input {axes}.npy --axes {axes} --frames 2 --out {axes}-next.npy"
        );
        convgru(folder.path(), &predict).succeeded();
        let file = npyz::NpyFile::new(fs::File::open(path(&format!("{axes}-next.npy"))).unwrap()).unwrap();
        assert_eq!(file.shape(), shape);
        let numbers: Vec<f32> = file.into_vec().unwrap();
        for (at, &found) in numbers.iter().enumerate() {
            let (row, column) = match axes {
                "thw" => (at / 20 % 16, at % 20),
                "tcwh" => (at % 16, at / 16 % 20),
                _ => (at / 40, at / 2 % 20),
            };
            let right = number(5, row, column);
            assert!((found - right).abs() < 2e-2, "{axes} {at}: {found}, not {right}");
        }
    }
}

#[test]
fn frames_of_a_size_that_the_model_cannot_read_are_refused_with_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    array(&path("a.npy"), &[3, 12, 16, 20], |at| (at % 9) as f32 / 8.0);
    let config = "name = \"t\"\n[data]\ninput_frames = 2\noutput_frames = 2\ntrain_sequences = 1\n[model]\npatch = 4\n\
                  hidden_channels = [2]\n[training]\nsteps = 1\nbatch_size = 1\n";
    fs::write(path("patch.toml"), config).unwrap();
    convgru(folder.path(), "train --config patch.toml --data a.npy").succeeded();
    array(&path("odd.npy"), &[8, 18, 21], |at| (at % 9) as f32 / 8.0);
    array(&path("other.npy"), &[8, 24, 12], |at| (at % 9) as f32 / 8.0);
    for command in ["predict --frames 2 --out no.npy --input", "eval --data"] {
        let ran = convgru(folder.path(), &format!("{command} odd.npy --checkpoint runs/t"));
        let words = ["odd.npy", "18 x 21", "multiple of 4", "16 x 20", "20 x 24"];
        assert!(ran.code == Some(1) && words.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
        convgru(
            folder.path(),
            &format!("{command} other.npy --checkpoint runs/t").replace("no.npy", "yes.npy"),
        )
        .succeeded();
    }
    assert!(!path("no.npy").exists());
}

#[test]
fn models_without_a_record_are_read_as_before() {
    let (folder, ran) = trained("mm/h", "--set data.frames.range=[0,102]");
    ran.succeeded();
    let run = folder.path().join("runs/t");
    let mut earlier = TrainedModel::read(&run.join("model.safetensors")).unwrap();
    assert_eq!(earlier.quantity().unit, "mm/h");
    assert!(earlier.config.data.found.take().is_some());
    earlier.write(&run.join("model.safetensors")).unwrap();
    assert_eq!(TrainedModel::read(&run).unwrap().config.data.found, None);
    for kind in ["mm/h", "dBZ", "float to 102", "mm/h every 10"] {
        let (ran, numbers) = predicted(folder.path(), kind, "");
        assert!(!ran.succeeded().stderr.contains("warning"), "{kind}");
        let highest = numbers.iter().copied().fold(0.0, f32::max);
        assert!((highest - 102.0).abs() < 0.1, "{kind}: {highest}");
    }
}

#[test]
fn the_forecast_that_a_training_proposes_can_be_made() {
    for (kind, settings) in [
        ("uint8", ""),
        ("gif", ""),
        ("gif", "--set data.frames.range=[0,102]"),
        ("mm/h", "--set data.frames.range=[-20,102]"),
        ("mm/h to 1", ""),
        ("float to 102", "--set data.frames.range=[0,102]"),
    ] {
        let (folder, _) = trained(kind, settings);
        let ran =
            convgru(folder.path(), &format!("train --config step.toml --data data --set name=u {settings}"));
        let stdout = ran.succeeded().stdout;
        let proposed = stdout.lines().find_map(|line| line.trim().strip_prefix("convgru predict "));
        let proposed = proposed.unwrap_or_else(|| panic!("{stdout}"));
        let ran = convgru(folder.path(), &format!("predict {proposed}")).succeeded();
        assert!(!ran.stderr.contains("warning"), "{kind} {settings}: {}", ran.stderr);
        assert!(folder.path().join("runs/u/continued.gif").exists());
    }
}

#[test]
fn a_named_range_does_not_change_numbers_of_the_unit() {
    check(
        ("mm/h", "--set data.frames.range=[0,102]"),
        &[
            ("mm/h", "--range 0,102", Highest(102.0)),
            ("mm/h", "--range 0,150", Refused(&["a.nc", "\"mm/h\"", "0 to 102", "leave --range out"])),
            ("mm h-1", "--range 0,150 --unit mm/h", Refused(&["a.nc", "\"mm h-1\"", "leave --range out"])),
        ],
    );
    let (folder, ran) = trained("mm/h", "--set data.frames.range=[0,102]");
    ran.succeeded();
    let numbers = |at: usize| 3.0 * f32::from(level(at));
    NetCdf { shape: SHAPE, unit: Some("mm/h"), standard_name: None, minutes: 5.0, numbers: &numbers }
        .write(&folder.path().join("a.nc"));
    for command in ["predict --frames 1 --out no.npy --input", "eval --data"] {
        let ran = convgru(folder.path(), &format!("{command} a.nc --checkpoint runs/t"));
        let has = |word: &str| ran.stderr.contains(word);
        assert!(ran.code == Some(1) && has("0 to 102") && has("mm/h") && !has("--range"), "{}", ran.stderr);
        let ran = convgru(folder.path(), &format!("{command} a.nc --checkpoint runs/t --range 0,153"));
        assert!(ran.code == Some(1) && ran.stderr.contains("leave --range out"), "{}", ran.stderr);
    }
}

#[test]
fn a_forecast_is_read_back_to_the_same_numbers() {
    for (kind, range) in [("uint8", "0,255"), ("uint16", "0,65535"), ("mask", "0,255")] {
        let (folder, ran) = trained(kind, "");
        ran.succeeded();
        let name = write(folder.path(), kind);
        let predict = |input: &str, out: &str| {
            let ran = convgru(
                folder.path(),
                &format!("predict --checkpoint runs/t --frames 2 --input {input} --out {out}"),
            );
            let numbers = fs::File::open(folder.path().join(out)).ok().filter(|_| out.ends_with("npy"));
            (ran, numbers.map(|file| npyz::NpyFile::new(file).unwrap().into_vec::<f32>().unwrap()))
        };
        let (ran, first) = predict(name, "first.npy");
        ran.succeeded();
        let first = first.unwrap();
        let is_same = |numbers: Option<Vec<f32>>| {
            let highest = first.iter().fold(0f32, |most, &number| most.max(number));
            let numbers = numbers.unwrap();
            assert!(
                numbers.iter().zip(&first).all(|(a, b)| (a - b).abs() <= 2e-4 * highest),
                "{kind}: {numbers:?}, not {first:?}"
            );
        };
        for form in
            [cfg!(feature = "hdf5").then_some("first.nc"), cfg!(feature = "zarr").then_some("first.zarr")]
        {
            let Some(form) = form else { continue };
            predict(name, form).0.succeeded();
            let (ran, again) = predict(form, &format!("{form}.npy"));
            assert!(!ran.stderr.contains("warning"), "{kind} {form}: {}", ran.stderr);
            is_same(again);
        }
        let (_, again) = predict(&format!("first.npy --range {range}"), "again.npy");
        is_same(again);
        if kind != "mask" {
            let (ran, _) = predict("first.npy", "no.npy");
            assert!(ran.code == Some(1) && ran.stderr.contains("--range 0,255"), "{}", ran.stderr);
        }
    }
}

#[test]
fn options_of_arrays_are_refused_for_pictures() {
    let (folder, ran) = trained("gif", "");
    ran.succeeded();
    write(folder.path(), "png");
    let jpeg = folder.path().join("jpeg");
    fs::create_dir(&jpeg).unwrap();
    fs::write(jpeg.join("a.jpg"), [0xff, 0xd8]).unwrap();
    let animation = folder.path().join("a.png");
    fs::copy(fs::read_dir(folder.path().join("images")).unwrap().next().unwrap().unwrap().path(), animation)
        .unwrap();
    for input in ["data/test/a.gif", "images", "jpeg", "a.png"] {
        for (flag, value) in [("--axes", "hwt"), ("--variable", "rain")] {
            let ran = convgru(
                folder.path(),
                &format!(
                    "predict --checkpoint runs/t --frames 1 --out no.npy --input {input} {flag} {value}"
                ),
            );
            let is_told = ran.stderr.contains(flag) && ran.stderr.contains("pictures");
            assert!(ran.code == Some(1) && is_told, "{input} {flag}: {}", ran.stderr);
        }
    }
}
