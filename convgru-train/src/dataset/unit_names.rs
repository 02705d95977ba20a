//! Whether two texts name one unit.

/// Whether two units are the same, however they are written: `mm/h`, `mm h-1`, `mm h^-1` and `mm hr**-1` are one, and so are `dBZ` and `dbz`.
/// Units that measure the same in other steps, such as `m` and `mm`, are two.
pub(crate) fn are_same(one: &str, other: &str) -> bool {
    factors(one) == factors(other)
}

/// The factors of a unit with their exponents, in an order of their own.
fn factors(unit: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (place, part) in unit.split('/').enumerate() {
        for factor in part.split([' ', '.', '*', '\u{b7}']).filter(|factor| !factor.is_empty()) {
            found.push(exponent(factor, place > 0));
        }
        // The two stars of an exponent leave it without its base.
        found = joined(found);
    }
    found.sort();
    found
}

/// A factor and its exponent, which is negative below a line.
fn exponent(factor: &str, is_below: bool) -> (String, String) {
    let at = factor.find(|c: char| c.is_ascii_digit() || matches!(c, '^' | '-' | '+'));
    let (name, power) = factor.split_at(at.unwrap_or(factor.len()));
    let power = power.trim_start_matches(['^', '+']);
    let power = if power.is_empty() { "1" } else { power };
    let power = match (is_below, power.strip_prefix('-')) {
        (false, _) => power.to_owned(),
        (true, Some(power)) => power.to_owned(),
        (true, None) => format!("-{power}"),
    };
    (common(name), power)
}

/// Exponents that stand alone, with the factor before them.
fn joined(factors: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, power) in factors {
        match kept.last_mut() {
            Some(last) if name.is_empty() => last.1 = power,
            _ => kept.push((name, power)),
        }
    }
    kept
}

/// One of several names of a unit.
fn common(name: &str) -> String {
    let small = name.to_ascii_lowercase();
    let one = match small.as_str() {
        "hr" | "hrs" | "hour" | "hours" => "h",
        "sec" | "secs" | "second" | "seconds" => "s",
        "minute" | "minutes" | "mins" => "min",
        "day" | "days" => "d",
        "dbz" => "dBZ",
        "millimeter" | "millimeters" | "millimetre" | "millimetres" => "mm",
        "kelvin" | "kelvins" | "degk" | "deg_k" => "K",
        "degc" | "deg_c" | "celsius" | "degree_celsius" | "degrees_celsius" | "degree_c" | "degrees_c" => {
            "degC"
        }
        "percent" => "%",
        "meter" | "meters" | "metre" | "metres" => "m",
        _ => name,
    };
    one.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_many_names() {
        for same in [
            &[
                "mm/h",
                "mm h-1",
                "mm h^-1",
                "mm hr-1",
                "mm/hr",
                "mm hour-1",
                "mm h**-1",
                "mm.h-1",
                " mm  h-1 ",
            ][..],
            &["dBZ", "dbz", "DBZ"],
            &["K", "kelvin"],
            &["degC", "celsius", "degrees_Celsius"],
            &["kg m-2 s-1", "kg/m2/s", "kg m^-2 s^-1", "s-1 kg m**-2"],
            &["", " "],
            &["%", "percent"],
        ] {
            assert!(same.iter().all(|unit| are_same(unit, same[0])), "{same:?}");
        }
    }

    #[test]
    fn other_units_stay_apart() {
        let others = [
            "mm/h",
            "mm",
            "m/h",
            "mm/d",
            "mm h",
            "dBZ",
            "dB",
            "K",
            "degC",
            "",
            "1",
            "kg m-2 s-1",
            "Mm/h",
            "in/h",
        ];
        for (at, one) in others.iter().enumerate() {
            assert!(others[..at].iter().all(|other| !are_same(one, other)), "{one}");
        }
    }
}
