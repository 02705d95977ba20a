//! Configurations are read from files and assignments by one reader, whose errors name field and place.

use convgru_model::ForecasterConfig;
use toml::Value;

use super::suggest::{field, paths};
use super::*;
use crate::dataset::{Source, SourceKind};

fn overlay(text: &str) -> std::result::Result<RunConfig, String> {
    RunConfig::default().overlaid_by(text)
}

#[test]
fn a_file_changes_only_what_it_names() {
    let config = overlay("[training]\nsteps = 7").unwrap();
    let mut expected = RunConfig::default();
    expected.training.steps = 7;
    assert_eq!(config, expected);
}

#[test]
fn the_kind_of_the_model_decides_its_fields() {
    let config = overlay("[model]\nkind = \"pyramid\"\nslope = 0.1\n[[model.scales]]\nchannels = 5").unwrap();
    let ForecasterConfig::Pyramid(pyramid) = &config.model else { panic!("{:?}", config.model) };
    assert_eq!((pyramid.slope, pyramid.scales.len(), pyramid.scales[0].channels), (0.1, 1, 5));
    assert_eq!(RunConfig::from_toml(&config.to_toml()).unwrap(), config);
    // What is laid over a model of the kind keeps its other fields.
    let wider = config.overlaid_by("[model]\nkind = \"pyramid\"\nhead_channels = 7").unwrap();
    let ForecasterConfig::Pyramid(wider) = wider.model else { panic!("{:?}", wider.model) };
    assert_eq!((wider.slope, wider.head_channels), (0.1, 7));
    let set = RunConfig::default().with("model.kind=pyramid").unwrap();
    assert_eq!(set.model, ForecasterConfig::of_kind("pyramid").unwrap());
    let set = set.with("model.scales=[{ channels = 8, down = 4 }]").unwrap();
    assert_eq!(set.model.factor(), 4);
    let old = overlay("[model]\npatch = 8").unwrap();
    assert_eq!((old.model.kind(), old.model.factor()), ("encoder-forecaster", 8));
    for (text, words) in [
        ("[model]\nkind = \"pyramid\"\npatch = 4", &["line 3", "`model.patch`"][..]),
        ("[model]\nkind = \"unet\"", &["unet", "encoder-forecaster, pyramid, mlcast, recurrent"]),
        ("[model]\nscales = []", &["line 2", "`model.scales`"]),
    ] {
        let error = overlay(text).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{text:?} gave {error:?}");
    }
}

#[test]
fn errors_carry_the_position() {
    for (text, words) in [
        ("[training]\nsteps = ", &["line 2"][..]),
        (
            "name = \"a\"\n[training]\n  stepz = 4",
            &["line 3, column 3", "`training.stepz`", "`training.steps`"],
        ),
        ("[trainin]\nsteps = 4", &["line 1", "`trainin`", "`training`"]),
        ("[training]\nsteps = \"many\"", &["line 2, column 9", "many"]),
        ("training = 5", &["line 1"]),
        ("[training]\nsteps = 1\nsteps = 2", &["line 3", "duplicate"]),
        ("[training]\nsteps = -1", &["line 2", "-1"]),
        ("[training.loss_constants]\ndelta = 0.1", &["line 1, column 11", "nearest is `training.loss`"]),
        ("[schedule.cosine]\neta_min = 0.1", &["line 1, column 11", "nearest is `schedule.eta_min`"]),
    ] {
        let error = overlay(text).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{text:?} gave {error:?} without {word:?}");
        }
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn every_field_can_be_set_to_its_own_value() {
    let config = RunConfig::default();
    let table = RunConfig::table_of(&config);
    let mut fields = 0;
    for path in paths(&table) {
        let value = field(&table, &path).unwrap().clone();
        if !value.is_table() {
            let same = config.with(&format!("{path}={value}")).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(same, config, "{path}");
            fields += 1;
        }
    }
    assert!(fields > 20, "only {fields} fields were reached");
}

#[test]
fn values_change_with_and_without_quotes() {
    let config = RunConfig::default();
    for (assignment, path, expected) in [
        ("name=rain", "name", Value::from("rain")),
        ("name=\"rain today\"", "name", Value::from("rain today")),
        ("optimizer.learning_rate=1", "optimizer.learning_rate", Value::from(1.0)),
        ("optimizer.learning_rate = 2e-3", "optimizer.learning_rate", Value::from(2e-3)),
        ("training.loss=l1", "training.loss", Value::from("l1")),
        ("training.loss=[{ kind = \"l1\" }]", "training.loss", Value::from("l1")),
        ("training.lead_weights=[0.5, 1.0]", "training.lead_weights", Value::from(vec![0.5, 1.0])),
        ("model.hidden_channels=[3, 4]", "model.hidden_channels", Value::from(vec![3, 4])),
        ("model.kernel_size=[3, 5]", "model.kernel_size", Value::from(vec![3, 5])),
    ] {
        let changed = config.with(assignment).unwrap();
        let table = RunConfig::table_of(&changed);
        assert_eq!(field(&table, path), Some(&expected), "{assignment}");
    }
}

#[test]
fn wrong_assignments_say_what_is_wrong() {
    for (assignment, words) in [
        ("training.steps", &["key=value"][..]),
        ("=3", &["a field is missing before `=`"]),
        ("training.stepz=3", &["`training.steps`"]),
        ("lerning_rate=3", &["`optimizer.learning_rate`"]),
        ("training=3", &["section", "training.steps"]),
        ("training.steps.more=3", &["no field"]),
        ("training.steps=abc", &["abc", "whole number"]),
        ("training.steps=1.5", &["1.5", "whole number"]),
        ("training.steps=-1", &["-1"]),
        ("training.steps=", &["whole number"]),
        ("training.loss=hinge", &["hinge", "mse"]),
        ("training.loss=[{ kynd = \"l1\" }]", &["kynd", "kind"]),
        ("training.lead_weights=falling", &["falling", "linear"]),
        ("training.steps=\"3\"", &["text", "whole number", "write 3 without quotes"]),
        ("model.hidden_channels=[1, true]", &["true"]),
        ("model.hidden_channels={a = 1}", &["section", "list"]),
        ("model.bias=1", &["true or false"]),
        ("optimizer.learning_rate=.01", &["`optimizer.learning_rate`", "text", "write 0.01"]),
        ("model.hidden_channels=[.5, 1]", &["`model.hidden_channels`", "[.5, 1] is no TOML"]),
        ("optimizer.learning_rate=1.", &["write 1.0"]),
        ("training.clip_norm=+.5e-3", &["write 0.0005"]),
        (
            "schedule.cosine.eta_min=0.1",
            &["`schedule.cosine.eta_min`", "`schedule.eta_min`", "cosine-restarts"],
        ),
        ("schedule.multi_step.gamma=0.1", &["`schedule.multi_step.gamma`", "`schedule.gamma`", "multi-step"]),
        ("training.loss_constants.delta=0.1", &["`training.loss_constants`", "nearest is `training.loss`"]),
        ("training.rain.weights=[1]", &["`training.rain`", "its section has", "loss, "]),
        ("weather=rain", &["`weather`", "a configuration has", "data, "]),
    ] {
        let error = RunConfig::default().with(assignment).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{assignment:?} gave {error:?} without {word:?}");
        }
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn toml_round_trips() {
    for preset in Preset::ALL {
        let config = RunConfig::preset(preset);
        assert_eq!(RunConfig::from_toml(&config.to_toml()).unwrap(), config);
    }
}

#[test]
fn examples_of_the_documentation_are_valid() {
    for (page, fewest) in [("training.md", 4), ("data.md", 5), ("models.md", 4), ("tutorial.md", 1)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        let text = std::fs::read_to_string(path).unwrap();
        let examples: Vec<_> = text.split("```toml\n").skip(1).collect();
        assert!(examples.len() >= fewest, "only {} examples in {page}", examples.len());
        for example in examples {
            let example = example.split("```").next().unwrap();
            let config = RunConfig::from_toml(example).unwrap();
            config.validate().unwrap();
            assert_ne!(config, RunConfig::default(), "{example}");
        }
    }
}

#[test]
fn examples_of_networks_in_the_documentation_are_valid_and_round_trip() {
    use convgru_model::composed::{Recurrent, RecurrentConfig};
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cells.md");
    let text = std::fs::read_to_string(path).unwrap();
    let examples: Vec<_> = text.split("```toml\n").skip(1).collect();
    assert!(examples.len() >= 2, "only {} examples", examples.len());
    for example in examples {
        let example = example.split("```").next().unwrap();
        let config: RecurrentConfig = toml::from_str(example).unwrap();
        Recurrent::<f32>::new(config.clone(), 0).unwrap();
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<RecurrentConfig>(&written).unwrap(), config);
    }
}

#[test]
fn the_configuration_of_the_shared_cases_is_accepted_as_it_stands() {
    let Some(folder) = crate::fixtures::case_folder() else { return };
    let path = folder.join("one-step.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let config = RunConfig::default().overlaid_by_file(&path).unwrap();
    config.validate().unwrap();
    assert_eq!((config.name.as_str(), config.training.steps, config.model.kind()), ("t", 1, "pyramid"));
    assert_eq!(config.optimizer.learning_rate, 1e-12);
    assert_eq!(RunConfig::from_toml(&text).unwrap(), config);
}

#[test]
fn the_hash_sees_what_decides_the_result_and_nothing_else() {
    let config = RunConfig::default();
    let saving = ["training.checkpoint_every=5", "training.checkpoint_seconds=5"];
    for neutral in ["name=other", "training.threads=3", "data.prefetch=7"].into_iter().chain(saving) {
        assert_eq!(config.with(neutral).unwrap().hash(), config.hash(), "{neutral}");
    }
    for decisive in ["training.seed=5", "training.steps=5", "model.patch=2", "schedule.pct_start=0.2"] {
        let other = config.with(decisive).unwrap();
        assert_ne!(other.hash(), config.hash(), "{decisive}");
        assert_eq!(config.differences(&other).len(), 1, "{decisive}");
    }
    let difference = &config.differences(&config.with("training.seed=5").unwrap())[0];
    assert_eq!(difference, "training.seed: 0, 5");
}

#[test]
fn a_configuration_has_the_fields_of_its_source() {
    let base = RunConfig::default();
    let frames = base.overlaid_by("[data.frames]\nrange = [0.0, 100.0]").unwrap();
    assert_eq!(frames.data.source.kind(), SourceKind::Frames);
    // What is laid over it keeps its other fields.
    let wider =
        frames.overlaid_by("[data.frames]\nstride = 3").unwrap().with("data.frames.channels=1").unwrap();
    let Source::Frames(read) = &wider.data.source else { panic!("{:?}", wider.data) };
    assert_eq!((read.range, read.stride, read.channels), ([0.0, 100.0], 3, 1));
    assert_eq!(RunConfig::from_toml(&wider.to_toml()).unwrap(), wider);
    assert_eq!(base.with("data.source=radar").unwrap().data.source.kind(), SourceKind::Radar);
    assert_eq!(base.with("data.radar.downsample=2").unwrap().data.source.kind(), SourceKind::Radar);
    let digits = base.with("data.size=32").unwrap().with("data.source=mnist").unwrap();
    assert!(digits.data.source.kind() == SourceKind::Mnist && digits.to_toml().contains("size = 32"));
    for (text, words) in [
        ("[data]\nsource = \"radar\"\nsize = 32", &["line 3, column 1", "`data.size`", "strokes, mnist"][..]),
        (
            "[data]\nsource = \"mnist\"\n[data.frames]\nstride = 2",
            &["line 3", "`data.frames`", "\"mnist\"", "belongs to frames"],
        ),
        ("[data.frames]\n[data.radar]", &["line 1", "`data.frames`", "data.source is \"radar\""]),
        (
            "[data]\nsource = \"strokes\"\n[data.frames]",
            &["`data.frames`", "\"strokes\"", "belongs to frames"],
        ),
        (
            "[data]\nsource = \"frames\"\n[data.radar]\ndownsample = 2",
            &["`data.radar`", "\"frames\"", "belongs to radar"],
        ),
        ("[data.radar]\ndownsampl = 2", &["line 2", "`data.radar.downsampl`", "`data.radar.downsample`"]),
        ("[data.frame]\nstride = 2", &["line 1", "`data.frame`", "`data.frames`"]),
        ("[data]\nsource = \"cifar\"", &["line 2", "cifar", "strokes", "frames"]),
    ] {
        let error = base.overlaid_by(text).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{text:?} gave {error:?}");
    }
    for (assignment, words) in [
        ("data.radar.corp=2", ["`data.radar.corp`", "`data.radar.crop`"]),
        ("data.source=cifar", ["cifar", "strokes"]),
    ] {
        let error = base.with(assignment).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{assignment} gave {error:?}");
    }
    let error = frames.with("data.size=32").unwrap_err().to_string();
    assert!(error.contains("strokes, mnist"), "{error}");
}

#[test]
fn configurations_of_earlier_versions_are_read() {
    let radar = RunConfig::default().with("data.radar.downsample=2").unwrap();
    let frames = RunConfig::default().with("data.frames.stride=2").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    // They had the fields of all sources, in any order.
    let mut text = RunConfig::table_of(&RunConfig::default());
    let data = text["data"].as_table_mut().unwrap();
    for (of, section) in [(&radar, "radar"), (&frames, "frames")] {
        data.insert(section.into(), RunConfig::table_of(of)["data"][section].clone());
    }
    for (kind, expected) in [("strokes", &RunConfig::default()), ("radar", &radar), ("frames", &frames)] {
        let mut text = text.clone();
        text["data"].as_table_mut().unwrap().insert("source".into(), kind.into());
        assert_eq!(&RunConfig::from_toml(&text.to_string()).unwrap(), expected, "{kind}");
        // Also as a file of `--config`.
        std::fs::write(&path, text.to_string()).unwrap();
        assert_eq!(&RunConfig::default().overlaid_by_file(&path).unwrap(), expected, "{kind}");
    }
}

#[test]
fn a_loss_that_is_named_takes_the_place_of_the_one_before() {
    let huber =
        RunConfig::default().overlaid_by("[training]\nloss = { kind = \"huber\", delta = 0.1 }").unwrap();
    for (assignment, expected) in [
        ("training.loss={kind=\"huber\"}", "training.loss=huber"),
        ("training.loss=\"l1\"", "training.loss=l1"),
        ("training.loss=mse", "training.loss=mse"),
        ("training.loss=[{kind=\"huber\"}]", "training.loss=[{kind=\"huber\"}]"),
        ("training.loss={kind=\"ssim\"}", "training.loss=ssim"),
    ] {
        let changed = huber.with(assignment).unwrap();
        assert_eq!(changed, RunConfig::default().with(expected).unwrap(), "{assignment}");
    }
    let wider = huber.with("training.loss.delta=0.2").unwrap();
    assert_eq!(wider, RunConfig::default().with("training.loss={kind=\"huber\", delta=0.2}").unwrap());
}

#[test]
fn a_comment_a_section_and_a_second_line_are_no_keys() {
    for assignment in ["#training.steps=5", "# foo=1", "[optimizer]\nlearning_rate=0.5", "name=x\n[data]=1"] {
        let changed = RunConfig::default().with_all(&[assignment, "training.steps=5"]);
        let is_one_text = changed.as_ref().is_ok_and(|config| config.name.contains("[data]"));
        assert!(changed.is_err() || is_one_text, "{assignment:?}");
    }
}

#[test]
fn a_kind_that_there_is_not_is_named_before_its_fields() {
    for (settings, words) in [
        (["optimizer.kind=sdg", "optimizer.momentum=0.9"], ["`sdg`", "sgd, rmsprop"]),
        (["schedule.kind=cosin", "schedule.eta_min=0.1"], ["`cosin`", "cosine"]),
        (["training.teacher_forcing.decay=exp", "training.teacher_forcing.k=2"], ["`exp`", "exponential"]),
        (["model.kind=piramid", "model.residual=last-frame"], ["`piramid`", "pyramid"]),
    ] {
        let error = RunConfig::default().with_all(&settings).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{settings:?}: {error}");
    }
}

#[test]
fn a_file_says_which_source_it_chooses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    for (text, chosen) in [
        ("", None),
        ("[data]\nsource = \"strokes\"", Some(SourceKind::Strokes)),
        ("[data.radar]\ndownsample = 2", Some(SourceKind::Radar)),
        ("[data.frames]", Some(SourceKind::Frames)),
        ("no toml", None),
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(RunConfig::source_chosen_by_file(&path).unwrap(), chosen, "{text}");
    }
}
