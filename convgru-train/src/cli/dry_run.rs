//! `convgru train --dry-run`: what a training would take, for people.

use convgru_train::config::RunConfig;
use convgru_train::interrupt::Interrupt;
use convgru_train::trainer::DryRun;

use super::output;

/// The share of the time of steps from which on waiting for data is reported.
const REPORTED_WAIT: f64 = 0.05;

/// Measures, and prints what was found as a table or a line of JSON.
pub(super) fn run(config: RunConfig, is_json: bool, interrupt: &Interrupt) -> anyhow::Result<()> {
    let name = config.name.clone();
    let lengths = [config.data.input_frames, config.data.output_frames];
    let dry = DryRun::measure(config, interrupt)?;
    dry.warnings.iter().for_each(|warning| output::warn(warning));
    if is_json {
        return output::json(&dry);
    }
    output::result(&table(&name, lengths, &dry))
}

/// What was found, a line each.
fn table(name: &str, [inputs, outputs]: [usize; 2], dry: &DryRun) -> String {
    let [channels, height, width] = dry.frame;
    let [train, validation, test] = dry.sequences;
    let mut lines = vec![("network", format!("{}, {} parameters", dry.network, dry.parameters))];
    lines.extend(dry.frozen.map(|[tensors, parameters]| {
        let tensors = output::counted(tensors, "tensor");
        (
            "frozen",
            format!("{tensors} of {parameters} parameters; {} are trained", dry.parameters - parameters),
        )
    }));
    lines.extend(dry.begun_with.iter().map(|weights| ("begins with", weights.clone())));
    lines.push(("data", dry.data.clone()));
    lines.push((
        "sequences",
        format!("{train} an epoch of training, {validation} of validation, {test} of the test; {} and {outputs} to predict",
            output::counted(inputs, "frame")
        ),
    ));
    lines.push(("frame", format!("{height} x {width} pixels, {}", output::counted(channels, "channel"))));
    let machine = dry.memory_of_machine.map(|bytes| format!(" of {} of this machine", mebibytes(bytes)));
    let peak = dry.peak_memory.map(|bytes| format!("; this process has had {}", mebibytes(bytes)));
    lines.push((
        "memory",
        format!("about {}{}{}", mebibytes(dry.memory), machine.unwrap_or_default(), peak.unwrap_or_default()),
    ));
    let waiting = match dry.data_wait {
        share if share > REPORTED_WAIT => format!(", {:.0} % waiting for data", 100.0 * share),
        _ => String::new(),
    };
    lines.push((
        "step",
        format!(
            "{:.1} ms, {:.1} sequences/s{waiting} (the median of {})",
            1e3 * dry.seconds_per_step,
            dry.batch_size as f64 / dry.seconds_per_step.max(1e-9),
            dry.measured_steps
        ),
    ));
    lines.push(("validation", format!("about {}", output::duration(dry.seconds_per_validation))));
    let validations = output::counted(dry.validations, "validation");
    lines.push((
        "whole run",
        format!(
            "about {} for {}, {validations} and the test",
            output::duration(dry.seconds),
            output::counted(dry.steps, "step")
        ),
    ));
    let lines: Vec<_> = lines.iter().map(|(what, value)| format!("{what:<12}{value}")).collect();
    format!("{name} was measured over a few steps; nothing was written\n\n{}", lines.join("\n"))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
