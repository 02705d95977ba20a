//! Feature maps: in and out, copies, sums, rectifiers and patches.

use convgru_kernels::{Extent, FeatureMaps, Scalar};
use proptest::prelude::*;

use crate::Tally;
use crate::described::{Described, assert_close, changes, number, numbers, values};

#[derive(Debug, Clone)]
pub(crate) struct Case {
    maps: [Described; 2],
    /// Maps of the patches of the first.
    deep: Described,
    factor: usize,
    slope: f64,
    /// Numbers of a slice beyond those that are needed.
    extra: isize,
    pub(crate) double: bool,
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let channels = prop_oneof![1usize..=5, 15usize..=18];
    let maps = (0usize..=3, channels, 0usize..=5, 0usize..=6, 1usize..=3, prop::array::uniform3(0usize..=3));
    let slope = prop_oneof![4 => Just(0.25), 1 => Just(-0.5), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)];
    let factor = prop_oneof![4 => 1usize..=3, 1 => number()];
    let extra = prop_oneof![4 => Just(0isize), 1 => -2isize..=2];
    (maps, changes(3 * Described::PLACES), factor, slope, extra, any::<[bool; 3]>()).prop_map(
        |(
            (batch, channels, height, width, sections, halos),
            flaws,
            factor,
            slope,
            extra,
            [flawed, groups, double],
        )| {
            let small = factor.clamp(1, 3);
            let extent =
                Extent { batch, channels: channels * sections, height: height * small, width: width * small };
            let of_deep = Extent { channels: extent.channels * small * small, height, width, ..extent };
            let mut all = [
                Described::new(extent, sections, halos[0]),
                Described::new(extent, sections, halos[1]),
                Described::new(of_deep, if groups { small * small } else { 1 }, halos[2]),
            ];
            if flawed {
                for (place, value) in flaws {
                    all[place / Described::PLACES].change((place % Described::PLACES, value));
                }
            }
            let [first, second, deep] = all;
            Case { maps: [first, second], deep, factor, slope, extra, double }
        },
    )
}

pub(crate) fn attempt<T: Scalar>(case: &Case, tally: &Tally) {
    let [first, second] = [0, 1].map(|index| case.maps[index].maps::<T>(index, tally));
    let deep = case.deep.maps::<T>(2, tally);
    let (Some(first), Some(second), Some(deep)) = (first, second, deep) else { return };
    let [a, b] = [&first, &second].map(values);
    slices(case, &first, &a, tally);
    let alike = first.extent() == second.extent() && case.maps[0].sections == case.maps[1].sections;

    let mut out = first.clone();
    let ok = tally.count("FeatureMapsMut::copy_from", &out.as_mut().copy_from(second.as_ref()));
    assert_eq!(ok, alike);
    assert_close(&values(&out), if ok { &b } else { &a }, 0.0, "copy");

    let mut out = first.clone();
    let ok = tally.count("FeatureMapsMut::add", &out.as_mut().add(second.as_ref()));
    assert_eq!(ok, alike);
    let sum: Vec<f64> = if ok { a.iter().zip(&b).map(|(a, b)| a + b).collect() } else { a.clone() };
    assert_close(&values(&out), &sum, 0.0, "sum");

    let (mut out, slope) = (first.clone(), T::from_f64(case.slope));
    let ok = tally.count("leaky_relu_backward", &out.as_mut().leaky_relu_backward(second.as_ref(), slope));
    assert_eq!(ok, alike && case.slope == 0.25);
    let back = |(&d, &y): (&f64, &f64)| if y > 0.0 { d } else { 0.25 * d };
    let back: Vec<f64> = if ok { a.iter().zip(&b).map(back).collect() } else { a.clone() };
    assert_close(&values(&out), &back, 0.0, "gradient of the rectifier");

    patches(case, &first, &deep, tally);
}

/// Images in and out of maps.
fn slices<T: Scalar>(case: &Case, maps: &FeatureMaps<T>, now: &[f64], tally: &Tally) {
    let len = now.len().saturating_add_signed(case.extra);
    let fits = len == now.len();
    let images = numbers::<T>(len, 5);
    let wide: Vec<f64> = images.iter().map(|value| value.to_f64()).collect();

    let (mut out, canaries) = (vec![T::from_f64(7.0); len], vec![7.0; len]);
    assert_eq!(tally.count("write_nchw", &maps.as_ref().write_nchw(&mut out)), fits);
    let out: Vec<f64> = out.iter().map(|value| value.to_f64()).collect();
    assert_close(&out, if fits { now } else { &canaries }, 0.0, "images");

    let mut target = maps.clone();
    assert_eq!(tally.count("read_nchw", &target.as_mut().read_nchw(&images)), fits);
    assert_close(&values(&target), if fits { &wide } else { now }, 0.0, "maps");

    let mut target = maps.clone();
    assert_eq!(tally.count("add_nchw", &target.as_mut().add_nchw(&images)), fits);
    let sum: Vec<f64> = if fits { now.iter().zip(&wide).map(|(a, b)| a + b).collect() } else { now.to_vec() };
    assert_close(&values(&target), &sum, 0.0, "sum");

    let made = FeatureMaps::from_nchw(maps.extent(), &images);
    assert_eq!(tally.count("FeatureMaps::from_nchw", &made), fits);
}

/// Patches of images become channels, and back.
fn patches<T: Scalar>(case: &Case, flat: &FeatureMaps<T>, deep: &FeatureMaps<T>, tally: &Tally) {
    let (f, d, r) = (flat.extent(), deep.extent(), case.factor);
    // Of each number of the patches the place in the image.
    let place = |index: usize| {
        let (w, rest) = (index % d.width, index / d.width);
        let (h, rest) = (rest % d.height, rest / d.height);
        let (channel, n) = (rest % d.channels, rest / d.channels);
        let (tap, c) = (channel / f.channels, channel % f.channels);
        ((n * f.channels + c) * f.height + h * r + tap / r) * f.width + w * r + tap % r
    };
    let [of_flat, of_deep] = [flat, deep].map(values);

    let mut out = deep.clone();
    let result = out.as_mut().space_to_depth(flat.as_ref(), r);
    let mut exact = of_deep.clone();
    if tally.count("space_to_depth", &result) {
        exact.iter_mut().enumerate().for_each(|(index, value)| *value = of_flat[place(index)]);
    }
    assert_close(&values(&out), &exact, 0.0, "patches");

    let mut out = flat.clone();
    let result = out.as_mut().depth_to_space(deep.as_ref(), r);
    let mut exact = of_flat.clone();
    if tally.count("depth_to_space", &result) {
        of_deep.iter().enumerate().for_each(|(index, &value)| exact[place(index)] = value);
    }
    assert_close(&values(&out), &exact, 0.0, "images of patches");
}
