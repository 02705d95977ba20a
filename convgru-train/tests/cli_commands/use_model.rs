//! `convgru eval` and `convgru predict` with a trained model.

use std::fs;

use convgru_model::Tensor;
use convgru_train::ReadBudget;
use convgru_train::dataset::{FramesConfig, read_frames};
use convgru_train::media::write_frames;

use crate::program::{array, convgru, finished_run, folder, weights};

#[test]
fn eval_gives_the_figures_of_the_training() {
    let folder = folder();
    let checkpoints = finished_run().join("runs/tiny/checkpoints");
    let best = checkpoints.join("best.ckpt");
    let from_weights = convgru(folder.path(), &format!("eval --checkpoint {} --json", weights().display()))
        .succeeded()
        .json();
    for key in ["mse", "mae", "ssim", "psnr", "mse_copy_last"] {
        assert!(from_weights[key].is_number(), "{from_weights}");
    }
    assert_eq!(from_weights["sequences"], 3);
    let steps = from_weights["per_step"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    let mean = steps.iter().map(|step| step["mse"].as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!((mean - from_weights["mse"].as_f64().unwrap()).abs() < 1e-9 * mean);

    let from_checkpoint =
        convgru(folder.path(), &format!("eval --checkpoint {} --json --batch-size 1", best.display()))
            .succeeded();
    assert_eq!(from_checkpoint.json(), from_weights);

    let report = convgru(folder.path(), &format!("eval --checkpoint {}", weights().display())).succeeded();
    assert!(
        report.stdout.contains("frame 2") && report.stdout.contains("copy last frame"),
        "{}",
        report.stdout
    );
}

#[test]
fn eval_reads_a_file_of_sequences() {
    let folder = folder();
    // Five frames of four sequences that do not move: as [N, T, H, W], and with time first where that is said.
    array(&folder.path().join("still.npy"), &[4, 5, 16, 16], |i| (i % 16) as f32 / 16.0);
    array(&folder.path().join("first.npy"), &[5, 4, 16, 16], |i| (i % 16) as f32 / 16.0);
    for data in ["still.npy", "first.npy --axes tnhw"] {
        let arguments = format!("eval --checkpoint {} --data {data} --json", weights().display());
        let value = convgru(folder.path(), &arguments).succeeded().json();
        assert_eq!(value["sequences"], 4);
        assert_eq!(value["mse_copy_last"], 0.0);
        assert!(value["mse"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn eval_measures_beside_baselines() {
    let folder = folder();
    // A column of light that moves a pixel and a half a frame, which optical flow follows.
    array(&folder.path().join("moving.npy"), &[2, 5, 16, 24], |i| {
        let (t, x) = (i / (16 * 24) % 5, i % 24);
        (-((x as f32 - 6.0 - 1.5 * t as f32) / 3.0).powi(2)).exp()
    });
    let arguments = format!(
        "eval --checkpoint {} --data moving.npy --baselines --threshold 0.5 --threshold 0.2 --threshold 0.5",
        weights().display()
    );
    let value = convgru(folder.path(), &format!("{arguments} --json --fss-window 3")).succeeded().json();
    assert_eq!(value["thresholds"], serde_json::json!([0.2, 0.5]));
    assert_eq!(value["lead_minutes"], serde_json::json!([1.0, 2.0]));
    assert_eq!(value["sequences"], 2);
    assert!(value["mse"].is_number() && value["per_step"].is_array());
    let last = |model: &str| value["models"][model]["csi"][1][1].as_f64().unwrap();
    assert!(last("optical_flow") > 0.7 && last("optical_flow") > last("persistence"), "{value}");
    assert_eq!(value["models"]["convgru"]["mae"].as_array().unwrap().len(), 2);

    let report = convgru(folder.path(), &arguments).succeeded();
    assert!(
        report.stdout.contains("from 0.2") && report.stdout.contains("optical flow"),
        "{}",
        report.stdout
    );
    assert!(!report.stdout.contains('\x1b'), "colours where there is no terminal");
    for (wrong, needle) in [("--threshold 1", "--baselines"), ("--baselines --threshold nan", "finite")] {
        let ran = convgru(folder.path(), &format!("eval --checkpoint {} {wrong}", weights().display()));
        assert!(ran.code != Some(0) && ran.stderr.contains(needle), "{wrong}: {}", ran.stderr);
    }
}

#[test]
fn an_ensemble_is_trained_scored_continued_and_exported() {
    let folder = folder();
    let train = "train --config tiny.toml --set model.feedback=unconditioned --set model.members=3 \
                 --set training.loss=crps --json";
    assert_eq!(convgru(folder.path(), train).succeeded().json()["steps"], 6);
    let model = "runs/tiny/model.safetensors";
    let value = convgru(folder.path(), &format!("eval --checkpoint {model} --json")).succeeded().json();
    let plain = convgru(folder.path(), &format!("eval --checkpoint {} --json", weights().display()));
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let without: Vec<String> = keys(&value).into_iter().filter(|key| key != "crps").collect();
    assert_eq!((without.len() + 1, without), (keys(&value).len(), keys(&plain.succeeded().json())));
    assert_eq!(value["crps"]["members"], 3);
    let steps = value["crps"]["per_step"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for scores in steps.iter().chain([&value["crps"]]) {
        for key in ["crps", "fair_crps", "spread"] {
            assert!(scores[key].as_f64().unwrap() > 0.0, "{key}: {scores}");
        }
    }
    let report = convgru(folder.path(), &format!("eval --checkpoint {model}")).succeeded();
    assert!(report.stdout.contains("3 members") && report.stdout.contains("spread"), "{}", report.stdout);

    write_frames(folder.path().join("in.npy"), &Tensor::from_fn(&[4, 1, 16, 16], |i| (i % 5) as f32 / 4.0))
        .unwrap();
    let predict = format!("predict --checkpoint {model} --input in.npy --frames 3 --out out.npy --json");
    let shape = serde_json::json!([3, 1, 16, 16]);
    assert_eq!(convgru(folder.path(), &predict).succeeded().json()["shape"], shape);
    let export = convgru(folder.path(), &format!("export --checkpoint {model} --out model.onnx"));
    let stdout = export.succeeded().stdout;
    assert!(stdout.contains("prediction [steps, N, 3, H, W]: 3 members"), "{stdout}");
    let wrong =
        "train --config tiny.toml --set model.feedback=predictions --set model.members=3 --out refused";
    let ran = convgru(folder.path(), wrong);
    assert!(ran.code != Some(0) && ran.stderr.contains("unconditioned"), "{}", ran.stderr);
    assert!(!folder.path().join("refused").exists());
}

#[test]
fn predict_reads_and_writes_every_kind_of_file() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let budget = ReadBudget::new(64, "a test");
    // Other sizes than in the training are welcome.
    let frames = Tensor::from_fn(&[4, 1, 12, 20], |i| (i % 7) as f32 / 6.0);
    write_frames(path("in.npy"), &frames).unwrap();
    write_frames(path("in.gif"), &read_frames(path("in.npy"), &FramesConfig::default(), &budget).unwrap())
        .unwrap();
    write_frames(path("in"), &frames).unwrap();
    for input in ["in.npy", "in.gif", "in"] {
        for out in ["out.npy", "out.gif", "out"] {
            let arguments = format!(
                "predict --checkpoint {} --input {input} --frames 7 --out {out} --json",
                weights().display()
            );
            let value = convgru(folder.path(), &arguments).succeeded().json();
            assert_eq!(value["shape"], serde_json::json!([7, 1, 12, 20]), "{input} to {out}");
            let written = read_frames(path(out), &FramesConfig::default(), &budget).unwrap();
            assert_eq!(written.shape(), [7, 1, 12, 20], "{input} to {out}");
            assert!(written.as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
    assert_eq!(fs::read_dir(path("out")).unwrap().count(), 7);
}

#[test]
fn predictions_do_not_depend_on_the_threads() {
    let folder = folder();
    let frames = Tensor::from_fn(&[4, 1, 16, 16], |i| (i % 5) as f32 / 4.0);
    write_frames(folder.path().join("in.npy"), &frames).unwrap();
    for threads in [1, 3] {
        let arguments = format!(
            "predict --checkpoint {} --input in.npy --frames 3 --out out{threads}.npy --threads {threads}",
            weights().display()
        );
        convgru(folder.path(), &arguments).succeeded();
    }
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(read("out1.npy") == read("out3.npy"));
}
