//! Sections whose fields depend on one of them, as the fields of `[optimizer]` depend on `kind`.

use convgru_model::ForecasterConfig;
use toml::{Table, Value};

use super::suggest::{field, join, nearest, paths};
use super::{RunConfig, SamplingDecay};
use crate::dataset::SourceKind;
use crate::optimizer::OptimizerKind;
use crate::schedule::ScheduleKind;

/// A section whose fields depend on its kind.
struct TaggedSection {
    /// The dotted path.
    path: &'static str,
    /// The field with the name of the kind.
    tag: &'static str,
    /// The names of all kinds.
    kinds: &'static [&'static str],
    /// Fields of several kinds, which keep their values where one of these takes the place of another; with spaces between.
    shared: &'static str,
}

const SECTIONS: [TaggedSection; 6] = [
    TaggedSection::new(
        "data",
        "source",
        &SourceKind::NAMES,
        "digits size digit_size min_speed max_speed input_frames output_frames train_sequences validation_sequences \
         test_sequences on_corrupt memory_mib prefetch mask_channel",
    ),
    TaggedSection::new("model", "kind", &ForecasterConfig::KINDS, ""),
    TaggedSection::new("optimizer", "kind", &OptimizerKind::NAMES, "learning_rate weight_decay"),
    TaggedSection::new("schedule", "kind", &ScheduleKind::NAMES, "warmup"),
    TaggedSection::new("training.teacher_forcing", "decay", &SamplingDecay::NAMES, "start end until"),
    TaggedSection::new("training.reverse_sampling", "decay", &SamplingDecay::NAMES, "start end until"),
];

impl TaggedSection {
    const fn new(
        path: &'static str,
        tag: &'static str,
        kinds: &'static [&'static str],
        shared: &'static str,
    ) -> Self {
        Self { path, tag, kinds, shared }
    }

    /// The kind that an overlay names, or chooses by a section.
    fn kind_in<'a>(&self, overlay: &'a Table) -> Option<&'a str> {
        let overlay = section(overlay, self.path)?;
        let named = overlay.get(self.tag).and_then(Value::as_str);
        let by_section =
            || self.kinds.iter().copied().find(|kind| overlay.get(*kind).is_some_and(Value::is_table));
        // Sources of data have sections of their names.
        named.or_else(|| (self.path == "data").then(by_section).flatten())
    }

    /// The dotted path of the field with the name of the kind, such as `optimizer.kind`.
    fn tag_path(&self) -> String {
        join(self.path, self.tag)
    }

    /// Whether a dotted path lies in the section.
    fn holds(&self, path: &str) -> bool {
        path.strip_prefix(self.path).is_some_and(|rest| rest.starts_with('.'))
    }

    /// The dotted paths of the fields of a kind.
    fn fields_of(&self, kind: &str) -> Vec<String> {
        let section = self.of_kind(kind).unwrap_or_default();
        paths(&section).iter().map(|field| join(self.path, field)).collect()
    }

    /// The kinds that have a field; none where it lies in another section.
    fn kinds_with(&self, path: &str) -> Vec<&'static str> {
        let has_field =
            |kind: &&str| self.holds(path) && self.fields_of(kind).iter().any(|field| field == path);
        self.kinds.iter().filter(|kind| has_field(kind)).copied().collect()
    }

    /// The section of a kind with the defaults of its fields.
    fn of_kind(&self, kind: &str) -> Option<Table> {
        let text = format!("[{}]\n{} = {}", self.path, self.tag, Value::from(kind));
        let config: RunConfig = self.kinds.contains(&kind).then(|| toml::from_str(&text).ok())??;
        section(&RunConfig::table_of(&config), self.path).cloned()
    }
}

/// The section at a dotted path.
fn section<'a>(table: &'a Table, path: &str) -> Option<&'a Table> {
    field(table, path)?.as_table()
}

fn section_mut<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Table> {
    path.split('.').try_fold(table, |table, name| table.get_mut(name)?.as_table_mut())
}

/// A configuration with the kinds that `overlay` names: a section of another kind has its defaults, but for the fields that
/// the two share.
pub(super) fn of_kinds_in(overlay: &Table, mut config: Table) -> Table {
    for tagged in &SECTIONS {
        let Some(kind) = tagged.kind_in(overlay) else { continue };
        let Some(present) = section_mut(&mut config, tagged.path) else { continue };
        if present.get(tagged.tag).and_then(Value::as_str) == Some(kind) {
            continue;
        }
        // What is no kind is refused when the field is read.
        let Some(mut of_kind) = tagged.of_kind(kind) else { continue };
        for field in tagged.shared.split_whitespace() {
            if let (Some(value), Some(kept)) = (of_kind.get_mut(field), present.remove(field)) {
                *value = kept;
            }
        }
        *present = of_kind;
    }
    config
}

/// The kind of data source that a table chooses.
pub(super) fn source_in(table: &Table) -> Option<SourceKind> {
    let tagged = SECTIONS.iter().find(|tagged| tagged.path == "data")?;
    let named = tagged.kind_in(table)?;
    SourceKind::ALL.into_iter().find(|kind| kind.name() == named)
}

/// What to say about a kind in an overlay that there is not.
pub(super) fn unknown_kind(overlay: &Table) -> Option<String> {
    SECTIONS.iter().find_map(|tagged| {
        let kind = tagged.kind_in(overlay).filter(|kind| !tagged.kinds.contains(kind))?;
        Some(format!("there is no {} `{kind}`; there are {}", tagged.tag_path(), tagged.kinds.join(", ")))
    })
}

/// The field whose value decides whether there is a field at `path`, such as `optimizer.kind` of `optimizer.momentum`.
pub(crate) fn tag_of(path: &str) -> Option<String> {
    SECTIONS.iter().find(|tagged| tagged.holds(path)).map(TaggedSection::tag_path)
}

/// The values of [`tag_of`] a field with which there is that field.
pub(crate) fn kinds_with(path: &str) -> Vec<&'static str> {
    SECTIONS.iter().flat_map(|tagged| tagged.kinds_with(path)).collect()
}

/// What to say about a field, or a section with the fields `below`, that a configuration does not have: whose it is, or the nearest one
/// that there is, or the fields beside it.
pub(super) fn unknown(path: &str, below: &[String], config: &Table) -> String {
    let mut known = paths(config);
    for tagged in &SECTIONS {
        let owners = tagged.kinds_with(path);
        let present = section(config, tagged.path).and_then(|section| section.get(tagged.tag)?.as_str());
        if let (false, Some(present)) = (owners.is_empty(), present) {
            let (tag, owners) = (tagged.tag_path(), owners.join(", "));
            return format!(
                "there is no field `{path}` where {tag} is \"{present}\"; it belongs to {owners}"
            );
        }
        known.extend(tagged.kinds.iter().flat_map(|kind| tagged.fields_of(kind)));
    }
    // A field that lies too deep, as schedule.cosine.eta_min.
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let lifted = below.iter().find_map(|field| {
        let near = join(parent, field.rsplit('.').next()?);
        known.contains(&near).then_some((field.as_str(), near))
    });
    match lifted.or_else(|| Some((path, nearest(path, &known)?.to_owned()))) {
        Some((unknown, near)) => {
            let owners = if field(config, &near).is_some() { Vec::new() } else { kinds_with(&near) };
            let of = match (tag_of(&near), &owners[..]) {
                (Some(tag), [_, ..]) => format!(" (of {tag} {})", owners.join(", ")),
                _ => String::new(),
            };
            format!("there is no field `{unknown}`; the nearest is `{near}`{of}")
        }
        None => {
            let beside = if parent.is_empty() { Some(config) } else { section(config, parent) };
            let names: Vec<&str> = beside.into_iter().flat_map(Table::keys).map(String::as_str).collect();
            let of = if parent.is_empty() { "a configuration has" } else { "its section has" };
            format!("there is no field `{path}`; {of} {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_every_section_is_read_and_written_by_its_name() {
        for tagged in &SECTIONS {
            for kind in tagged.kinds {
                let of_kind = tagged.of_kind(kind).unwrap_or_else(|| panic!("{} {kind}", tagged.path));
                assert_eq!(of_kind[tagged.tag].as_str(), Some(*kind), "{}", tagged.path);
            }
            let all: Vec<_> = tagged.kinds.iter().filter_map(|kind| tagged.of_kind(kind)).collect();
            let is_shared = |field| all.iter().filter(|of_kind| of_kind.contains_key(field)).count() > 1;
            assert!(tagged.shared.split_whitespace().all(is_shared), "{}", tagged.path);
        }
    }

    #[test]
    fn another_kind_keeps_what_all_kinds_share_and_nothing_else() {
        let config =
            RunConfig::default().with_all(&["optimizer.learning_rate=0.5", "optimizer.epsilon=1e-4"]);
        let sgd = config.unwrap().with("optimizer.kind=sgd").unwrap();
        assert_eq!(sgd.optimizer.learning_rate, 0.5);
        assert_eq!(sgd.optimizer.kind.name(), "sgd");
        let adam = sgd.with("optimizer.kind=adam").unwrap();
        assert_eq!(adam.optimizer.kind, OptimizerKind::default());
    }

    #[test]
    fn fields_of_another_kind_are_named_with_the_kinds_that_have_them() {
        let config = RunConfig::table_of(&RunConfig::default());
        for (path, words) in [
            ("optimizer.momentum", &["where optimizer.kind is \"adam\"", "sgd, rmsprop"][..]),
            ("schedule.gamma", &["one-cycle", "step, multi-step, exponential"]),
            ("training.teacher_forcing.k", &["linear", "exponential, inverse-sigmoid"]),
            ("model.scales", &["pyramid"]),
            ("optimizer.momentun", &["nearest is `optimizer.momentum` (of optimizer.kind sgd, rmsprop)"]),
        ] {
            let error = unknown(path, &[], &config);
            assert!(words.iter().all(|word| error.contains(word)), "{path}: {error}");
        }
    }
}
