//! Names and coordinates of dimensions, and the axes that they tell.

use super::*;
use crate::dataset::Axes;

fn named(names: &[&str], shape: &[usize]) -> Result<String, String> {
    let dimension = |name: &&str| match *name {
        "" => None,
        name => {
            Some(Dimension { name: name.into(), other_names: Vec::new(), variable: None, coordinates: None })
        }
    };
    let dimensions: Vec<Option<Dimension>> = names.iter().map(dimension).collect();
    let letter = |axis: Axis| match axis {
        Axis::Sequence => 'n',
        Axis::Step => 't',
        Axis::Channel => 'c',
        Axis::Row => 'h',
        Axis::Column => 'w',
    };
    let usual =
        [Axis::Sequence, Axis::Step, Axis::Row, Axis::Column][4usize.saturating_sub(shape.len())..].to_vec();
    let mut orders = Axes::orders_of_shape(shape);
    if !orders.contains(&usual) {
        orders.push(usual.clone());
    }
    let axes = NamedAxes::of(&dimensions, shape).resolved(shape, &orders, || Ok(usual));
    axes.map(|axes| axes.into_iter().map(letter).collect())
}

fn expected(names: &[&str], shape: &[usize], axes: &str) -> Result<(), String> {
    let dimension = |name: &&str| Dimension {
        name: (*name).into(),
        other_names: Vec::new(),
        variable: None,
        coordinates: None,
    };
    let dimensions: Vec<Option<Dimension>> = names.iter().map(|name| Some(dimension(name))).collect();
    let axes = axes.parse::<Axes>().unwrap().of_shape(shape).unwrap();
    NamedAxes::of(&dimensions, shape).expect(shape, &axes)
}

#[test]
fn axes_that_names_contradict_are_refused() {
    for (names, shape, axes) in [
        (&["y", "x", "time"][..], &[8, 8, 4][..], "thw"),
        (&["member", "time", "y", "x"], &[3, 8, 4, 4], "nhwt"),
        (&["time", "x", "y"], &[8, 4, 4], "thw"),
        (&["lev", "time", "lat", "lon"], &[3, 8, 4, 4], "nthw"),
        // A name that tells something is enough.
        (&["phony_dim_0", "phony_dim_1", "time"], &[4, 4, 8], "thw"),
    ] {
        let error = expected(names, shape, axes).unwrap_err();
        for words in [axes, names[2], "data.frames.axes", "--axes auto", "rename"] {
            assert!(error.contains(words), "{error}");
        }
    }
    for (names, shape, axes) in [
        (&["time", "y", "x"][..], &[8, 4, 4][..], "thw"),
        (&["phony_dim_0", "phony_dim_1", "phony_dim_2"], &[4, 4, 8], "hwt"),
        // One place is the same whatever it is called.
        (&["time", "lev", "y", "x"], &[8, 1, 4, 4], "tnhw"),
        (&["time", "height_2m", "y", "x"], &[8, 1, 4, 4], "tnhw"),
        // Two times, of which the names do not tell which is which.
        (&["time", "valid_time", "y", "x"], &[3, 8, 4, 4], "nthw"),
        (&["day", "hour", "y", "x"], &[3, 8, 4, 4], "nthw"),
    ] {
        expected(names, shape, axes).unwrap();
    }
}

#[test]
fn names_tell_axes_in_any_order() {
    for (names, shape, found) in [
        (&["time", "y", "x"][..], &[8, 3, 4][..], Some("thw")),
        (&["lat", "lon", "time"], &[64, 64, 20], Some("hwt")),
        (&["Time", "Band", "Latitude", "Longitude"], &[8, 2, 3, 4], Some("tchw")),
        (&["time", "height_2m", "lat", "lon"], &[8, 1, 3, 4], Some("tchw")),
        (&["realization", "time", "y", "x"], &[5, 8, 3, 4], Some("nthw")),
        (&["time", "lead_time", "y", "x"], &[5, 8, 3, 4], Some("nthw")),
        (&["time", "channel", "crs", "y", "x"], &[5, 2, 1, 3, 4], Some("tcnhw")),
        (&["y", "x"], &[3, 4], Some("hw")),
        (&["time", "height", "width"], &[8, 3, 4], Some("thw")),
        (&["ny", "nx", "nt"], &[3, 4, 8], Some("hwt")),
        (&["y0", "x0", "time0"], &[3, 4, 8], Some("hwt")),
        (&["lats", "col", "Time"], &[3, 4, 8], Some("hwt")),
        (&["plev", "lat", "lon"], &[8, 3, 4], Some("chw")),
        (&["depth", "nlat", "nlon"], &[8, 3, 4], Some("chw")),
        // Names that tell nothing, or nothing that the shape does not.
        (&["phony_dim_0", "phony_dim_1", "phony_dim_2"], &[8, 3, 4], Some("thw")),
        (&["time", "", "x"], &[8, 3, 4], Some("thw")),
        (&["time", "south", "west"], &[8, 3, 5], Some("thw")),
        (&["time", "y"], &[8, 3, 4], Some("thw")),
        // Of the orders that the shape allows one that the names leave.
        (&["day", "lat", "lon"], &[8, 8, 3], Some("thw")),
        (&["lat", "lon", "day"], &[8, 8, 2], Some("hwt")),
        (&["event", "day", "lat", "lon"], &[2, 3, 8, 8], Some("nthw")),
        (&["variable", "time", "lat", "lon"], &[3, 5, 8, 8], Some("cthw")),
        (&["ens", "south", "day", "lon"], &[4, 9, 7, 4], None),
        (&["day", "event", "lat", "lon"], &[2, 3, 8, 8], Some("tnhw")),
        (&["lat", "lon", "day"], &[8, 3, 4], Some("hwt")),
        (&["south", "hour", "x"], &[6, 7, 10], None),
        (&["day", "hour", "lat", "lon"], &[5, 9, 8, 8], Some("nthw")),
        (&["lat", "lon", "moment"], &[8, 3, 4], None),
        (&["time", "y", "y"], &[8, 3, 3], None),
        (&["time", "valid_time", "y", "x"], &[8, 5, 3, 3], None),
    ] {
        let read = named(names, shape);
        assert_eq!(read.as_deref().ok(), found, "{names:?}: {read:?}");
        if let Err(error) = read {
            assert!(error.contains("data.frames.axes") && error.contains(names[1]), "{error}");
        }
    }
}
