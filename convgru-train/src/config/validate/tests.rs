//! What cannot work is refused by the name of its field.

use super::*;
use crate::schedule::StepConfig;

#[test]
fn values_that_cannot_work_are_refused_by_name() {
    let config = RunConfig::default();
    config.validate().unwrap();
    for assignment in [
        "name=",
        "name=../elsewhere",
        "name=a/b",
        "name=.hidden",
        &format!("name={}", "a".repeat(256)),
        "training.steps=0",
        "training.batch_size=0",
        "training.batch_size=100000000",
        "optimizer.learning_rate=0",
        "optimizer.learning_rate=-0.1",
        "optimizer.learning_rate=nan",
        "optimizer.learning_rate=inf",
        "training.loss={ kind = \"huber\", delta = 0 }",
        "training.loss={ kind = \"smooth-l1\", beta = -1 }",
        "training.loss={ kind = \"bce-with-logits\", pos_weight = nan }",
        "training.clip_norm=-1",
        "training.clip_norm_type=0.5",
        "training.clip_norm_type=nan",
        "training.clip_value=-1",
        "training.clip_value=inf",
        "training.keep_checkpoints=1",
        "training.threads=100000",
        "training.teacher_forcing.start=1.5",
        "training.teacher_forcing.end=nan",
        "training.teacher_forcing.until=0",
        "training.reverse_sampling.start=-0.5",
        "training.accumulate=0",
        "training.accumulate=9",
        "training.ema_decay=1",
        "training.early_stopping.min_delta=-1",
        "training.early_stopping.patience=3",
        "training.loss=bce-with-logits",
        "training.loss=crps",
        "model.members=2",
        "model.members=0",
        "training.loss=[]",
        "training.loss=[{ kind = \"mse\", weight = -1.0 }]",
        "training.loss={ kind = \"gradient-difference\", alpha = 0.5 }",
        "training.loss={ kind = \"crps\", spread = { kind = \"almost-fair\", alpha = 0.0 } }",
        "training.loss={ kind = \"crps\", spread = { kind = \"almost-fair\", alpha = 1.5 } }",
        "training.loss={ kind = \"crps\", spread = \"almost-fair\" }",
        "training.loss=temporal-penalty",
        "training.loss=[{ kind = \"mse\" }, { kind = \"temporal-penalty\", weight = -0.01 }]",
        "training.clamp=[1.0, -1.0]",
        "training.clamp=[0.0, 0.0]",
        "training.clamp=[-inf, 0.0]",
        "training.lead_weights=[1, 2]",
        "training.loss={ kind = \"balanced-mse\", rain.weights = [1.0] }",
        "training.loss={ kind = \"balanced-mae\", rain.thresholds = [4.0, 3.0, 2.0, 1.0] }",
        "schedule.pct_start=2",
        "schedule.warmup.steps=400",
        "schedule.warmup.start_factor=0",
        "optimizer.beta1=1",
        "model.patch=0",
        "model.patch=7",
        "model.hidden_channels=[]",
        "data.size=0",
    ] {
        let field = assignment.split('=').next().unwrap();
        let config = match field.contains("patience") {
            true => config.with("training.validate_every=0").unwrap(),
            false => config.clone(),
        };
        let error = config.with(assignment).unwrap().validate().unwrap_err().to_string();
        assert!(error.contains(field), "{assignment} gave {error:?}");
    }
    // Of fields that one kind alone has.
    for (kind, assignment) in [
        ("schedule.kind=step", "schedule.step_size=0"),
        ("schedule.kind=step", "schedule.gamma=1.5"),
        ("schedule.kind=multi-step", "schedule.milestones=[5, 3]"),
        ("schedule.kind=exponential", "schedule.gamma=0"),
        ("schedule.kind=linear", "schedule.end_factor=2"),
        ("schedule.kind=polynomial", "schedule.power=-1"),
        ("schedule.kind=cosine", "schedule.eta_min=-1"),
        ("schedule.kind=cosine-restarts", "schedule.t_0=0"),
        ("schedule.kind=cosine-restarts", "schedule.t_mult=0"),
        ("schedule.kind=plateau", "schedule.factor=1"),
        ("schedule.kind=plateau", "schedule.threshold=nan"),
        ("optimizer.kind=sgd", "optimizer.nesterov=true"),
        ("optimizer.kind=rmsprop", "optimizer.alpha=1"),
        ("training.teacher_forcing.decay=inverse-sigmoid", "training.teacher_forcing.k=0.5"),
    ] {
        let field = assignment.split('=').next().unwrap();
        let error = config.with_all(&[assignment, kind]).unwrap().validate().unwrap_err().to_string();
        assert!(error.contains(field), "{assignment} gave {error:?}");
        let error = config.with(assignment).unwrap_err().to_string();
        let kind = kind.split_once('=').unwrap().1;
        assert!(error.contains(field) && error.contains(kind), "{assignment} of no {kind}: {error:?}");
    }
    let mut endless = config.clone();
    endless.schedule.kind = ScheduleKind::Step(StepConfig { step_size: u64::MAX, gamma: 1.0 });
    let error = endless.validate().unwrap_err().to_string();
    assert!(error.contains("below 2^63"), "{error}");
    let single = config.with("data.input_frames=1").unwrap();
    single.validate().unwrap();
    let error = single.with("training.reverse_sampling.start=0.5").unwrap().validate().unwrap_err();
    assert!(error.to_string().contains("training.reverse_sampling"), "{error}");
    let deaf = config.with("schedule.kind=plateau").unwrap();
    deaf.validate().unwrap();
    let error = deaf.with("training.validate_every=0").unwrap().validate().unwrap_err().to_string();
    assert!(error.contains("schedule.kind") && error.contains("validate_every = 0"), "{error}");
}

/// Losses of mlcast's package: what of them cannot work is told with what to do.
#[test]
fn losses_of_ensembles_that_cannot_work_say_what_to_change() {
    let config = |settings: &[&str]| RunConfig::preset(super::super::Preset::Quick).with_all(settings);
    let almost_fair = "training.loss={ kind = \"crps\", spread = { kind = \"almost-fair\", alpha = 0.9 } }";
    let penalty = "training.loss=[{ kind = \"mse\" }, { kind = \"temporal-penalty\", weight = 0.01 }]";
    let members = ["model.members=2", "model.feedback=unconditioned"];
    for (settings, words) in [
        (vec![almost_fair], &["model.members is 1", "2 or more"][..]),
        (vec![penalty, "data.output_frames=1"], &["data.output_frames is 1", "2 or more"]),
        (vec!["training.loss=temporal-penalty"], &["compares no forecast", "weight = 0.01"]),
        (
            vec!["training.loss=bce-with-logits", "training.clamp=[0, 1]", "model.output_activation=sigmoid"],
            &["training.clamp", "logits", "\"none\""],
        ),
        (vec!["training.clamp=[1, -1]"], &["[1, -1]", "the lower bound and then the higher"]),
    ] {
        let error = config(&settings).unwrap().validate().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{settings:?}: {error}");
    }
    // A penalty is of one forecast as well, and a clamp stands in a file.
    config(&[penalty, "training.clamp=[-1, 1.5]"]).unwrap().validate().unwrap();
    let both = config(&[&members[..], &[almost_fair, "training.clamp=[-1.0, 1.0]"]].concat()).unwrap();
    both.validate().unwrap();
    let text = both.to_toml();
    assert!(text.contains("clamp = [-1.0, 1.0]") && text.contains("alpha = 0.9"), "{text}");
    assert_eq!(RunConfig::from_toml(&text).unwrap(), both);
    let fair = both.with("training.loss.spread=fair").unwrap().with("training.clamp=none").unwrap();
    let text = fair.to_toml();
    assert!(text.contains("clamp = \"none\"") && text.contains("spread = \"fair\""), "{text}");
    let error = config(&["training.clamp=[1.0]"]).unwrap_err().to_string();
    assert!(error.contains("training.clamp") && error.contains("two bounds"), "{error}");
}
