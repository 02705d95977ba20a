//! Configurations that earlier versions of the program wrote into checkpoints, weights and folders of runs.
//!
//! They had the fields of every source of data and kind of optimiser, schedule and loss side by side, and the fields of other kinds had their
//! defaults.

use toml::{Table, Value};

/// A configuration as it is written today. A text that no earlier version wrote is returned as it is.
pub(super) fn in_todays_form(text: &str) -> String {
    let Ok(mut table) = text.parse::<Table>() else { return text.to_owned() };
    let has_all_sources =
        table.get_mut("data").and_then(Value::as_table_mut).is_some_and(keep_fields_of_the_source);
    let has_all_schedules = is_of_earlier_version(&table);
    match (has_all_sources, has_all_schedules) {
        (_, true) => convert(table).to_string(),
        (true, false) => table.to_string(),
        (false, false) => text.to_owned(),
    }
}

/// Removes the fields of other sources from a section `[data]` that has the fields of all sources; false for any other section, which is
/// left as it is.
fn keep_fields_of_the_source(data: &mut Table) -> bool {
    const OF_DIGITS: [&str; 5] = ["digits", "size", "digit_size", "min_speed", "max_speed"];
    let mut of_all = OF_DIGITS.into_iter().chain(["source", "radar", "frames"]);
    if !of_all.all(|field| data.contains_key(field)) {
        return false;
    }
    let source = data.get("source").and_then(Value::as_str).unwrap_or_default().to_owned();
    data.retain(|field, _| match field {
        "radar" | "frames" => field == source,
        field if OF_DIGITS.contains(&field) => ["strokes", "mnist"].contains(&source.as_str()),
        _ => true,
    });
    true
}

/// Earlier versions wrote a section for each kind of schedule.
fn is_of_earlier_version(table: &Table) -> bool {
    let schedule = table.get("schedule").and_then(Value::as_table);
    schedule.is_some_and(|schedule| schedule.get("cosine_restarts").is_some_and(Value::is_table))
}

fn convert(mut table: Table) -> Table {
    if let Some(Value::Table(optimizer)) = table.get_mut("optimizer") {
        keep_fields_of_the_kind(optimizer);
    }
    if let Some(Value::Table(schedule)) = table.get_mut("schedule") {
        *schedule = schedule_of_the_kind(std::mem::take(schedule));
    }
    if let Some(Value::Table(training)) = table.get_mut("training") {
        for section in ["teacher_forcing", "reverse_sampling"] {
            let Some(Value::Table(sampling)) = training.get_mut(section) else { continue };
            if sampling.get("decay").is_none_or(|decay| decay.as_str() == Some("linear")) {
                sampling.remove("k");
            }
        }
        let mut section = |name| match training.remove(name) {
            Some(Value::Table(section)) => section,
            _ => Table::new(),
        };
        let (constants, rain) = (section("loss_constants"), section("rain"));
        if let Some(loss) = training.get_mut("loss") {
            *loss = with_constants(loss.clone(), &constants, &rain);
        }
    }
    table
}

fn keep_fields_of_the_kind(optimizer: &mut Table) {
    let of_kind: &[&str] = match optimizer.get("kind").and_then(Value::as_str) {
        Some("sgd") => &["momentum", "dampening", "nesterov"],
        Some("rmsprop") => &["alpha", "epsilon", "momentum", "centered"],
        _ => &["beta1", "beta2", "epsilon", "amsgrad"],
    };
    let shared = ["kind", "learning_rate", "weight_decay"];
    optimizer.retain(|field, _| shared.contains(&field) || of_kind.contains(&field));
}

/// The fields beside `kind` belonged to the one cycle; each other kind had a section.
fn schedule_of_the_kind(mut schedule: Table) -> Table {
    let kind = schedule.get("kind").and_then(Value::as_str).unwrap_or("one-cycle").to_owned();
    let mut kept = match kind.as_str() {
        "one-cycle" => {
            let mut fields = schedule.clone();
            fields.retain(|_, value| !value.is_table());
            fields
        }
        kind => match schedule.remove(&kind.replace('-', "_")) {
            Some(Value::Table(fields)) => fields,
            _ => Table::new(),
        },
    };
    kept.insert("kind".to_owned(), Value::from(kind));
    kept.extend(schedule.remove("warmup").map(|warmup| ("warmup".to_owned(), warmup)));
    kept
}

/// Losses with their constants, which stood in sections of their own.
fn with_constants(loss: Value, constants: &Table, rain: &Table) -> Value {
    match loss {
        Value::String(kind) => {
            let mut term = Table::new();
            term.insert("kind".to_owned(), Value::from(kind));
            with_constants(Value::Table(term), constants, rain)
        }
        Value::Array(terms) => {
            terms.into_iter().map(|term| with_constants(term, constants, rain)).collect::<Vec<_>>().into()
        }
        Value::Table(mut term) => {
            let (field, constant) = match term.get("kind").and_then(Value::as_str) {
                Some("huber") => ("delta", "delta"),
                Some("smooth-l1") => ("beta", "beta"),
                Some("bce-with-logits") => ("pos_weight", "pos_weight"),
                Some("gradient-difference") => ("alpha", "alpha"),
                Some("ssim") => ("window", "ssim_window"),
                Some("crps") => ("spread", "crps_spread"),
                Some("balanced-mse" | "balanced-mae") => {
                    term.insert("rain".to_owned(), Value::Table(rain.clone()));
                    return Value::Table(term);
                }
                _ => return Value::Table(term),
            };
            term.extend(constants.get(constant).map(|value| (field.to_owned(), value.clone())));
            Value::Table(term)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
