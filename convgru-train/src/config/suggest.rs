//! The fields of a configuration as dotted paths, and the one nearest to a
//! name that is none of them.

use toml::{Table, Value};

/// The dotted paths of all fields and sections, such as `training` and
/// `training.steps`.
pub(super) fn paths(table: &Table) -> Vec<String> {
    let mut paths = Vec::new();
    collect(table, "", &mut paths);
    paths
}

fn collect(table: &Table, prefix: &str, paths: &mut Vec<String>) {
    for (key, value) in table {
        let path = join(prefix, key);
        if let Value::Table(inner) = value {
            collect(inner, &path, paths);
        }
        paths.push(path);
    }
}

/// The value at a dotted path.
pub(super) fn field<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => field(table.get(section)?.as_table()?, rest),
    }
}

/// `prefix.key`, or `key` at the top.
pub(super) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

/// The known path nearest to `unknown`, if any is near. A path whose last name is right, or nearly, is near even if the section is
/// wrong or absent, and so is one whose last name begins the other, as `loss` begins `loss_constants`.
pub(super) fn nearest<'a>(unknown: &str, known: &'a [String]) -> Option<&'a str> {
    let distance_of_names = |path: &str| {
        let (own, other) = (last_name(unknown), last_name(path));
        let is_longer = own.strip_prefix(other).is_some_and(|rest| rest.starts_with('_'));
        if is_longer { 1 } else { strsim::damerau_levenshtein(own, other) }
    };
    let distance = |path: &str| {
        let whole = strsim::damerau_levenshtein(unknown, path);
        (whole.min(distance_of_names(path) + 1), whole)
    };
    let most = 2.max(last_name(unknown).chars().count() / 2);
    let near = known.iter().map(|path| (distance(path), path)).min_by_key(|(distance, _)| *distance);
    let near = near.filter(|((distance, _), _)| *distance <= most).map(|(_, path)| path.as_str());
    // The only one of the section whose last name ends with the word, as `clip_norm` ends with `norm`.
    let section = |path: &str| path.split('.').next().map(str::to_owned);
    let has_word = |path: &&String| {
        section(path) == section(unknown) && last_name(path).rsplit('_').next() == Some(last_name(unknown))
    };
    near.or_else(|| {
        let mut having = known.iter().filter(has_word);
        let first = having.next()?;
        having.all(|other| other == first).then_some(first.as_str())
    })
}

fn last_name(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        paths(&toml::from_str("name = 'x'\n[training]\nsteps = 1\nseed = 1\n[data]\nbatch_size = 1").unwrap())
    }

    #[test]
    fn paths_hold_fields_and_sections() {
        let mut paths = known();
        paths.sort();
        assert_eq!(paths, ["data", "data.batch_size", "name", "training", "training.seed", "training.steps"]);
    }

    #[test]
    fn the_nearest_is_found_without_and_with_a_wrong_section() {
        for (unknown, expected) in [
            ("training.stepz", "training.steps"),
            ("steps", "training.steps"),
            ("data.seed", "training.seed"),
            ("trainning", "training"),
            ("nmae", "name"),
            ("training.steps_of_a_run", "training.steps"),
            ("data.size", "data.batch_size"),
        ] {
            assert_eq!(nearest(unknown, &known()), Some(expected), "{unknown}");
        }
        assert_eq!(nearest("training.rain", &known()), None);
    }
}
