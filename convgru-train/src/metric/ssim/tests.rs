use proptest::prelude::*;

use super::*;
use crate::fixtures::{parity_file, worst_difference};

#[test]
fn values_are_those_of_scikit_image() {
    let file = parity_file("metrics.safetensors");
    for name in ["constant", "noise", "same", "shift", "unclipped", "rgb_noise"] {
        let truth = file.tensor(if name == "rgb_noise" { "image.rgb_ref" } else { "image.ref" });
        for (window, kind) in [(SsimWindow::Gaussian, "gaussian"), (SsimWindow::Uniform, "uniform7")] {
            let got = window.ssim(file.tensor(&format!("image.{name}")), truth).unwrap();
            let expected = file.number(&format!("ssim_{kind}.{name}"));
            assert!((got - expected).abs() <= 1e-12, "{kind} {name}: {got} instead of {expected}");
        }
    }
}

#[test]
fn maps_are_those_of_scikit_image() {
    let file = parity_file("metrics.safetensors");
    let map = ssim_map(file.tensor("image.ref"), file.tensor("image.noise")).unwrap();
    let worst = worst_difference(map.as_slice(), file.values("ssim_gaussian_map.noise"));
    assert!(worst <= 1e-12, "map off by {worst}");
    let map = SsimWindow::Uniform.ssim_map(file.tensor("image.ref"), file.tensor("image.noise")).unwrap();
    let worst = worst_difference(map.as_slice(), file.values("ssim_uniform7_map.noise"));
    assert!(worst <= 1e-12, "uniform map off by {worst}");
}

/// The definition, pixel by pixel with a two-dimensional window.
#[test]
fn maps_are_the_definition() {
    let (height, width) = (6, 3);
    let x = Tensor::<f64>::from_fn(&[height, width], |i| (i as f64 * 1.7).sin());
    let y = Tensor::<f64>::from_fn(&[height, width], |i| (i as f64 * 0.9).cos());
    let map = ssim_map(&x, &y).unwrap();
    let at = |image: &Tensor<f64>, row: isize, column: isize| {
        let mirror = |mut i: isize, n: usize| {
            while !(0..n as isize).contains(&i) {
                i = if i < 0 { -1 - i } else { 2 * n as isize - 1 - i };
            }
            i as usize
        };
        image.as_slice()[mirror(row, height) * width + mirror(column, width)]
    };
    for row in 0..height as isize {
        for column in 0..width as isize {
            let (mut total, mut e) = (0.0, [0.0; 5]);
            for dy in -5..=5 {
                for dx in -5..=5 {
                    let weight = (-((dy * dy + dx * dx) as f64) / (2.0 * 1.5 * 1.5)).exp();
                    let (x, y) = (at(&x, row + dy, column + dx), at(&y, row + dy, column + dx));
                    total += weight;
                    for (e, value) in e.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                        *e += weight * value;
                    }
                }
            }
            let [mx, my, mxx, myy, mxy] = e.map(|e| e / total);
            let expected = (2.0 * mx * my + 1e-4) * (2.0 * (mxy - mx * my) + 9e-4)
                / ((mx * mx + my * my + 1e-4) * (mxx - mx * mx + myy - my * my + 9e-4));
            let got = map.as_slice()[row as usize * width + column as usize];
            assert!((got - expected).abs() < 1e-12, "({row}, {column}): {got} instead of {expected}");
        }
    }
}

#[test]
fn the_mean_leaves_out_a_border_of_five() {
    let x = Tensor::<f64>::from_fn(&[13, 11], |i| (i as f64).sin());
    let y = Tensor::<f64>::from_fn(&[13, 11], |i| (i as f64 * 1.1).sin());
    let map = ssim_map(&x, &y).unwrap();
    let expected = [5, 6, 7].map(|row| map.as_slice()[row * 11 + 5]).iter().sum::<f64>() / 3.0;
    assert!((ssim(&x, &y).unwrap() - expected).abs() < 1e-12);
}

#[test]
fn frames_below_the_window_are_refused() {
    let frame = Tensor::<f32>::zeros(&[1, 10, 64]);
    let error = ssim(&frame, &frame).unwrap_err().to_string();
    assert_eq!(
        error,
        "structural similarity: frames of 10 x 64 pixels are smaller than its window of 11 x 11"
    );
    let sequence = Tensor::<f32>::zeros(&[1, 1, 16, 16]);
    assert!(ssim(&sequence, &sequence).is_err());
    assert!(ssim_map(&frame.reshape(&[640]).unwrap(), &Tensor::zeros(&[640])).is_err());
}

fn two_frames() -> impl Strategy<Value = (Tensor<f64>, Tensor<f64>)> {
    (1usize..3, 11usize..16, 11usize..16).prop_flat_map(|(c, h, w)| {
        let frame = || {
            prop::collection::vec(0.0f64..=1.0, c * h * w)
                .prop_map(move |v| Tensor::from_vec(&[c, h, w], v).unwrap())
        };
        (frame(), frame())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn similarity_is_symmetric_bounded_and_one_for_equals((x, y) in two_frames()) {
        let similarity = ssim(&x, &y).unwrap();
        prop_assert_eq!(similarity.to_bits(), ssim(&y, &x).unwrap().to_bits());
        prop_assert!(similarity.abs() <= 1.0, "{}", similarity);
        prop_assert_eq!(ssim(&x, &x).unwrap(), 1.0);
    }
}
