//! What the headers of files of rain say besides the unit: whether it goes with the unit and the time step.

use super::source::Content;
use super::unit_names::are_same;
use super::{FramesConfig, cadence};
use crate::printable::escaped;

/// Minutes of the units of time in cell methods.
const MINUTES: [(&str, f64); 4] = [("s", 1.0 / 60.0), ("min", 1.0), ("h", 60.0), ("d", 1440.0)];

/// Refuses amounts that are sums of numbers which lie further apart than frames do. `minutes` lie between frames, where that is known.
///
/// The CF conventions (section 7.3.3) give the distance of the numbers that were summed: `time: sum (interval: 1 hour)`. It may be shorter than a
/// step, such as a minute of sums of five.
///
/// # Errors
/// The end of a sentence about the file.
pub(super) fn expect_sums(
    content: &Content,
    config: &FramesConfig,
    minutes: Option<f64>,
) -> Result<(), String> {
    let unit = unit(content, config);
    let is_amount = ["mm", "kg m-2"].iter().any(|amount| are_same(unit, amount));
    match (interval(&content.cell_methods), minutes) {
        (Some(interval), Some(minutes))
            if is_amount && interval > minutes && !cadence::follows(interval, minutes) =>
        {
            Err(format!(
                "has amounts of rain (\"{}\") that are sums over {interval} minutes by its cell_methods \"{}\", but a frame every {minutes} minutes; \
                 give rain rates in mm/h, or correct the attribute",
                escaped(unit),
                escaped(&content.cell_methods)
            ))
        }
        _ => Ok(()),
    }
}

/// What to say about a standard name of a flux, which the CF standard names have in kg m-2 s-1, beside a depth in a time: the end of a sentence
/// about the file. Nothing where the configuration names the unit.
pub(super) fn doubt(content: &Content, config: &FramesConfig) -> Option<String> {
    let is_flux = content.standard_name.ends_with("_flux");
    (config.unit.is_empty() && is_flux && are_same(&content.unit, "mm/h")).then(|| {
        format!(
            "has the standard_name {}, which is for numbers in kg m-2 s-1, and the unit \"{}\", as which the numbers are read; say the right \
             one with data.frames.unit (--unit)",
            escaped(&content.standard_name),
            escaped(&content.unit)
        )
    })
}

fn unit<'a>(content: &'a Content, config: &'a FramesConfig) -> &'a str {
    if config.unit.is_empty() { &content.unit } else { &config.unit }
}

/// Minutes between the numbers that were summed over time.
fn interval(cell_methods: &str) -> Option<f64> {
    let (method, rest) = cell_methods.split_once("time:")?.1.split_once('(')?;
    let (_, interval) = rest.split_once(')')?.0.split_once("interval:")?;
    let mut words = interval.split_whitespace();
    let (number, unit): (f64, &str) = (words.next()?.parse().ok()?, words.next()?);
    let (_, minutes) = MINUTES.iter().find(|(name, _)| are_same(unit, name))?;
    (method.trim() == "sum").then_some(number * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(unit: &str, standard_name: &str, cell_methods: &str) -> Content {
        let [unit, standard_name, cell_methods] = [unit, standard_name, cell_methods].map(str::to_owned);
        Content { unit, standard_name, cell_methods, ..Content::default() }
    }

    #[test]
    fn sums_over_more_than_a_step_are_refused() {
        let config = FramesConfig::default();
        let sums =
            |unit: &str, methods: &str, minutes| expect_sums(&content(unit, "", methods), &config, minutes);
        for methods in [
            "time: sum (interval: 1 hour)",
            "area: mean time: sum (interval: 60 minutes comment: gauges)",
            "time: sum (interval: 3600 s)",
        ] {
            for unit in ["mm", "kg m-2"] {
                let error = sums(unit, methods, Some(5.0)).unwrap_err();
                assert!(error.contains("60 minutes") && error.contains("every 5 minutes"), "{error}");
            }
            assert_eq!(sums("mm", methods, Some(60.0)), Ok(()));
            assert_eq!(sums("mm/h", methods, Some(5.0)), Ok(()), "no amounts");
            assert_eq!(sums("mm", methods, None), Ok(()));
        }
        for methods in [
            "",
            "time: sum",
            "time: mean (interval: 1 hour)",
            "time: sum (interval: 1 minute)",
            "time: sum (interval: x",
        ] {
            assert_eq!(sums("mm", methods, Some(5.0)), Ok(()), "{methods}");
        }
        let named = FramesConfig { unit: "mm".into(), ..config.clone() };
        assert!(expect_sums(&content("", "", "time: sum (interval: 1 hour)"), &named, Some(5.0)).is_err());
    }

    #[test]
    fn a_flux_in_millimetres_an_hour_is_told() {
        let config = FramesConfig::default();
        let told = |unit: &str, name: &str| doubt(&content(unit, name, ""), &config);
        let text = told("mm h-1", "rainfall_flux").unwrap();
        assert!(text.contains("kg m-2 s-1") && text.contains("mm h-1"), "{text}");
        assert_eq!(told("kg m-2 s-1", "rainfall_flux"), None);
        assert_eq!(told("mm/h", "rainfall_rate"), None);
        let named = FramesConfig { unit: "mm/h".into(), ..config.clone() };
        assert_eq!(doubt(&content("mm/h", "rainfall_flux", ""), &named), None);
    }
}
