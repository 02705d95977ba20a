//! A network that reads which pixels were measured: every command, with `data.mask_channel = true`.

use std::fs;

use crate::program::{array, convgru};

const MASKED: &str = r#"
name = "t"
[data]
mask_channel = true
input_frames = 3
output_frames = 2
train_sequences = 2
[training]
steps = 3
batch_size = 2
threads = 1
accumulate = 2
reverse_sampling = { start = 0.5, end = 0.5 }
"#;

#[test]
fn what_was_not_measured_is_told_from_zero_in_every_command() {
    for model in [
        "patch = 2\nhidden_channels = [3]\nfeedback = \"predictions\"\noutput_activation = \"sigmoid\"\n",
        "kind = \"pyramid\"\nhead_channels = 0\nskip = true\n[[model.scales]]\nchannels = 3\ndown = 2\n[[model.scales]]\nchannels = 4\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let number = |at: usize| 0.1 * (at * 7 % 10) as f32;
        let is_missing = |at: usize| at.is_multiple_of(13);
        let missing = |at: usize| if is_missing(at) { f32::NAN } else { number(at) };
        array(&path("a.npy"), &[80, 12, 16], missing);
        array(&path("missing.npy"), &[5, 12, 16], missing);
        // The same for a network without a mask: what is missing is 0.
        array(&path("zero.npy"), &[5, 12, 16], |at| if is_missing(at) { 0.0 } else { number(at) });
        fs::write(path("mask.toml"), format!("{MASKED}[model]\n{model}")).unwrap();
        convgru(folder.path(), "train --config mask.toml --data a.npy --json").succeeded();
        let config = fs::read_to_string(path("runs/t/config.toml")).unwrap();
        assert_eq!(config.matches("mask_channel = true").count(), 2, "{config}");
        assert!(config.contains("has_missing = true"), "{config}");
        let plain = "--set data.mask_channel=false --set model.mask_channel=false --set name=plain";
        convgru(folder.path(), &format!("train --config mask.toml --data a.npy {plain}")).succeeded();

        let numbers = |run: &str, input: &str| {
            let out = format!("{run}-{input}");
            let predict = format!("predict --checkpoint runs/{run} --input {input} --frames 3 --out {out}");
            convgru(folder.path(), &predict).succeeded();
            let file = npyz::NpyFile::new(fs::File::open(path(&out)).unwrap()).unwrap();
            assert_eq!(file.shape(), [3, 12, 16]);
            file.into_vec::<f32>().unwrap()
        };
        // What was not measured in the last frame has no number in the forecast.
        let differ = |run: &str| {
            let [missing, zero] = ["missing.npy", "zero.npy"].map(|input| numbers(run, input));
            missing.iter().zip(&zero).any(|(a, b)| !a.is_nan() && a != b)
        };
        assert!(differ("t") && !differ("plain"));

        let test = fs::read_to_string(path("runs/t/test.json")).unwrap();
        let test: serde_json::Value = serde_json::from_str(&test).unwrap();
        for checkpoint in ["runs/t", "runs/t/checkpoints/best.ckpt"] {
            let eval =
                convgru(folder.path(), &format!("eval --checkpoint {checkpoint} --json")).succeeded().json();
            assert_eq!(eval["mse"], test["mse"], "{checkpoint}");
        }
        convgru(folder.path(), "eval --checkpoint runs/t --data a.npy --baselines").succeeded();
        let export = convgru(folder.path(), "export --checkpoint runs/t --out a.onnx").succeeded();
        assert!(
            export.stdout.contains("frames [T, N, 2, H, W] (the last channel is the mask)"),
            "{}",
            export.stdout
        );
        assert!(export.stdout.contains("prediction [steps, N, 1, H, W]"), "{}", export.stdout);
        // A run that is resumed goes on to the same bits.
        fs::copy(path("runs/t/model.safetensors"), path("first.safetensors")).unwrap();
        fs::remove_file(path("runs/t/model.safetensors")).unwrap();
        convgru(folder.path(), "train --resume=t").succeeded();
        assert_eq!(
            fs::read(path("first.safetensors")).unwrap(),
            fs::read(path("runs/t/model.safetensors")).unwrap()
        );
    }
}

#[test]
fn data_and_network_agree_on_the_mask() {
    let folder = tempfile::tempdir().unwrap();
    let ran = convgru(folder.path(), "train --set model.mask_channel=true --print-config");
    assert!(ran.code == Some(2) && ran.stderr.contains("set data.mask_channel"), "{}", ran.stderr);
    let printed =
        convgru(folder.path(), "train --set data.mask_channel=true --print-config").succeeded().stdout;
    assert_eq!(printed.matches("mask_channel = true").count(), 2, "{printed}");
}
