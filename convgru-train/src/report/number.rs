//! Numbers as people read them.

/// About four significant digits without an exponent where that is short:
/// `0.0123`, `1.234`, `56.78`, `901.2`, `34567`. Not a number is a dash.
pub(super) fn compact(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if value.is_nan() => "–".into(),
        _ if value.is_infinite() => if value > 0.0 { "∞" } else { "−∞" }.into(),
        0.0 => "0".into(),
        m if !(1e-3..1e7).contains(&m) => format!("{value:.2e}").replace('-', "−"),
        m => {
            let decimals = (3 - m.log10().floor() as i32).clamp(0, 4) as usize;
            format!("{value:.decimals$}").replace('-', "−")
        }
    }
}

/// An axis label for a multiple of `step`: as many decimals as the step needs.
pub(super) fn tick(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value.abs() < 1e-4 || value.abs() >= 1e6 {
        return trim_mantissa(&format!("{value:.1e}"));
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

/// `2.0e-5` as `2e−5`.
fn trim_mantissa(text: &str) -> String {
    text.replace(".0e", "e").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_enough() {
        for (value, expected) in [
            (0.0, "0"),
            (0.01234567, "0.0123"),
            (1.23456, "1.235"),
            (-56.7812, "−56.78"),
            (901.23, "901.2"),
            (34567.8, "34568"),
            (0.000012, "1.20e−5"),
            (2.5e9, "2.50e9"),
            (f64::INFINITY, "∞"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(compact(value), expected);
        }
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        assert_eq!(tick(0.30000000000000004, 0.1), "0.3");
        assert_eq!(tick(1500.0, 500.0), "1500");
        assert_eq!(tick(0.25, 0.05), "0.25");
        assert_eq!(tick(2e-5, 1e-5), "2e−5");
        assert_eq!(tick(2e6, 1e6), "2e6");
    }
}
