//! Wrong input over all commands: never a panic, always what is wrong.

use std::fs;
use std::path::Path;

use convgru_model::Tensor;
use convgru_train::media::write_frames;

use crate::program::{array, convgru, finished_run, folder, weights};

/// A wrong command line: exit code 2, from the parser of arguments.
const USAGE: i32 = 2;
/// Anything that is found wrong later.
const ERROR: i32 = 1;

/// Arguments, exit code, and words that must be in the message.
type Case = (&'static str, i32, &'static [&'static str]);

/// Runs every case in the folder. `MODEL` stands for the trained model.
fn check(folder: &Path, cases: &[Case]) {
    let model = weights().display().to_string();
    for (arguments, code, words) in cases {
        let ran = convgru(folder, &arguments.replace("MODEL", &model));
        assert_eq!(ran.code, Some(*code), "{arguments}: {ran:?}");
        for word in *words {
            assert!(ran.stderr.contains(word), "{arguments}: no {word:?} in {}", ran.stderr);
        }
        assert_eq!(ran.stdout, "", "{arguments}");
        if *code == ERROR {
            let last = ran.stderr.lines().last().unwrap_or_default();
            assert!(last.starts_with("error: "), "{arguments}: {}", ran.stderr);
        }
    }
}

#[test]
fn command_lines() {
    let folder = folder();
    check(
        folder.path(),
        &[
            ("dance", USAGE, &["unrecognized subcommand"]),
            ("train --fast", USAGE, &["unexpected argument", "--fast"]),
            ("train --preset slow", USAGE, &["slow", "quick", "moving-mnist"]),
            ("train --seed abc", USAGE, &["abc"]),
            ("train --seed -1", USAGE, &["-1"]),
            ("train --threads many", USAGE, &["many"]),
            ("train --set", USAGE, &["KEY=VALUE"]),
            ("eval", USAGE, &["--checkpoint"]),
            ("eval --checkpoint MODEL --batch-size 0", USAGE, &["whole number from 1"]),
            ("predict --checkpoint MODEL --input a.gif --frames 3", USAGE, &["--out"]),
            (
                "predict --checkpoint MODEL --input a.gif --frames 0 --out b.gif",
                USAGE,
                &["whole number from 1"],
            ),
            ("predict --checkpoint MODEL --input a.gif --frames x --out b.gif", USAGE, &["whole number"]),
            ("import", USAGE, &["--input"]),
            ("export --out a.onnx", USAGE, &["--checkpoint", "--weights"]),
            ("export --checkpoint MODEL", USAGE, &["--out"]),
            ("export --checkpoint MODEL --weights MODEL --out a.onnx", USAGE, &["cannot be used with"]),
            ("export --checkpoint MODEL --out a.onnx --frames 0", USAGE, &["whole number from 1"]),
            ("export --checkpoint MODEL --out a.safetensors --layout nobody", USAGE, &["nobody", "rvm"]),
            ("import --input MODEL", ERROR, &["a trained model of this program", "--init-from"]),
        ],
    );
}

#[test]
fn configurations() {
    let folder = folder();
    for (name, text) in [
        ("syntax.toml", "[training]\nsteps = \n"),
        ("unknown.toml", "[training]\n\nstepz = 5\n"),
        ("section.toml", "[trainig]\nsteps = 5\n"),
        ("type.toml", "[training]\nsteps = \"many\"\n"),
        ("binary.toml", "\u{0}\u{1}"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("latin.toml"), b"name = \"caf\xe9\"").unwrap();
    check(
        folder.path(),
        &[
            ("train --config missing.toml", ERROR, &["cannot read", "missing.toml"]),
            ("train --config .", ERROR, &["cannot read"]),
            ("train --config syntax.toml", ERROR, &["syntax.toml", "line 2"]),
            ("train --config unknown.toml", ERROR, &["line 3", "`training.stepz`", "`training.steps`"]),
            ("train --config section.toml", ERROR, &["`trainig`", "`training`"]),
            ("train --config type.toml", ERROR, &["line 2", "many"]),
            ("train --config binary.toml", ERROR, &["line 1"]),
            ("train --config latin.toml", ERROR, &["latin.toml", "UTF-8"]),
            ("train --config tiny.toml --set training.steps", USAGE, &["key=value"]),
            ("train --config tiny.toml --set seed=5", USAGE, &["`training.seed`"]),
            ("train --config tiny.toml --set training.steps=0", USAGE, &["training.steps", "at least 1"]),
            (
                "train --config tiny.toml --set model.output_activation=identity",
                USAGE,
                &["training.loss", "sigmoid"],
            ),
            ("train --config tiny.toml --set model.hidden_channels=[0]", USAGE, &["model.hidden_channels"]),
            (
                "train --config tiny.toml --set model.hidden_channels=[999999999]",
                USAGE,
                &["model.hidden_channels"],
            ),
            ("train --config tiny.toml --set model.kernel_size=4", USAGE, &["model.kernel_size", "4"]),
            (
                "train --config tiny.toml --set model.kernel_size=[3,3,3]",
                USAGE,
                &["model.kernel_size", "3 sizes"],
            ),
            ("train --config tiny.toml --set model.image_channels=3", USAGE, &["model.image_channels"]),
            (
                "train --config tiny.toml --set schedule.warmup.steps=6",
                USAGE,
                &[
                    "schedule.warmup.steps",
                    "a warm-up of 6 steps is not shorter than the training of 6 steps",
                ],
            ),
            ("train --config tiny.toml --set optimizer.kind=lion", USAGE, &["lion", "adamw"]),
            (
                "train --config tiny.toml --set optimizer.momentum=0.9",
                USAGE,
                &["optimizer.momentum", "0.9", "adam", "sgd"],
            ),
            ("train --config tiny.toml --set data.size=8", USAGE, &["data.size", "digit"]),
            ("train --config tiny.toml --set data.digits=99", USAGE, &["data.digits", "99"]),
            (
                "train --config tiny.toml --seed 9223372036854775808",
                USAGE,
                &["--seed", "9223372036854775807"],
            ),
            ("train --config tiny.toml --threads 100000", USAGE, &["--threads", "1024"]),
            ("train --config tiny.toml --lr nan", USAGE, &["--lr", "above 0"]),
            ("train --config tiny.toml --lr 0", USAGE, &["--lr", "above 0"]),
            ("train --config tiny.toml --steps 0", USAGE, &["--steps"]),
            ("train --config tiny.toml --batch-size 0", USAGE, &["--batch-size"]),
            ("train --config tiny.toml --batch-size 9", USAGE, &["data.train_sequences = 8"]),
            ("train --config tiny.toml --name a/b", USAGE, &["a/b", "name a folder"]),
            ("train --config tiny.toml --set training.keep_best=-1", USAGE, &["-1 is below 0", "from 0 on"]),
            ("train --config tiny.toml --set training.foo=1", USAGE, &["`training.foo`", "keep_best"]),
            ("train --config tiny.toml --set training.norm=1", USAGE, &["`training.clip_norm`"]),
            ("train --config tiny.toml --set data.source=film", USAGE, &["there is no", "film", "frames"]),
            (
                "train --config tiny.toml --set training.monitor=csi@2",
                USAGE,
                &["csi@2 counts", "such as csi@0.5"],
            ),
            // The file is wrong whatever the command line says.
            ("train --config type.toml --steps 5", ERROR, &["type.toml"]),
        ],
    );
    assert!(!folder.path().join("runs").exists(), "a wrong configuration creates no run");
}

#[test]
fn data_and_folders() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::create_dir(folder.path().join("broken")).unwrap();
    for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"] {
        fs::write(folder.path().join("broken").join(name), b"not an image").unwrap();
    }
    fs::write(folder.path().join("file"), b"text").unwrap();
    check(
        folder.path(),
        &[
            ("train --preset moving-mnist", USAGE, &["--data DIR"]),
            ("train --data missing", ERROR, &["missing", "No such file"]),
            ("train --data empty", ERROR, &["empty", "train-images-idx3-ubyte"]),
            ("train --data broken", ERROR, &["train-images-idx3-ubyte"]),
            ("train --data file", ERROR, &["file"]),
            ("train --config tiny.toml --out file", ERROR, &["file", "create the folder"]),
            ("train --config tiny.toml --out file/deeper", ERROR, &["create the folder"]),
            ("train --resume", ERROR, &["no run to resume", "leave --resume out"]),
            ("train --resume=nope", ERROR, &["runs/nope", "no such run"]),
            ("train --resume --preset quick", ERROR, &["no run named `quick`"]),
            ("eval --checkpoint MODEL --data missing.npy", ERROR, &["missing.npy"]),
            ("eval --checkpoint MODEL --data empty", ERROR, &["empty"]),
            ("eval --checkpoint MODEL --data file", ERROR, &["file"]),
        ],
    );
    assert!(!folder.path().join("runs").exists(), "data that cannot be used creates no run");
}

#[test]
fn resuming_with_something_else() {
    let folder = folder();
    convgru(folder.path(), "train --config tiny.toml").succeeded();
    check(
        folder.path(),
        &[
            ("train --resume --set training.steps=9", ERROR, &["training.steps: 6, 9"]),
            ("train --resume --set model.hidden_channels=[5]", ERROR, &["model.hidden_channels"]),
            ("train --resume --seed 4", ERROR, &["training.seed: 0, 4"]),
        ],
    );
    for entry in fs::read_dir(folder.path().join("runs/tiny/checkpoints")).unwrap() {
        fs::write(entry.unwrap().path(), b"CGRUCKPT").unwrap();
    }
    check(folder.path(), &[("train --resume", ERROR, &["no usable checkpoint", "truncated", "best.ckpt"])]);
}

#[test]
fn models() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let model = fs::read(weights()).unwrap();
    let checkpoint = fs::read(finished_run().join("runs/tiny/checkpoints/best.ckpt")).unwrap();
    let altered = |bytes: &[u8], at: usize| {
        let mut altered = bytes.to_vec();
        altered[at] ^= 8;
        altered
    };
    let foreign = safetensors::serialize(
        [("w", safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![1], &[1]).unwrap())],
        None,
    );
    for (name, bytes) in [
        ("empty", vec![]),
        ("text", b"hello".to_vec()),
        ("cut.safetensors", model[..model.len() / 2].to_vec()),
        ("foreign.safetensors", foreign.unwrap()),
        ("cut.ckpt", checkpoint[..checkpoint.len() - 1].to_vec()),
        ("long.ckpt", [&checkpoint[..], b"x"].concat()),
        ("version.ckpt", altered(&checkpoint, 8)),
        ("flipped.ckpt", altered(&checkpoint, checkpoint.len() / 2)),
    ] {
        fs::write(path(name), bytes).unwrap();
    }
    check(
        folder.path(),
        &[
            ("eval --checkpoint missing.ckpt", ERROR, &["cannot read", "missing.ckpt"]),
            ("eval --checkpoint MODEL --threads 100000", USAGE, &["100000", "1024"]),
            ("eval --checkpoint .", ERROR, &["holds no run", "convgru runs"]),
            ("eval --checkpoint empty", ERROR, &["neither a checkpoint nor a safetensors file"]),
            ("eval --checkpoint text", ERROR, &["neither a checkpoint nor a safetensors file"]),
            ("eval --checkpoint cut.safetensors", ERROR, &["cut.safetensors"]),
            ("eval --checkpoint foreign.safetensors", ERROR, &["metadata has no `convgru`"]),
            ("import --input foreign.safetensors", ERROR, &["no cell of a known system", "jacobkimmel"]),
            ("eval --checkpoint cut.ckpt", ERROR, &["cut.ckpt", "truncated"]),
            ("eval --checkpoint long.ckpt", ERROR, &["where the header says"]),
            ("eval --checkpoint version.ckpt", ERROR, &["version 14", "versions 3 to 6"]),
            ("eval --checkpoint flipped.ckpt", ERROR, &["blake3"]),
            ("predict --checkpoint flipped.ckpt --input a --frames 1 --out b.gif", ERROR, &["blake3"]),
        ],
    );
}

#[test]
fn frames() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let frames = Tensor::from_fn(&[4, 1, 16, 16], |i| (i % 5) as f32 / 4.0);
    write_frames(path("good.npy"), &frames).unwrap();
    write_frames(path("odd.npy"), &Tensor::zeros(&[4, 1, 15, 16])).unwrap();
    array(&path("two.npy"), &[2, 4, 16, 16], |_| 0.0);
    let mut bright = fs::read(path("good.npy")).unwrap();
    let last = bright.len() - 4;
    bright[last..].copy_from_slice(&7.0f32.to_le_bytes());
    fs::write(path("bright.npy"), bright).unwrap();
    write_frames(path("good.gif"), &frames).unwrap();
    let gif = fs::read(path("good.gif")).unwrap();
    fs::write(path("cut.gif"), &gif[..gif.len() / 2]).unwrap();
    let npy = fs::read(path("good.npy")).unwrap();
    fs::write(path("cut.npy"), &npy[..npy.len() - 3]).unwrap();
    fs::write(path("text.npy"), b"hello").unwrap();
    fs::write(path("film.mp4"), b"hello").unwrap();
    fs::create_dir(path("empty")).unwrap();
    fs::create_dir(path("broken")).unwrap();
    fs::write(path("broken/frame_0.png"), b"hello").unwrap();
    fs::create_dir(path("digits")).unwrap();
    fs::write(path("digits/train-images-idx3-ubyte"), b"hello").unwrap();
    check(
        folder.path(),
        &[
            (
                "predict --checkpoint MODEL --input missing.npy --frames 1 --out o.gif",
                ERROR,
                &["missing.npy"],
            ),
            (
                "predict --checkpoint MODEL --input film.mp4 --frames 1 --out o.gif",
                ERROR,
                &["film.mp4", ".npy"],
            ),
            ("predict --checkpoint MODEL --input cut.gif --frames 1 --out o.gif", ERROR, &["cut.gif"]),
            ("predict --checkpoint MODEL --input cut.npy --frames 1 --out o.gif", ERROR, &["cut.npy"]),
            ("predict --checkpoint MODEL --input text.npy --frames 1 --out o.gif", ERROR, &["text.npy"]),
            ("predict --checkpoint MODEL --input empty --frames 1 --out o.gif", ERROR, &["empty"]),
            ("predict --checkpoint MODEL --input broken --frames 1 --out o.gif", ERROR, &["frame_0.png"]),
            (
                "predict --checkpoint MODEL --input odd.npy --frames 1 --out o.gif",
                ERROR,
                &["15", "multiple of 2"],
            ),
            (
                "predict --checkpoint MODEL --input two.npy --frames 1 --out o.gif",
                ERROR,
                &["two.npy", "2 sequences of 4 frames", "--axes"],
            ),
            (
                "predict --checkpoint MODEL --input bright.npy --frames 1 --out o.gif",
                ERROR,
                &["bright.npy", "7"],
            ),
            ("predict --checkpoint MODEL --input good.npy --frames 1 --out o.avi", USAGE, &["o.avi"]),
            ("predict --checkpoint MODEL --input good.npy --frames 1 --out no/o.gif", ERROR, &["no/o.gif"]),
            (
                "predict --checkpoint MODEL --input two.npy --axes tch --frames 1 --out o.gif",
                USAGE,
                &["tch", "h and w"],
            ),
            (
                "predict --checkpoint MODEL --input good.gif --axes thw --frames 1 --out o.gif",
                ERROR,
                &["--axes", "good.gif holds pictures"],
            ),
            (
                "predict --checkpoint MODEL --input broken --axes thw --frames 1 --out o.gif",
                ERROR,
                &["--axes", "broken holds pictures"],
            ),
            ("eval --checkpoint MODEL --data digits --axes thw", ERROR, &["--axes", "digits", "\"mnist\""]),
            ("eval --checkpoint MODEL --axes thw", USAGE, &["--data"]),
            (
                "eval --checkpoint MODEL --data two.npy --axes ntchw",
                ERROR,
                &["two.npy", "[2, 4, 16, 16]", "ntchw"],
            ),
            ("eval --checkpoint MODEL --data good.npy", ERROR, &["good.npy", "4 frames"]),
            ("eval --checkpoint MODEL --data text.npy", ERROR, &["text.npy"]),
        ],
    );
    assert!(!path("o.gif").exists());
}
