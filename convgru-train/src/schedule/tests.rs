use proptest::prelude::*;

use super::*;
use crate::fixtures::{parity_file, worst_difference};

fn one_cycle() -> ScheduleConfig {
    ScheduleConfig { cycle_beta1: true, ..ScheduleConfig::default() }
}

fn rates(schedule: &Schedule, steps: usize) -> Vec<f64> {
    (0..steps as u64).map(|step| schedule.learning_rate(step)).collect()
}

fn beta1(schedule: &Schedule, steps: usize) -> Vec<f64> {
    (0..steps as u64).map(|step| schedule.beta1(step).unwrap()).collect()
}

#[test]
fn one_cycles_are_those_of_torch() {
    let Some(file) = parity_file("optim_lr_schedules.safetensors") else {
        return;
    };
    for (name, config) in [
        ("onecycle_cos", one_cycle()),
        ("onecycle_cos_3phase", ScheduleConfig { pct_start: 0.25, three_phase: true, ..one_cycle() }),
        ("onecycle_linear", ScheduleConfig { anneal: Anneal::Linear, ..one_cycle() }),
    ] {
        let schedule = Schedule::new(&config, 0.5, 40).unwrap();
        let expected = file.values(&format!("lr.{name}"));
        let off = worst_difference(&rates(&schedule, expected.len()), expected);
        assert!(off <= 1e-12, "{name}: rate off by {off}");
        let expected = file.values(&format!("momentum.{name}"));
        let off = worst_difference(&beta1(&schedule, expected.len()), expected);
        assert!(off <= 1e-12, "{name}: beta1 off by {off}");
    }
}

#[test]
fn three_linear_phases_are_those_of_torch() {
    let Some(file) = parity_file("optim_onecycle_adam_linear3.safetensors") else {
        return;
    };
    let config = ScheduleConfig { three_phase: true, anneal: Anneal::Linear, ..one_cycle() };
    let schedule = Schedule::new(&config, 0.3, 12).unwrap();
    let steps = file.values("lr").len();
    let off = worst_difference(&rates(&schedule, steps), file.values("lr"));
    assert!(off <= 1e-12, "rate off by {off}");
    let off = worst_difference(&rates(&schedule, steps + 1)[1..], file.values("lr_after"));
    assert!(off <= 1e-12, "next rate off by {off}");
    let off = worst_difference(&beta1(&schedule, steps), file.values("beta1"));
    assert!(off <= 1e-12, "beta1 off by {off}");
}

#[test]
fn a_constant_rate_is_constant() {
    let config = ScheduleConfig { kind: ScheduleKind::Constant, ..one_cycle() };
    let schedule = Schedule::new(&config, 0.02, 10).unwrap();
    assert!(rates(&schedule, 20).iter().all(|&rate| rate == 0.02));
    assert_eq!(schedule.beta1(3), None);
    let leaves_beta1 = Schedule::new(&ScheduleConfig::default(), 0.02, 10).unwrap();
    assert_eq!(leaves_beta1.beta1(3), None);
}

#[test]
fn the_last_rate_holds_after_the_last_step() {
    let schedule = Schedule::new(&one_cycle(), 1.0, 50).unwrap();
    let end = 1.0 / 25.0 / 1e4;
    assert!((schedule.learning_rate(49) - end).abs() < 1e-15);
    assert_eq!(schedule.learning_rate(50), schedule.learning_rate(49));
    assert_eq!(schedule.learning_rate(u64::MAX), schedule.learning_rate(49));
}

#[test]
fn a_single_step_has_the_rate_of_the_end() {
    let schedule = Schedule::new(&one_cycle(), 1.0, 1).unwrap();
    assert!((schedule.learning_rate(0) - 1.0 / 25.0 / 1e4).abs() < 1e-15);
}

/// `0.1 * 10 - 1` is zero: the rise has no length, and the top is at step 0.
#[test]
fn a_rise_without_length_starts_at_the_top() {
    let config = ScheduleConfig { pct_start: 0.1, ..one_cycle() };
    let schedule = Schedule::new(&config, 1.0, 10).unwrap();
    assert_eq!(schedule.learning_rate(0), 1.0);
    assert!(schedule.learning_rate(1) < 1.0);
}

#[test]
fn fields_out_of_range_are_named() {
    let ok = ScheduleConfig::default();
    for (field, config) in [
        ("pct_start", ScheduleConfig { pct_start: 1.1, ..ok.clone() }),
        ("pct_start", ScheduleConfig { pct_start: f64::NAN, ..ok.clone() }),
        ("pct_start", ScheduleConfig { pct_start: 0.6, three_phase: true, ..ok.clone() }),
        ("div_factor", ScheduleConfig { div_factor: 0.5, ..ok.clone() }),
        ("final_div_factor", ScheduleConfig { final_div_factor: f64::INFINITY, ..ok.clone() }),
        ("base_beta1", ScheduleConfig { base_beta1: 1.0, ..ok.clone() }),
        ("max_beta1", ScheduleConfig { max_beta1: 0.5, ..ok.clone() }),
    ] {
        let error = Schedule::new(&config, 1e-3, 10).unwrap_err().to_string();
        assert!(error.contains(&format!("`schedule.{field}`")), "{error}");
    }
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Schedule::new(&ok, rate, 10).is_err());
    }
    let error = Schedule::new(&ok, 1e-3, 0).unwrap_err().to_string();
    assert!(error.contains("0 steps"), "{error}");
}

#[test]
fn configurations_are_readable() {
    let config: ScheduleConfig = toml::from_str("kind = \"constant\"").unwrap();
    assert_eq!(config, ScheduleConfig { kind: ScheduleKind::Constant, ..ScheduleConfig::default() });
    let text = toml::to_string(&ScheduleConfig::default()).unwrap();
    assert!(text.contains("kind = \"one-cycle\"") && text.contains("anneal = \"cosine\""), "{text}");
    assert_eq!(toml::from_str::<ScheduleConfig>(&text).unwrap(), ScheduleConfig::default());
    assert!(toml::from_str::<ScheduleConfig>("warmup = 3").is_err());
}

proptest! {
    #[test]
    fn rates_and_decays_stay_between_their_ends(
        total in 1u64..60,
        pct_start in 0.0f64..=1.0,
        three_phase: bool,
        linear: bool,
    ) {
        let pct_start = if three_phase { pct_start / 2.0 } else { pct_start };
        let anneal = if linear { Anneal::Linear } else { Anneal::Cosine };
        let config = ScheduleConfig { pct_start, three_phase, anneal, ..one_cycle() };
        let schedule = Schedule::new(&config, 0.5, total).unwrap();
        let end = 0.5 / 25.0 / 1e4;
        for step in 0..total + 3 {
            let (rate, beta1) = (schedule.learning_rate(step), schedule.beta1(step).unwrap());
            prop_assert!((end - 1e-15..=0.5 + 1e-15).contains(&rate), "step {}: {}", step, rate);
            prop_assert!((0.85 - 1e-15..=0.95 + 1e-15).contains(&beta1), "step {}: {}", step, beta1);
        }
        if pct_start < 1.0 {
            prop_assert!((schedule.learning_rate(total - 1) - end).abs() < 1e-9 || total == 1);
        }
    }
}
