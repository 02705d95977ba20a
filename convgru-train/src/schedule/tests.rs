use proptest::prelude::*;

use super::*;
use crate::fixtures::{parity_file, worst_difference};

fn one_cycle() -> OneCycleConfig {
    OneCycleConfig { cycle_momentum: true, ..OneCycleConfig::default() }
}

fn cycle(config: OneCycleConfig) -> ScheduleConfig {
    ScheduleKind::OneCycle(config).into()
}

fn warmup(steps: u64) -> WarmupConfig {
    WarmupConfig { steps, ..WarmupConfig::default() }
}

fn cosine_down_to(eta_min: f64) -> ScheduleConfig {
    ScheduleKind::Cosine(CosineConfig { t_max: 0, eta_min }).into()
}

fn rates(schedule: &Schedule, steps: usize) -> Vec<f64> {
    (0..steps as u64).map(|step| schedule.learning_rate(step)).collect()
}

fn momenta(schedule: &Schedule, steps: usize) -> Vec<f64> {
    (0..steps as u64).map(|step| schedule.momentum(step).unwrap()).collect()
}

#[test]
fn one_cycles_are_those_of_torch() {
    let file = parity_file("optim_lr_schedules.safetensors");
    for (name, config) in [
        ("onecycle_cos", one_cycle()),
        ("onecycle_cos_3phase", OneCycleConfig { pct_start: 0.25, three_phase: true, ..one_cycle() }),
        ("onecycle_linear", OneCycleConfig { anneal: Anneal::Linear, ..one_cycle() }),
    ] {
        let schedule = Schedule::new(&cycle(config), 0.5, 40).unwrap();
        let expected = file.values(&format!("lr.{name}"));
        let off = worst_difference(&rates(&schedule, expected.len()), expected);
        assert!(off <= 1e-12, "{name}: rate off by {off}");
        let expected = file.values(&format!("momentum.{name}"));
        let off = worst_difference(&momenta(&schedule, expected.len()), expected);
        assert!(off <= 1e-12, "{name}: beta1 off by {off}");
    }
}

#[test]
fn three_linear_phases_are_those_of_torch() {
    let file = parity_file("optim_onecycle_adam_linear3.safetensors");
    let config = OneCycleConfig { three_phase: true, anneal: Anneal::Linear, ..one_cycle() };
    let schedule = Schedule::new(&cycle(config), 0.3, 12).unwrap();
    let steps = file.values("lr").len();
    let off = worst_difference(&rates(&schedule, steps), file.values("lr"));
    assert!(off <= 1e-12, "rate off by {off}");
    let off = worst_difference(&rates(&schedule, steps + 1)[1..], file.values("lr_after"));
    assert!(off <= 1e-12, "next rate off by {off}");
    let off = worst_difference(&momenta(&schedule, steps), file.values("beta1"));
    assert!(off <= 1e-12, "beta1 off by {off}");
}

/// The fields as a user writes them, against the recorded rates of 40 steps.
#[test]
fn configured_schedules_are_those_of_torch() {
    let file = parity_file("optim_lr_schedules.safetensors");
    for (name, text) in [
        ("step", "kind = 'step'\nstep_size = 7\ngamma = 0.7"),
        ("multistep", "kind = 'multi-step'\nmilestones = [5, 6, 20]\ngamma = 0.3"),
        ("exponential", "kind = 'exponential'\ngamma = 0.93"),
        ("linear_warmup", "kind = 'linear'\nstart_factor = 0.1\ntotal_iters = 9"),
        ("linear_warmup", "kind = 'constant'\nwarmup.steps = 9\nwarmup.start_factor = 0.1"),
        ("polynomial", "kind = 'polynomial'\ntotal_iters = 25\npower = 2.0"),
        ("cosine", "kind = 'cosine'\nt_max = 15\neta_min = 0.001"),
        ("cosine_restarts", "kind = 'cosine-restarts'\nt_0 = 5\nt_mult = 2\neta_min = 0.001"),
        ("warmup_cosine", "kind = 'cosine'\nwarmup.steps = 6\neta_min = 1e-4"),
    ] {
        let config: ScheduleConfig = toml::from_str(text).unwrap();
        let schedule = Schedule::new(&config, 0.1, 40).unwrap();
        let off = worst_difference(&rates(&schedule, 40), file.values(&format!("lr.{name}")));
        assert!(off <= 1e-12, "{text}: off by {off}");
    }
}

#[test]
fn plateaus_are_those_of_torch() {
    let max = PlateauConfig {
        factor: 0.2,
        patience: 0,
        threshold: 0.05,
        threshold_mode: ThresholdMode::Abs,
        ..PlateauConfig::default()
    };
    let min = PlateauConfig {
        factor: 0.5,
        patience: 1,
        threshold: 0.01,
        cooldown: 1,
        min_lr: 0.02,
        ..PlateauConfig::default()
    };
    for (name, config, mode, rate) in [("max_sgd", max, Mode::Max, 0.4), ("rmsprop", min, Mode::Min, 0.1)] {
        let file = parity_file(&format!("optim_plateau_{name}.safetensors"));
        let after = |config: &PlateauConfig| {
            let mut plateau = Plateau::new(config, mode, rate).unwrap();
            let metrics = file.values("metric").iter();
            metrics.map(|&metric| (plateau.observe(metric), plateau.learning_rate()).1).collect::<Vec<_>>()
        };
        assert!(worst_difference(&after(&config), file.values("lr_after")) <= 1e-12, "{name}");
        let patient = PlateauConfig { patience: config.patience + 1, ..config };
        assert!(worst_difference(&after(&patient), file.values("lr_after")) > 1e-3, "{name}");
    }
}

#[test]
fn a_plateau_of_numbers_that_are_none_is_one() {
    let config = PlateauConfig { patience: 0, ..PlateauConfig::default() };
    let mut plateau = Plateau::new(&config, Mode::Max, 1.0).unwrap();
    plateau.observe(f64::NAN);
    assert!((plateau.learning_rate() - 0.1).abs() < 1e-12);
}

#[test]
fn a_warmup_rises_and_hands_over() {
    let config = ScheduleConfig { warmup: warmup(4), ..cycle(one_cycle()) };
    let schedule = Schedule::new(&config, 1.0, 24).unwrap();
    let alone = Schedule::new(&cycle(one_cycle()), 1.0, 20).unwrap();
    assert_eq!(schedule.learning_rate(0), 0.05);
    assert!(rates(&schedule, 4).windows(2).all(|pair| pair[0] < pair[1]));
    for step in 0..20 {
        assert_eq!(schedule.learning_rate(step + 4), alone.learning_rate(step));
        assert_eq!(schedule.momentum(step + 4), alone.momentum(step));
    }
    assert_eq!(schedule.momentum(1), alone.momentum(0));

    let kind = ScheduleKind::Plateau(PlateauConfig { patience: 0, ..PlateauConfig::default() });
    let config = ScheduleConfig { warmup: warmup(4), kind };
    let mut schedule = Schedule::new(&config, 1.0, 24).unwrap();
    schedule.observe(f64::NAN);
    assert_eq!(schedule.learning_rate(0), 0.05);
    assert!((schedule.learning_rate(4) - 0.1).abs() < 1e-12);
}

/// 0 means the length of the run, and steps far beyond it have a rate.
#[test]
fn schedules_follow_the_run_and_have_no_end() {
    for kind in ["linear", "polynomial", "cosine", "cosine-restarts", "step", "multi-step", "exponential"] {
        let line = match kind {
            "linear" => "total_iters = 0\nstart_factor = 1.0\nend_factor = 0.0",
            _ => "",
        };
        let config: ScheduleConfig = toml::from_str(&format!("kind = '{kind}'\n{line}")).unwrap();
        let schedule = Schedule::new(&config, 0.5, 80).unwrap();
        assert_eq!(schedule.learning_rate(0), 0.5, "{kind}");
        if matches!(kind, "linear" | "polynomial" | "cosine") {
            assert!((schedule.learning_rate(40) - 0.25).abs() < 1e-12, "{kind}");
            assert!(schedule.learning_rate(80) < 1e-15, "{kind}");
        }
        for step in [1 << 20, 1 << 40, u64::MAX] {
            let rate = schedule.learning_rate(step);
            assert!((0.0..=0.5).contains(&rate), "{kind}: {rate} at {step}");
        }
    }
}

#[test]
fn a_constant_rate_is_constant() {
    let config = ScheduleConfig::from(ScheduleKind::Constant);
    let schedule = Schedule::new(&config, 0.02, 10).unwrap();
    assert!(rates(&schedule, 20).iter().all(|&rate| rate == 0.02));
    assert_eq!(schedule.momentum(3), None);
    let leaves_momentum = Schedule::new(&ScheduleConfig::default(), 0.02, 10).unwrap();
    assert_eq!(leaves_momentum.momentum(3), None);
}

#[test]
fn the_last_rate_holds_after_the_last_step() {
    let schedule = Schedule::new(&cycle(one_cycle()), 1.0, 50).unwrap();
    let end = 1.0 / 25.0 / 1e4;
    assert!((schedule.learning_rate(49) - end).abs() < 1e-15);
    assert_eq!(schedule.learning_rate(50), schedule.learning_rate(49));
    assert_eq!(schedule.learning_rate(u64::MAX), schedule.learning_rate(49));
}

#[test]
fn a_single_step_has_the_rate_of_the_end() {
    let schedule = Schedule::new(&cycle(one_cycle()), 1.0, 1).unwrap();
    assert!((schedule.learning_rate(0) - 1.0 / 25.0 / 1e4).abs() < 1e-15);
}

/// `0.1 * 10 - 1` is zero: the rise has no length, and the top is at step 0.
#[test]
fn a_rise_without_length_starts_at_the_top() {
    let config = OneCycleConfig { pct_start: 0.1, ..one_cycle() };
    let schedule = Schedule::new(&cycle(config), 1.0, 10).unwrap();
    assert_eq!(schedule.learning_rate(0), 1.0);
    assert!(schedule.learning_rate(1) < 1.0);
}

#[test]
fn fields_out_of_range_are_named() {
    let ok = ScheduleConfig::default();
    for (field, config) in [
        ("pct_start", cycle(OneCycleConfig { pct_start: 1.1, ..one_cycle() })),
        ("pct_start", cycle(OneCycleConfig { pct_start: f64::NAN, ..one_cycle() })),
        ("pct_start", cycle(OneCycleConfig { pct_start: 0.6, three_phase: true, ..one_cycle() })),
        ("div_factor", cycle(OneCycleConfig { div_factor: 0.5, ..one_cycle() })),
        ("final_div_factor", cycle(OneCycleConfig { final_div_factor: f64::INFINITY, ..one_cycle() })),
        ("base_momentum", cycle(OneCycleConfig { base_momentum: 1.0, ..one_cycle() })),
        ("max_momentum", cycle(OneCycleConfig { max_momentum: 0.5, ..one_cycle() })),
        ("warmup.steps", ScheduleConfig { warmup: warmup(10), ..ok.clone() }),
        ("eta_min", cosine_down_to(2e-3)),
        ("min_lr", ScheduleKind::Plateau(PlateauConfig { min_lr: 0.01, ..PlateauConfig::default() }).into()),
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
    assert_eq!(config, ScheduleKind::Constant.into());
    let text = toml::to_string(&ScheduleConfig::default()).unwrap();
    assert!(text.contains("kind = \"one-cycle\"") && text.contains("anneal = \"cosine\""), "{text}");
    assert_eq!(toml::from_str::<ScheduleConfig>(&text).unwrap(), ScheduleConfig::default());
    assert!(toml::from_str::<ScheduleConfig>("warm = 3").is_err());
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
        let config = OneCycleConfig { pct_start, three_phase, anneal, ..one_cycle() };
        let schedule = Schedule::new(&cycle(config), 0.5, total).unwrap();
        let end = 0.5 / 25.0 / 1e4;
        for step in 0..total + 3 {
            let (rate, beta1) = (schedule.learning_rate(step), schedule.momentum(step).unwrap());
            prop_assert!((end - 1e-15..=0.5 + 1e-15).contains(&rate), "step {}: {}", step, rate);
            prop_assert!((0.85 - 1e-15..=0.95 + 1e-15).contains(&beta1), "step {}: {}", step, beta1);
        }
        if pct_start < 1.0 {
            prop_assert!((schedule.learning_rate(total - 1) - end).abs() < 1e-9 || total == 1);
        }
    }
}

#[test]
fn a_metric_is_better_by_more_than_the_threshold() {
    let cases = [
        (Mode::Min, ThresholdMode::Rel, 5.0, 4.9),
        (Mode::Min, ThresholdMode::Abs, 9.5, 9.4),
        (Mode::Max, ThresholdMode::Rel, 15.0, 15.1),
        (Mode::Max, ThresholdMode::Abs, 10.5, 10.6),
    ];
    for (mode, threshold_mode, as_good, better) in cases {
        let (patience, factor, threshold) = (0, 0.5, 0.5);
        let config =
            PlateauConfig { patience, factor, threshold, threshold_mode, ..PlateauConfig::default() };
        for (second, rate) in [(as_good, 0.5), (better, 1.0)] {
            let mut plateau = Plateau::new(&config, mode, 1.0).unwrap();
            plateau.observe(10.0);
            plateau.observe(second);
            assert_eq!(plateau.learning_rate(), rate, "{mode:?}, {threshold_mode:?}, {second}");
        }
    }
}

#[test]
fn a_change_of_a_rate_is_larger_than_eps_or_left_out() {
    for (eps, rate) in [(0.5, 1.0), (0.4, 0.5)] {
        let config = PlateauConfig { patience: 0, factor: 0.5, eps, ..PlateauConfig::default() };
        let mut plateau = Plateau::new(&config, Mode::Min, 1.0).unwrap();
        plateau.observe(10.0);
        plateau.observe(10.0);
        assert_eq!(plateau.learning_rate(), rate, "{eps}");
    }
}

#[test]
fn every_field_of_every_schedule_is_checked() {
    assert!(StepConfig { step_size: 0, ..StepConfig::default() }.validate().is_err());
    assert!(StepConfig { step_size: 1, ..StepConfig::default() }.validate().is_ok());
    for (milestones, fits) in [(vec![5, 3], false), (vec![3, 3, 5], true), (vec![], true)] {
        let config = MultiStepConfig { milestones, ..MultiStepConfig::default() };
        assert_eq!(config.validate().is_ok(), fits, "{config:?}");
    }
    let none = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-9];
    // Each field at values that are never right, and at 0, 1 and 2.
    let plateau = PlateauConfig::default;
    let check = |field: &str, fits: [bool; 3], validate: &dyn Fn(f64) -> Result<()>| {
        for value in none {
            assert!(validate(value).is_err(), "{field} = {value}");
        }
        for (value, fits) in [0.0, 1.0, 2.0].into_iter().zip(fits) {
            assert_eq!(validate(value).is_ok(), fits, "{field} = {value}");
        }
    };
    check("eta_min", [true; 3], &|eta_min| CosineConfig { t_max: 0, eta_min }.validate());
    let restarts = CosineRestartsConfig::default;
    assert!(CosineRestartsConfig { t_0: 0, ..restarts() }.validate().is_err());
    assert!(CosineRestartsConfig { t_mult: 0, ..restarts() }.validate().is_err());
    check("eta_min", [true; 3], &|eta_min| CosineRestartsConfig { eta_min, ..restarts() }.validate());
    check("threshold", [true; 3], &|threshold| PlateauConfig { threshold, ..plateau() }.validate());
    check("min_lr", [true; 3], &|min_lr| PlateauConfig { min_lr, ..plateau() }.validate());
    check("eps", [true; 3], &|eps| PlateauConfig { eps, ..plateau() }.validate());
    check("factor", [false; 3], &|factor| PlateauConfig { factor, ..plateau() }.validate());
    check("power", [false, true, true], &|power| PolynomialConfig { total_iters: 0, power }.validate());
    let factor = [false, true, false];
    check("step.gamma", factor, &|gamma| StepConfig { step_size: 1, gamma }.validate());
    check("multi_step.gamma", factor, &|gamma| {
        MultiStepConfig { gamma, ..MultiStepConfig::default() }.validate()
    });
    check("exponential.gamma", factor, &|gamma| ExponentialConfig { gamma }.validate());
    check("start_factor", factor, &|start_factor| {
        LinearConfig { start_factor, ..LinearConfig::default() }.validate()
    });
    check("end_factor", [true, true, false], &|end_factor| {
        LinearConfig { end_factor, ..LinearConfig::default() }.validate()
    });
}
