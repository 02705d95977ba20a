//! Configurations that earlier versions wrote become those they were.

use super::*;
use crate::config::RunConfig;
use crate::dataset::{DataConfig, Source, SourceKind};
use crate::loss::Loss;
use crate::metric::{Spread, SsimWindow};
use crate::optimizer::OptimizerKind;
use crate::schedule::ScheduleKind;

/// What an earlier version wrote, shortened to what is looked at.
const EARLIER: &str = r#"
[training]
loss = "LOSS"
[training.loss_constants]
delta = 0.5
beta = 0.25
pos_weight = 3.0
alpha = 2.0
ssim_window = "uniform"
crps_spread = "fair"
[training.rain]
thresholds = [1.0]
weights = [1.0, 2.0]
[training.teacher_forcing]
decay = "linear"
k = 0.0
[optimizer]
kind = "OPTIMIZER"
learning_rate = 0.5
beta1 = 0.9
beta2 = 0.999
epsilon = 1e-8
weight_decay = 0.25
amsgrad = false
momentum = 0.0
dampening = 0.0
nesterov = false
alpha = 0.99
centered = false
[schedule]
kind = "SCHEDULE"
pct_start = 0.3
three_phase = false
[schedule.warmup]
steps = 7
[schedule.step]
gamma = 0.5
[schedule.multi_step]
gamma = 0.5
[schedule.exponential]
gamma = 0.5
[schedule.linear]
end_factor = 0.5
[schedule.polynomial]
power = 0.5
[schedule.cosine]
eta_min = 0.5
[schedule.cosine_restarts]
eta_min = 0.5
[schedule.plateau]
factor = 0.5
"#;

fn read(optimizer: &str, schedule: &str, loss: &str) -> RunConfig {
    let text = EARLIER.replace("OPTIMIZER", optimizer).replace("SCHEDULE", schedule).replace("LOSS", loss);
    RunConfig::from_toml(&text).unwrap()
}

#[test]
fn every_kind_keeps_its_fields() {
    for kind in OptimizerKind::all() {
        let optimizer = read(kind.name(), "constant", "mse").optimizer;
        assert_eq!((optimizer.learning_rate, optimizer.weight_decay), (0.5, 0.25));
        assert_eq!(optimizer.kind, kind);
    }
    for name in ScheduleKind::NAMES {
        let config = read("adam", name, "mse");
        assert_eq!(config.schedule.warmup.steps, 7, "{name}");
        let text = toml::to_string(&config.schedule).unwrap();
        assert!(text.contains(&format!("kind = \"{name}\"")), "{text}");
        assert_eq!(text.contains("0.5"), !["one-cycle", "constant"].contains(&name), "{text}");
    }
    for loss in Loss::all() {
        let [term] = &read("adam", "constant", loss.name()).training.loss.0[..] else { panic!("one loss") };
        let differs = !matches!(loss, Loss::Mse | Loss::L1 | Loss::TemporalPenalty);
        assert_eq!((term.loss.name(), term.loss != loss), (loss.name(), differs), "{:?}", term.loss);
    }
    let ssim = read("adam", "constant", "ssim").training.loss;
    assert_eq!(ssim, Loss::Ssim { window: SsimWindow::Uniform }.into());
    let crps = read("adam", "constant", "crps").training.loss;
    assert_eq!(crps, Loss::Crps { spread: Spread::Fair }.into());
}

#[test]
fn what_a_user_writes_is_left_alone() {
    for text in ["[schedule]\nkind = \"cosine\"\n", "[training.loss_constants]\ndelta = 1.0", "= broken"] {
        assert_eq!(in_todays_form(text), text);
    }
    let error = RunConfig::from_toml("[training.loss_constants]\ndelta = 1.0").unwrap_err();
    assert!(error.contains("training.loss_constants"), "{error}");
}

#[test]
fn sections_of_data_had_the_fields_of_all_sources() {
    let digits = "digits = 2\nsize = 48\ndigit_size = 28\nmin_speed = 3.6\nmax_speed = 3.6\nmemory_mib = 7";
    for kind in SourceKind::ALL {
        let name = kind.name();
        let text = format!("source = \"{name}\"\n{digits}\n[radar]\ndownsample = 3\n[frames]\nstride = 5");
        assert!(toml::from_str::<DataConfig>(&text).is_err());
        let mut table: Table = text.parse().unwrap();
        assert!(keep_fields_of_the_source(&mut table));
        let config: DataConfig = toml::from_str(&table.to_string()).unwrap();
        assert_eq!((config.source.kind(), config.memory_mib), (kind, 7));
        match config.source {
            Source::Strokes(digits) | Source::Mnist(digits) => assert_eq!(digits.size, 48),
            Source::Radar(radar) => assert_eq!(radar.downsample, 3),
            Source::Frames(frames) => assert_eq!(frames.stride, 5),
        }
    }
    // What a person writes is left as it is.
    let mut table: Table = "source = \"radar\"\nsize = 4\n[radar]\n[frames]".parse().unwrap();
    let before = table.clone();
    assert!(!keep_fields_of_the_source(&mut table) && table == before);
}
