//! `convgru train --init-from`, and more steps for a finished run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{convgru, finished_run, folder, weights};

/// Everything of the tiny run but its network, which is that of the preset.
const FINE: &str = "train --preset quick --set data.size=16 --set data.digit_size=8 --set data.input_frames=3 \
                    --set data.output_frames=2 --set data.train_sequences=8 --set data.validation_sequences=2 \
                    --set data.test_sequences=2 --set training.validate_every=2 --steps 4 --batch-size 2 --threads 1 \
                    --set training.loss=bce-with-logits --json";

fn hash(path: &Path) -> String {
    blake3::hash(&fs::read(path).unwrap()).to_hex().to_string()
}

/// The losses of the steps of `runs/NAME`.
fn losses(folder: &Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.join("runs").join(name).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == "step").map(|line| line["loss"].as_f64().unwrap()).collect()
}

#[test]
fn a_run_begins_with_trained_weights_and_writes_down_which() {
    let folder = folder();
    let run = finished_run().join("runs/tiny");
    let best = run.join("checkpoints/best.ckpt");
    for (name, from) in [("a", &run), ("b", &weights()), ("c", &best)] {
        let ran = convgru(folder.path(), &format!("{FINE} --name {name} --init-from {}", from.display()))
            .succeeded();
        let file = if from == &run { weights() } else { from.clone() };
        assert!(ran.stderr.contains(&format!("beginning with {}", file.display())), "{}", ran.stderr);
        assert!(ran.stderr.contains("of step "), "{}", ran.stderr);
        let (init, hash) = (&ran.json()["init"], hash(&file));
        assert_eq!((init["from"].as_str(), init["hash"].as_str()), (file.to_str(), Some(hash.as_str())));
        let read = |name: &str, file: &str| {
            fs::read_to_string(folder.path().join("runs").join(name).join(file)).unwrap()
        };
        assert!(read(name, "config.toml").contains(&hash) && read(name, "report.html").contains(&hash));
        let runs = convgru(folder.path(), "runs --json").succeeded().json();
        let told = runs.as_array().unwrap().iter().find(|told| told["name"] == name).unwrap();
        assert_eq!(told["init"]["hash"], hash);
    }
    // The same weights lead to the same bits, whichever file held them, and to others than those that are drawn.
    assert_eq!(losses(folder.path(), "a"), losses(folder.path(), "b"));
    assert_eq!(losses(folder.path(), "a"), losses(folder.path(), "c"));
    let drawn = format!(
        "{FINE} --name d --set model.patch=2 --set model.hidden_channels=[4] --set \
                         model.output_activation=sigmoid --set model.feedback=predictions"
    );
    convgru(folder.path(), &drawn).succeeded();
    assert_ne!(losses(folder.path(), "a")[0], losses(folder.path(), "d")[0]);
    // The configuration of a run begins it again, with the file as it was.
    let again = format!("{FINE} --config runs/b/config.toml --name e");
    convgru(folder.path(), &again).succeeded();
    assert_eq!(losses(folder.path(), "a"), losses(folder.path(), "e"));
    let copy = folder.path().join("copy.safetensors");
    fs::copy(&best, &copy).unwrap();
    let changed = convgru(folder.path(), &format!("{again} --init-from copy.safetensors"));
    assert!(changed.code == Some(1) && changed.stderr.contains("`init.hash`"), "{changed:?}");
}

#[test]
fn another_network_is_refused_and_nothing_is_written() {
    let folder = folder();
    for (settings, words) in [
        (
            "--set model.hidden_channels=[6]",
            &["model.safetensors", "`encoder.layers.0.bias` is [12] in the file, [18] in the network"][..],
        ),
        ("--set model.kind=pyramid", &["model.kind: \"encoder-forecaster\", \"pyramid\""]),
        (
            "--config tiny.toml --set model.patch=4",
            &["in the file", "leave it out to take the network of the file"],
        ),
    ] {
        let train = format!("train --out refused --init-from {} {settings}", weights().display());
        let ran = convgru(folder.path(), &train);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{settings}: {} lacks {word}", ran.stderr);
        }
        assert!(!folder.path().join("refused").exists());
    }
    let missing = convgru(folder.path(), "train --out refused --init-from nothing.safetensors");
    assert!(
        missing.code == Some(1) && missing.stderr.contains("--init-from nothing.safetensors"),
        "{missing:?}"
    );
    let text = convgru(folder.path(), "train --out refused --init-from tiny.toml");
    assert!(text.code == Some(1) && text.stderr.contains("convgru import"), "{text:?}");
    // Files that were cut or changed, trained ones and cells.
    let cells = format!("export --checkpoint {} --part encoder --out cells.safetensors", weights().display());
    convgru(folder.path(), &cells).succeeded();
    let best = finished_run().join("runs/tiny/checkpoints/best.ckpt");
    for file in [weights(), best, folder.path().join("cells.safetensors")] {
        let bytes = fs::read(file).unwrap();
        for damage in 0..6 {
            let mut damaged = bytes.clone();
            match damage {
                0..3 => damaged.truncate(bytes.len() * damage / 3),
                _ => damaged[bytes.len() * (damage - 3) / 3 + 9] ^= 16,
            }
            fs::write(folder.path().join("damaged"), damaged).unwrap();
            let ran = convgru(folder.path(), "train --out refused --config tiny.toml --init-from damaged");
            assert!(ran.code == Some(1) && ran.stderr.contains("damaged"), "{damage}: {ran:?}");
        }
    }
    assert!(!folder.path().join("refused").exists());
}

#[test]
fn a_run_that_is_resumed_does_not_read_the_file_again() {
    let folder = folder();
    fs::copy(weights(), folder.path().join("w.safetensors")).unwrap();
    let train = "train --config tiny.toml --set training.keep_checkpoints=9 --init-from w.safetensors --json";
    for out in ["whole", "parts"] {
        convgru(folder.path(), &format!("{train} --out {out}")).succeeded();
    }
    // As it was after three steps.
    let checkpoints = folder.path().join("parts/tiny/checkpoints");
    for step in 4..=6 {
        fs::remove_file(checkpoints.join(format!("step_{step:08}.ckpt"))).unwrap();
    }
    fs::remove_file(folder.path().join("parts/tiny/model.safetensors")).unwrap();
    fs::remove_file(folder.path().join("w.safetensors")).unwrap();
    for wrong in ["--init-from w.safetensors", "--set init.from=w.safetensors", "--init-part encoder"] {
        let refused = convgru(folder.path(), &format!("train --out parts --resume {wrong}"));
        assert!(
            refused.code == Some(2) && refused.stderr.contains("goes on with its own weights"),
            "{refused:?}"
        );
    }
    let ran = convgru(folder.path(), "train --out parts --resume --json").succeeded();
    assert!(ran.stderr.contains("step 3 of 6") && !ran.stderr.contains("beginning with"), "{}", ran.stderr);
    let model = |out: &str| fs::read(folder.path().join(out).join("tiny/model.safetensors")).unwrap();
    assert!(model("parts") == model("whole"), "the files differ");
}

#[test]
fn imported_cells_begin_a_part_of_a_network() {
    let folder = folder();
    let theirs = format!(
        "export --checkpoint {} --part encoder --layout jacobkimmel --out theirs.safetensors",
        weights().display()
    );
    convgru(folder.path(), &theirs).succeeded();
    convgru(folder.path(), "import --input theirs.safetensors --out cells.safetensors").succeeded();
    // Of a forecaster that reads predictions the cells could be those of both stacks.
    let both = convgru(
        folder.path(),
        "train --config tiny.toml --set model.feedback=predictions --init-from cells.safetensors",
    );
    assert!(both.code == Some(1) && both.stderr.contains("--init-part"), "{both:?}");
    let train = "train --config tiny.toml --set model.feedback=predictions --init-from cells.safetensors --init-part encoder";
    let ran = convgru(folder.path(), train).succeeded();
    assert!(ran.stderr.contains("the tensors of encoder; the others are drawn"), "{}", ran.stderr);
    assert!(
        fs::read_to_string(folder.path().join("runs/tiny/config.toml"))
            .unwrap()
            .contains("part = \"encoder\"")
    );
    // The trained stack goes back under the names that the imported one had.
    let back = "export --checkpoint runs/tiny --part encoder --layout original --out back.safetensors";
    convgru(folder.path(), back).succeeded();
    let named = |file: &str| {
        let bytes = fs::read(folder.path().join(file)).unwrap();
        convgru_model::import::named_tensors(&bytes).unwrap().tensors
    };
    let (before, after) = (named("theirs.safetensors"), named("back.safetensors"));
    let names = |tensors: &[(String, convgru_model::Tensor<f64>)]| {
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(names(&after), names(&before));
    assert_ne!(after, before, "the training changed the weights");
    let drawn = format!(
        "export --checkpoint {} --part encoder --layout original --out no.safetensors",
        weights().display()
    );
    let refused = convgru(folder.path(), &drawn);
    assert!(refused.code == Some(1) && refused.stderr.contains("began with drawn weights"), "{refused:?}");
    // Without a [model] the fields that a stack decides are those of the file.
    let printed = convgru(folder.path(), "train --init-from cells.safetensors --print-config").succeeded();
    assert!(
        printed.stdout.contains("hidden_channels = [4]") && printed.stdout.contains("patch = 2"),
        "{}",
        printed.stdout
    );
    fs::write(
        folder.path().join("ranges.toml"),
        "trials = 1\n[ranges]\n\"optimizer.learning_rate\" = [0.001]",
    )
    .unwrap();
    for _ in 0..2 {
        let tune = "tune --ranges ranges.toml --config tiny.toml --init-from cells.safetensors --init-part encoder --json";
        assert_eq!(convgru(folder.path(), tune).succeeded().json()[0]["steps"], 6);
    }
}

#[test]
fn a_finished_run_gets_more_steps_where_its_schedule_allows_it() {
    let folder = folder();
    let constant = "--set schedule.kind=constant --set training.teacher_forcing.start=0 --json";
    convgru(folder.path(), &format!("train --config tiny.toml --out whole --steps 10 {constant}"))
        .succeeded();
    convgru(folder.path(), &format!("train --config tiny.toml --out parts {constant}")).succeeded();
    let ran = convgru(folder.path(), "train --out parts --resume --steps 10 --json").succeeded();
    assert!(ran.stderr.contains("step 6 of 10"), "{}", ran.stderr);
    let model = |out: &str| fs::read(folder.path().join(out).join("tiny/model.safetensors")).unwrap();
    assert!(model("parts") == model("whole"), "the files differ");
    convgru(folder.path(), "train --config tiny.toml --name cycle --out parts").succeeded();
    let ran = convgru(folder.path(), "train --out parts --resume=cycle --set training.steps=10");
    for words in ["\"one-cycle\"", "training.steps: 6, 10", "--init-from RUN"] {
        assert!(ran.code == Some(1) && ran.stderr.contains(words), "{words}: {ran:?}");
    }
    // A field that the preset's schedule has not, but the run's has.
    convgru(
        folder.path(),
        "train --config tiny.toml --name cosine --out parts --set schedule.kind=cosine --set \
                            training.teacher_forcing.start=0",
    )
    .succeeded();
    let ran =
        convgru(folder.path(), "train --out parts --resume=cosine --steps 8 --set schedule.t_max=6 --json");
    assert_eq!(ran.succeeded().json()["steps"], 8);
}

/// Weights of mlcast, imported, trained further with an encoder that stays as it is.
#[test]
fn an_imported_network_is_fine_tuned_and_frozen_tensors_keep_their_bits() {
    use convgru_model::{Forecaster, MlcastConfig, Tensor, export, import};
    let folder = folder();
    let config = MlcastConfig { blocks: 2, ..MlcastConfig::default() };
    let network = Forecaster::<f32>::new(config.clone(), 5).unwrap();
    let written = export::mlcast(&config, network.parameters()).unwrap();
    let written = export::to_safetensors(&written, &[]).unwrap();
    fs::write(folder.path().join("mlcast.safetensors"), written).unwrap();
    convgru(folder.path(), "import --input mlcast.safetensors --out imported.safetensors").succeeded();

    let fine = FINE.replace("bce-with-logits", "mse");
    let command = format!("{fine} --init-from imported.safetensors --freeze encoder.*");
    let dry = convgru(folder.path(), &format!("{command} --dry-run")).succeeded().json();
    assert_eq!((dry["network"].as_str(), dry["frozen"][0].as_u64()), (Some("mlcast"), Some(6)));
    let ran = convgru(folder.path(), &format!("{command} --name fine")).succeeded();
    assert!(ran.stderr.contains("all 12 tensors, imported"), "{}", ran.stderr);
    let read = |file: &str| -> Vec<(String, Tensor<f64>)> {
        let mut tensors =
            import::named_tensors(&fs::read(folder.path().join(file)).unwrap()).unwrap().tensors;
        tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
        tensors
    };
    let (before, after) = (read("imported.safetensors"), read("runs/fine/model.safetensors"));
    assert_eq!(before.len(), after.len());
    let mut changed = 0;
    for ((name, before), (other, after)) in before.iter().zip(&after) {
        assert_eq!(name, other);
        assert!(before == after || !name.starts_with("encoder."), "{name}");
        changed += usize::from(before != after);
    }
    // The coarsest cell of the decoder reads zeros, and its weights over them have no gradient.
    assert_eq!(changed, 5);
    let wrong = convgru(folder.path(), &format!("{fine} --init-from imported.safetensors --freeze coder.*"));
    assert!(wrong.code == Some(1) && wrong.stderr.contains("\"coder.*\" matches no tensor"), "{wrong:?}");
}

#[test]
fn the_tensors_that_fit_are_taken_and_the_others_are_told() {
    let folder = folder();
    let run = finished_run().join("runs/tiny");
    let deeper = format!(
        "{} --name deeper --set model.patch=2 --set model.hidden_channels=[4,3] --init-from {}",
        FINE.replace("bce-with-logits", "mse"),
        run.display()
    );
    let refused = convgru(folder.path(), &deeper);
    assert!(refused.code == Some(1) && refused.stderr.contains("--init-partial"), "{refused:?}");
    let ran = convgru(folder.path(), &format!("{deeper} --init-partial")).succeeded();
    assert!(ran.stderr.contains("those that fit; the others are drawn: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("the file has no `encoder.layers.1.bias` [9]"), "{}", ran.stderr);
    assert_eq!(ran.json()["init"]["partial"], true);
    let alone = convgru(folder.path(), "train --init-partial");
    assert!(alone.code == Some(2) && alone.stderr.contains("`init.partial`"), "{alone:?}");
}
