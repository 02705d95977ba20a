//! Steps whose frames to predict have no measured pixel.

use npyz::WriterBuilder;

use super::*;

/// Forty frames of training, of which some are missing, and measured ones of validation and test.
fn config(folder: &Path, is_missing: fn(usize) -> bool) -> RunConfig {
    let path = folder.join("rain.npy");
    let value = |at: usize| match at / 64 {
        frame if frame < 40 && is_missing(frame) => f32::NAN,
        frame => 0.5 + 0.4 * ((frame + at % 64) as f32 * 0.7).sin(),
    };
    let options = npyz::WriteOptions::new().default_dtype().shape(&[56, 8, 8]);
    let mut writer = options.writer(fs::File::create(&path).unwrap()).begin_nd().unwrap();
    writer.extend((0..56 * 64).map(value)).unwrap();
    writer.finish().unwrap();
    let text = "name = \"tiny\"\n[data]\nsource = \"frames\"\ninput_frames = 2\noutput_frames = 2\n[data.frames]\nrange = [0.0, 1.0]\n\
                shares = [0.72, 0.14, 0.14]\n[model]\npatch = 2\nhidden_channels = [3]\n[training]\nsteps = 14\nbatch_size = 1\n\
                loss = \"mse\"\nvalidate_every = 3\ncheckpoint_every = 1\nthreads = 1\nstop_after_nonfinite = 0";
    RunConfig { data_folder: path, ..RunConfig::from_toml(text).unwrap() }
}

#[test]
fn steps_without_a_measured_pixel_are_skipped_and_end_no_run() {
    let data = tempfile::tempdir().unwrap();
    let config = config(data.path(), |frame| (10..30).contains(&frame));
    let [whole, resumed] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    train(&config, whole.path(), 0).unwrap();
    let lines = log(whole.path());
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert!(of_kind("skipped") > 1 && of_kind("step") > 1, "{lines:?}");
    assert_eq!((of_kind("skipped") + of_kind("step"), of_kind("validation")), (14, 5), "{lines:?}");
    for line in &lines {
        assert!(line["kind"] != "skipped" || line["reason"] == "no-measured-pixel", "{line}");
        assert!(line["kind"] != "step" || line["loss"].as_f64() > Some(0.0), "{line}");
    }
    // A run goes on to the bit after a signal.
    let stop = lines.iter().filter(|line| line["kind"] == "step").nth(1).unwrap()["step"].as_u64().unwrap();
    let (outcome, _) = train(&config, resumed.path(), stop).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted { .. }));
    train(&config, resumed.path(), 0).unwrap();
    assert!(log(resumed.path()) == lines && weights(resumed.path()) == weights(whole.path()));
}

#[test]
fn a_run_without_any_measured_pixel_ends_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let config = config(data.path(), |frame| frame > 1);
    let out = tempfile::tempdir().unwrap();
    let Err(error) = train(&config, out.path(), 0) else { panic!("nothing can be learned") };
    assert!(matches!(error, crate::Error::Data { .. }), "{error}");
    assert!(error.to_string().contains("no measured pixel") && error.to_string().contains("crop"), "{error}");
    assert!(log(out.path()).iter().all(|line| line["kind"] != "step"));
}
