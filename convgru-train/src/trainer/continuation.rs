//! Which other configurations a run may go on with: those with which it would have come to where it is.

use crate::checkpoint::Checkpoint;
use crate::config::{RunConfig, SamplingSchedule};
use crate::schedule::{Schedule, ScheduleKind};

/// Fields that may change with the number of steps, as long as no step that is done would have been another.
const WITH_STEPS: [&str; 4] =
    ["schedule.", "training.teacher_forcing.", "training.reverse_sampling.", "training.early_stopping."];

/// The number of steps.
const STEPS: &str = "training.steps";

/// Fails unless a run of `then` that stands at a checkpoint can go on with `now`: with the same configuration, or for more steps
/// where every step that is done has the bits of a run of `now` from its beginning.
///
/// # Errors
/// What differs, and what to do.
pub(super) fn expect_same_course(
    then: &RunConfig,
    now: &RunConfig,
    checkpoint: &Checkpoint,
) -> Result<(), String> {
    let differences = then.differences(now);
    if differences.is_empty() {
        return Ok(());
    }
    let fields = || differences.iter().filter_map(|difference| difference.split(':').next());
    let has_more_steps = now.training.steps > then.training.steps;
    let may_change = |field: &str| match field {
        STEPS => has_more_steps,
        _ if field.starts_with("training.early_stopping.") => true,
        _ => has_more_steps && WITH_STEPS.iter().any(|section| field.starts_with(section)),
    };
    let (listed, done) = (differences.join("; "), checkpoint.cursor.step);
    if !fields().all(may_change) {
        let shorter = match now.training.steps < then.training.steps {
            true => "; a run can get more steps, but not fewer",
            false => "",
        };
        return Err(format!(
            "the run was trained with another configuration: {listed} (checkpoint, now){shorter}; leave these changes out, or \
             leave --resume out to begin a new run"
        ));
    }
    let refuse =
        |reason: String| Err(format!("the run cannot go on with {listed} (checkpoint, now): {reason}"));
    if let Err(reason) = schedule_is_kept(then, now, done) {
        return refuse(reason);
    }
    let sampled = [
        ("teacher_forcing", &then.training.teacher_forcing, &now.training.teacher_forcing),
        ("reverse_sampling", &then.training.reverse_sampling, &now.training.reverse_sampling),
    ];
    for (name, before, after) in sampled {
        // Nothing replaces a prediction that is not read.
        if name == "teacher_forcing" && !now.model.reads_predictions() {
            continue;
        }
        let lengths = [then.training.steps, now.training.steps];
        if let Err(reason) = sampling_is_kept(name, [before, after], lengths, done) {
            return refuse(reason);
        }
    }
    let stopping = &now.training.early_stopping;
    let heard = |validation: &&_| now.training.is_heard(validation);
    let validations: Vec<_> = checkpoint.history.validations.iter().filter(heard).collect();
    let is_reached =
        |count: usize| stopping.is_reached(now.training.monitor, validations[..count].iter().copied());
    if let Some(at) = (1..=validations.len()).find(|&count| is_reached(count)) {
        return refuse(format!(
            "training.early_stopping ends it at step {}, after {} validation{} without improvement; give a larger patience with \
             --set training.early_stopping.patience=N, or 0 to train to the last step",
            validations[at - 1].step,
            stopping.patience,
            if stopping.patience == 1 { "" } else { "s" }
        ));
    }
    Ok(())
}

/// Fails unless the steps that are done had the learning rates and momenta of both configurations.
fn schedule_is_kept(then: &RunConfig, now: &RunConfig, done: u64) -> Result<(), String> {
    let is_plateau = |config: &RunConfig| matches!(config.schedule.kind, ScheduleKind::Plateau(_));
    if is_plateau(then) || is_plateau(now) {
        return match then.schedule == now.schedule {
            true => Ok(()),
            false => Err("a plateau keeps its fields; leave [schedule] as it is".to_owned()),
        };
    }
    let schedule = |config: &RunConfig| {
        Schedule::new(&config.schedule, config.optimizer.learning_rate, config.training.steps)
            .map_err(|error| error.to_string())
    };
    let [before, after] = [schedule(then)?, schedule(now)?];
    let numbers = |schedule: &Schedule, step| {
        [Some(schedule.learning_rate(step)), schedule.momentum(step)].map(|number| number.map(f64::to_bits))
    };
    let Some(step) = (0..done).find(|&step| numbers(&before, step) != numbers(&after, step)) else {
        return Ok(());
    };
    let rates = [&before, &after].map(|schedule| schedule.learning_rate(step));
    Err(format!(
        "the schedule \"{}\" gave step {} the learning rate {:e} and would have given it {:e}; {}",
        now.schedule.kind.name(),
        step + 1,
        rates[0],
        rates[1],
        how_to_keep(then, now)
    ))
}

/// What to do about a schedule that depends on the number of steps.
fn how_to_keep(then: &RunConfig, now: &RunConfig) -> String {
    let another = "begin a run of its own that goes on from these weights with --init-from RUN";
    let length = then.training.steps - then.schedule.warmup.steps.min(then.training.steps);
    let field = match &now.schedule.kind {
        _ if now.schedule.kind.name() != then.schedule.kind.name() => {
            return format!("keep the schedule \"{}\", or {another}", then.schedule.kind.name());
        }
        ScheduleKind::OneCycle(_) => {
            return format!(
                "it spreads over all steps of a run, so that a finished cycle has no more; {another}"
            );
        }
        ScheduleKind::Cosine(config) if config.t_max == 0 => "t_max",
        ScheduleKind::Linear(config) if config.total_iters == 0 => "total_iters",
        ScheduleKind::Polynomial(config) if config.total_iters == 0 => "total_iters",
        _ => return format!("leave the fields of [schedule] as they were, or {another}"),
    };
    let beyond = if field == "t_max" { " (the rate then rises again)" } else { " (the rate then stays)" };
    format!(
        "it spreads over all steps; --set schedule.{field}={length} leaves it as it was{beyond}, or {another}"
    )
}

/// Fails unless the steps that are done had the probabilities of both configurations.
fn sampling_is_kept(
    name: &str,
    [before, after]: [&SamplingSchedule; 2],
    [old, new]: [u64; 2],
    done: u64,
) -> Result<(), String> {
    let differs = |after: &SamplingSchedule| {
        let bits = |schedule: &SamplingSchedule, step, steps| schedule.probability(step, steps).to_bits();
        (0..done).find(|&step| bits(before, step, old) != bits(after, step, new))
    };
    let Some(step) = differs(after) else { return Ok(()) };
    // The same number of steps as a share of more; the neighbours of the quotient may be it and the quotient not.
    let share = before.until * old as f64 / new as f64;
    let kept = [share, share.next_up(), share.next_down()]
        .into_iter()
        .find(|&until| differs(&SamplingSchedule { until, ..*before }).is_none());
    let advice = match kept {
        Some(until) => format!("--set training.{name}.until={until} leaves it as it was"),
        None => "choose another number of steps, such as a multiple of the old one".to_owned(),
    };
    Err(format!(
        "training.{name} ends at a share of all steps: it was {} at step {} and would have been {}; {advice}, or begin a run of \
         its own that goes on from these weights with --init-from RUN",
        before.probability(step, old),
        step + 1,
        after.probability(step, new)
    ))
}
