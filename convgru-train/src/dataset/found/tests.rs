use std::path::Path;

use super::*;

fn found(numbers: &str, range: [f64; 2], unit: &str) -> FoundData {
    FoundData {
        numbers: numbers.into(),
        range,
        full_scale: false,
        unit: unit.into(),
        unit_in_files: unit.into(),
        ..FoundData::default()
    }
}

/// The reason why data cannot be read for a training; empty where they can.
fn refusal(training: &FoundData, own: &FoundData) -> String {
    training.expect(own, Path::new("a.nc")).err().map_or(String::new(), |error| error.to_string())
}

#[test]
fn a_record_survives_toml_and_has_limits_that_name_its_fields() {
    let record = FoundData { minutes_per_step: 5.0, frame: [1, 2, 3], ..found("uint8", [0.0, 255.0], "dBZ") };
    let text = toml::to_string(&record).unwrap();
    assert_eq!(toml::from_str::<FoundData>(&text).unwrap(), record);
    record.validate().unwrap();
    for (wrong, field) in [
        (FoundData { range: [1.0, 1.0], ..record.clone() }, "data.found.range"),
        (FoundData { range: [0.0, f64::INFINITY], ..record.clone() }, "data.found.range"),
        (FoundData { minutes_per_step: f64::NAN, ..record.clone() }, "data.found.minutes_per_step"),
        (FoundData { spacing: -1.0, ..record.clone() }, "data.found.spacing"),
    ] {
        let error = wrong.validate().unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn units_are_compared_and_both_are_named() {
    let rain = found("float32", [0.0, 100.0], "mm/h");
    assert_eq!(refusal(&rain, &FoundData { unit: "mm h-1".into(), ..rain.clone() }), "");
    let other = found("float32", [0.0, 100.0], "dBZ");
    let reason = refusal(&rain, &other);
    assert!(
        ["a.nc", "\"dBZ\"", "\"mm/h\"", "0 to 100", "--unit"].iter().all(|word| reason.contains(word)),
        "{reason}"
    );
    // The files of the training told another unit than its configuration, and these tell that too.
    let renamed = FoundData { unit: "mm/h".into(), ..other.clone() };
    assert_eq!(refusal(&renamed, &other), "");
    assert!(!refusal(&renamed, &found("float32", [0.0, 100.0], "K")).is_empty());
}

#[test]
fn types_are_compared_with_the_range() {
    let cold = found("int16", [-20.0, 60.0], "");
    for (numbers, fits) in [
        ("int16", true),
        ("int8", true),
        ("int64", true),
        ("float32", true),
        ("float64", true),
        ("scaled", true),
        ("uint8", false),
        ("uint16", false),
        ("bool", false),
        ("pictures", false),
    ] {
        let own = found(numbers, [-20.0, 60.0], "");
        assert_eq!(refusal(&cold, &own).is_empty(), fits, "{numbers}: {}", refusal(&cold, &own));
        // A range that a user names is that of the numbers, whatever their type is.
        let named = cold.clone().with_named_range();
        assert_eq!(refusal(&named, &found(numbers, [0.0, 255.0], "")), "", "{numbers}");
    }
    // A file that tells the unit has such numbers.
    assert_eq!(refusal(&found("float32", [-20.0, 60.0], "K"), &found("uint8", [-20.0, 60.0], "K")), "");
}

#[test]
fn pictures_are_numbers_of_a_type_whose_range_is_that_of_the_training() {
    let fits = |training: &str, range, own: &str| {
        refusal(&found(training, range, ""), &found(own, range, "")).is_empty()
    };
    let (byte, word) = ([0.0, 255.0], [0.0, 65535.0]);
    assert!(fits("uint8", byte, "pictures") && fits("pictures", byte, "uint8"));
    assert!(fits("uint16", word, "pictures") && fits("pictures", word, "uint16"));
    assert!(fits("int16, uint8", byte, "pictures"));
    for (training, range, own) in [
        ("uint8", [0.0, 200.0], "pictures"),
        ("float32", byte, "pictures"),
        ("uint16", byte, "pictures"),
        ("pictures", [0.0, 100.0], "uint8"),
        ("pictures", byte, "uint16"),
        ("float32, pictures", [0.0, 100.0], "uint8"),
    ] {
        assert!(!fits(training, range, own), "{own} for {training} of {range:?}");
    }
    // Whatever kinds of numbers the splits of a training have, it reads them again.
    let arrays = found("float32", [0.0, 100.0], "");
    let all =
        arrays.clone().with_splits([&found("uint8", [0.0, 100.0], ""), &found("pictures", [0.0, 100.0], "")]);
    assert_eq!(all.numbers, "float32, pictures, uint8");
    for own in ["float32", "pictures", "uint8"] {
        assert_eq!(refusal(&all, &found(own, [0.0, 100.0], "")), "");
    }
    assert_eq!(refusal(&found("several types", byte, ""), &found("pictures", byte, "")), "");
    // Shares of the full scale are those of any type, and keep the range of the training.
    let shares = FoundData { full_scale: true, ..found("uint8", byte, "") };
    assert_eq!(shares.clone().with_splits([&FoundData::default()]), shares);
}

#[test]
fn a_named_range_changes_no_numbers_of_the_unit() {
    let rain = found("float32", [0.0, 100.0], "mm/h").with_named_range();
    let reason = refusal(&rain, &found("float32", [0.0, 150.0], "mm h-1"));
    assert!(
        ["\"mm h-1\"", "0 to 100", "0 to 150", "leave --range out"].iter().all(|word| reason.contains(word)),
        "{reason}"
    );
    // The range of the training changes nothing, and numbers without a unit may be any.
    assert_eq!(refusal(&rain, &found("float32", [0.0, 100.0], "mm/h")), "");
    assert_eq!(refusal(&rain, &found("uint8", [0.0, 255.0], "")), "");
    // The user names the unit of a file that tells another one, as the training did.
    let renamed = FoundData { unit: "mm/h".into(), ..found("float32", [0.0, 100.0], "dBZ") };
    let own = FoundData { range: [0.0, 150.0], ..renamed.clone() };
    assert!(refusal(&renamed.with_named_range(), &own).contains("leave --range out"));
}

#[test]
fn radar_images_are_rain_rates() {
    let radar = FoundData::of_radar(&RadarConfig::default(), 5.0);
    assert_eq!(refusal(&radar, &radar), "");
    for other in [FoundData::default(), found("float32", [0.0, 100.0], "K"), found("float32", [0.0, 1.0], "")]
    {
        let reason = refusal(&other, &radar);
        assert!(reason.contains("radar images") && reason.contains("mm/h"), "{reason}");
    }
    let rates = found("float32", radar.range, "mm h-1");
    assert_eq!(refusal(&rates, &radar), "");
}

#[test]
fn floating_point_numbers_for_a_training_on_bytes_are_doubted() {
    let full = |numbers: &str, range| FoundData { numbers: numbers.into(), range, ..FoundData::default() };
    let bytes = FoundData { full_scale: true, ..full("uint8", [0.0, 255.0]) };
    let floats = FoundData { full_scale: true, ..full("float32", [0.0, 1.0]) };
    let doubts =
        |training: &FoundData, own: &FoundData| training.expect(own, Path::new("mask.npy")).unwrap().concat();
    let told = doubts(&bytes, &floats);
    assert!(
        told.contains("mask.npy") && told.contains("shares 0 to 1") && told.contains("--range 0,255"),
        "{told}"
    );
    assert_eq!(doubts(&bytes, &bytes), "");
    assert_eq!(doubts(&floats, &floats), "");
    assert_eq!(doubts(&bytes.clone().with_named_range(), &FoundData { full_scale: false, ..floats }), "");
}

#[test]
fn distances_in_time_are_compared_where_both_are_known() {
    let training = FoundData { minutes_per_step: 5.0, ..FoundData::default() };
    let refused = |own| training.expect_minutes(own, Path::new("a.nc")).is_err();
    assert!(!refused(0.0) && !refused(5.0) && !refused(5.05));
    assert!(refused(10.0) && refused(2.5) && refused(5.5));
    assert!(FoundData::default().expect_minutes(10.0, Path::new("a.nc")).is_ok());
}

#[test]
fn files_of_several_types_have_shares_of_the_full_scale_in_common() {
    let full = |numbers: &str, range| FoundData { numbers: numbers.into(), range, ..FoundData::default() };
    let bytes = full("uint8", [0.0, 255.0]);
    assert_eq!(FoundData::of_all([bytes.clone(), bytes.clone()]), bytes);
    assert_eq!(FoundData::of_all([bytes, full("uint16", [0.0, 65535.0])]), full("uint16, uint8", [0.0, 1.0]));
    let unit = [found("float32", [0.0, 100.0], "K"), found("float64", [0.0, 100.0], "K")];
    assert_eq!(FoundData::of_all(unit).range, [0.0, 100.0]);
}
