//! Composites that the library of the HDF Group wrote, whole and damaged.

use super::*;
use crate::dataset::fixtures::budget;
use crate::dataset::gridded::tests::{damage, written};

/// The rain rates of a file.
fn rates(name: &str, config: &RadarConfig) -> Field {
    let path = written(name);
    let (model, _) = seen(&path, &budget()).unwrap().unwrap();
    field(&path, model, config, &budget()).unwrap().0
}

fn refusal(name: &str) -> String {
    let path = written(name);
    let (model, _) = seen(&path, &budget()).unwrap().unwrap();
    field(&path, model, &RadarConfig::default(), &budget()).map(|(field, _)| field).unwrap_err().to_string()
}

#[test]
fn times_are_those_of_the_metadata() {
    for (name, model, time) in [
        ("odim/composite00.h5", Model::Odim, "2018-06-07 12:00"),
        ("odim/composite09.h5", Model::Odim, "2018-06-07 13:05"),
        ("odim_sum.h5", Model::Odim, "2018-06-07 12:30"),
        ("knmi/reflectivity4.h5", Model::Knmi, "2018-06-07 12:25"),
        ("knmi_sum.h5", Model::Knmi, "2018-06-07 12:00"),
    ] {
        let (found, moment) = seen(&written(name), &budget()).unwrap().unwrap();
        assert_eq!((found, moment.to_string().as_str()), (model, time), "{name}");
    }
    for name in ["types_old.h5", "packed.nc"] {
        assert!(seen(&written(name), &budget()).unwrap().is_none(), "{name}");
        assert!(!is_composite(&written(name), &budget()).unwrap(), "{name}");
    }
}

#[test]
fn reflectivities_become_rain_rates() {
    let config = RadarConfig::default();
    let relation = config.reflectivity();
    // Images 1 to 3 of ODIM and of KNMI hold the same numbers, with the oldest and the newest form of the format.
    for (folder, count) in [("odim/composite0", 8), ("knmi/reflectivity", 5)] {
        for time in 0..count {
            let field = rates(&format!("{folder}{time}.h5"), &config);
            assert_eq!((field.height, field.width), (12, 10));
            for (pixel, &rate) in field.rates.iter().enumerate() {
                let level = 104.0 + ((time * 7 + pixel) % 50) as f64;
                match (pixel / 10, pixel % 10) {
                    (_, 0) => assert!(rate.is_nan(), "{folder}{time} {pixel}: {rate}"),
                    (0, _) => assert_eq!(rate, 0.0, "{folder}{time} {pixel}"),
                    _ => assert_eq!(rate, relation.rate(0.5 * level - 32.0) as f32, "{folder}{time} {pixel}"),
                }
            }
        }
    }
}

#[test]
fn rates_and_sums_become_rain_rates() {
    let config = RadarConfig::default();
    let is = |name: &str, expected: [f32; 6]| {
        let field = rates(name, &config);
        assert_eq!((field.height, field.width), (2, 3), "{name}");
        for (&rate, expected) in field.rates.iter().zip(expected) {
            let near = (rate - expected).abs() <= 1e-5 * expected;
            assert!(near || rate.is_nan() && expected.is_nan(), "{name}: {:?}", field.rates);
        }
    };
    let nan = f32::NAN;
    is("odim_rate.h5", [0.25, 1.5, nan, 0.0, 100.0, 0.0]);
    // Hundredths of mm in a quarter of an hour.
    is("odim_sum.h5", [0.0, 0.04, 0.4, nan, 2621.36, 16.0]);
    // Hundredths of mm in five minutes, and in an hour.
    is("knmi_sum.h5", [0.0, 0.12, 12.0, nan, nan, 6.0]);
    is("knmi_hour.h5", [0.0, 0.01, 1.0, nan, nan, 0.5]);
}

#[test]
fn what_is_no_rain_is_refused_by_its_name() {
    let error = refusal("odim_height.h5");
    assert!(error.contains("/dataset1/data1 \"HGHT\"") && error.contains("DBZH"), "{error}");
    let error = refusal("odim_volume.h5");
    assert!(error.contains("\"PVOL\"") && error.contains("COMP"), "{error}");
    let error = refusal("knmi_tops.h5");
    assert!(error.contains("ECHOTOP_[KM]"), "{error}");
}

#[test]
fn no_damage_is_a_panic() {
    for name in ["odim/composite00.h5", "odim/composite01.h5", "knmi/reflectivity0.h5", "knmi_sum.h5"] {
        damage(name, 23, |path| {
            if let Ok(Some((model, _))) = seen(path, &budget()) {
                let _ = field(path, model, &RadarConfig::default(), &budget());
            }
        });
    }
}
