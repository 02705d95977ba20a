//! Fields that had another name once; files and checkpoints with the old one are read.

use toml::{Table, Value};

/// Section, old name and present name.
const RENAMED: [(&str, &str, &str); 3] = [
    ("schedule", "cycle_beta1", "cycle_momentum"),
    ("schedule", "base_beta1", "base_momentum"),
    ("schedule", "max_beta1", "max_momentum"),
];

/// The present dotted path of a field.
pub(super) fn present(path: &str) -> String {
    let found = RENAMED.iter().find(|(section, old, _)| path.split_once('.') == Some((section, old)));
    found.map_or_else(|| path.to_owned(), |(section, _, new)| format!("{section}.{new}"))
}

/// Gives fields of a file their present names.
pub(super) fn update(file: &mut Table) {
    for (section, old, new) in RENAMED {
        if let Some(Value::Table(section)) = file.get_mut(section)
            && let Some(value) = section.remove(old)
        {
            section.entry(new).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TrainingConfig;
    use super::*;

    #[test]
    fn old_names_mean_the_present_fields() {
        let old = "[schedule]\ncycle_beta1 = true\nbase_beta1 = 0.8\nmax_beta1 = 0.9";
        let config = TrainingConfig::from_toml(old).unwrap();
        assert!(config.schedule.cycle_momentum);
        assert_eq!((config.schedule.base_momentum, config.schedule.max_momentum), (0.8, 0.9));
        let set = TrainingConfig::default().with("schedule.base_beta1=0.5").unwrap();
        assert_eq!(set.schedule.base_momentum, 0.5);
        assert!(config.to_toml().contains("cycle_momentum = true"));
        assert_eq!(present("schedule.kind"), "schedule.kind");
    }

    #[test]
    fn every_present_name_is_a_field() {
        let fields = super::super::suggest::paths(&TrainingConfig::table_of(&TrainingConfig::default()));
        for (section, old, new) in RENAMED {
            assert!(fields.contains(&format!("{section}.{new}")), "{new}");
            assert!(!fields.contains(&format!("{section}.{old}")), "{old}");
        }
    }

    #[test]
    fn both_names_at_once_are_refused() {
        let error =
            TrainingConfig::from_toml("[schedule]\nbase_beta1 = 0.8\nbase_momentum = 0.7").unwrap_err();
        assert!(error.contains("base_momentum"), "{error}");
    }
}
