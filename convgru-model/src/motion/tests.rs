use proptest::prelude::*;

use super::*;

const SIZE: usize = 64;

/// A smooth texture that moves: its value at a point of the first frame.
fn texture(y: f32, x: f32) -> f32 {
    let wave = |a: f32, b: f32, phase: f32| (a * y + b * x + phase).sin();
    0.5 + 0.15 * (wave(0.21, 0.13, 0.3) + wave(-0.11, 0.27, 1.1) + wave(0.33, -0.05, 2.0))
}

/// Frames whose pixels come from where `origin` says, by time.
fn frames(count: usize, origin: impl Fn(f32, f32, f32) -> (f32, f32)) -> Tensor<f32> {
    Tensor::from_fn(&[count, 1, 1, SIZE, SIZE], |i| {
        let (t, y, x) = (i / (SIZE * SIZE), i / SIZE % SIZE, i % SIZE);
        let (y, x) = origin(t as f32, y as f32, x as f32);
        texture(y, x)
    })
}

fn head(frames: &Tensor<f32>, count: usize) -> Tensor<f32> {
    let shape = [&[count], &frames.shape()[1..]].concat();
    let values = frames.as_slice()[..shape.iter().product()].to_vec();
    Tensor::from_vec(&shape, values).unwrap()
}

/// The flow of frames of one channel.
fn flow_of(frames: &Tensor<f32>) -> flow::Flow<f32> {
    let options = OpticalFlow::default();
    let search = Search { window: options.window, iterations: options.iterations, damping: options.damping };
    let shown: Vec<_> = (0..frames.shape()[0])
        .map(|t| Frame {
            values: Plane::new(SIZE, SIZE, frames.slice(t).to_vec()),
            valid: Plane::from_fn(SIZE, SIZE, |_, _| 1.0),
        })
        .collect();
    search.run(&shown)
}

/// The largest difference in the part of the image that nothing enters.
fn worst_inside(a: &[f32], b: &[f32], margin: usize) -> f32 {
    let inside = |at: usize| (margin..SIZE - margin).contains(&at);
    (0..SIZE * SIZE)
        .filter(|at| inside(at / SIZE) && inside(at % SIZE))
        .map(|at| (a[at] - b[at]).abs())
        .fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_shift_is_found_to_a_tenth_of_a_pixel_and_carried_on(down in -4.0f32..4.0, right in -4.0f32..4.0) {
        let all = frames(6, |t, y, x| (y - t * down, x - t * right));
        let input = head(&all, 4);
        let flow = flow_of(&input);
        for at in (20 * SIZE + 20)..(20 * SIZE + 44) {
            prop_assert!((flow.down.values[at] - down).abs() < 0.1, "{} not {down}", flow.down.values[at]);
            prop_assert!((flow.right.values[at] - right).abs() < 0.1, "{} not {right}", flow.right.values[at]);
        }
        let nowcast = OpticalFlow::default().extrapolate(&input, None, 2).unwrap();
        for t in 0..2 {
            let worst = worst_inside(nowcast.slice(t), all.slice(4 + t), 16);
            prop_assert!(worst < 0.05, "step {t}: {worst}");
        }
    }
}

#[test]
fn a_rotation_is_carried_on() {
    let turn = |t: f32, y: f32, x: f32| {
        let (sin, cos) = (0.03 * t).sin_cos();
        let (y, x) = (y - 31.5, x - 31.5);
        (31.5 + cos * y - sin * x, 31.5 + sin * y + cos * x)
    };
    let all = frames(8, turn);
    let nowcast = OpticalFlow::default().extrapolate(&head(&all, 4), None, 4).unwrap();
    let still = worst_inside(all.slice(3), all.slice(7), 12);
    let worst = worst_inside(nowcast.slice(3), all.slice(7), 12);
    assert!(worst < 0.1 && worst < still / 3.0, "{worst}, {still} without movement");
}

#[test]
fn what_is_missing_misleads_nobody_and_is_nowhere() {
    let all = frames(5, |t, y, x| (y, x - 2.0 * t));
    // A block that was never measured and holds no numbers.
    let block = |i: usize| (24..32).contains(&(i / SIZE % SIZE)) && (24..32).contains(&(i % SIZE));
    let input = head(&all, 4);
    let spoilt = Tensor::from_fn(input.shape(), |i| if block(i) { f32::NAN } else { input.as_slice()[i] });
    let valid = Tensor::from_fn(input.shape(), |i| f32::from(u8::from(!block(i))));
    let nowcast = OpticalFlow::default().extrapolate(&spoilt, Some(&valid), 1).unwrap();
    let truth = all.slice(4);
    for (at, (&got, &wanted)) in nowcast.slice(0).iter().zip(truth).enumerate() {
        let (y, x) = (at / SIZE, at % SIZE);
        if (25..31).contains(&y) && (28..31).contains(&x) {
            assert_eq!(got, 0.0, "{y}, {x}: what was not measured moved on as a number");
        } else if (12..52).contains(&x) && !(20..38).contains(&y) {
            assert!((got - wanted).abs() < 0.05, "{y}, {x}: {got} not {wanted}");
        }
    }
}

#[test]
fn an_empty_sky_stays_empty_and_still() {
    let nowcast =
        OpticalFlow::default().extrapolate(&Tensor::<f32>::zeros(&[3, 2, 1, 9, 40]), None, 2).unwrap();
    assert_eq!(nowcast, Tensor::zeros(&[2, 2, 1, 9, 40]));
    let one = Tensor::from_fn(&[2, 1, 1, 1, 1], |_| 0.5);
    assert_eq!(OpticalFlow::default().extrapolate(&one, None, 1).unwrap().as_slice(), [0.5]);
}

#[test]
fn what_is_not_known_may_be_missing() {
    let input = frames(4, |t, y, x| (y, x - 2.0 * t));
    let flow = OpticalFlow { outside: f32::NAN, ..OpticalFlow::default() };
    let nowcast = flow.extrapolate(&input, None, 3).unwrap();
    let row = &nowcast.slice(2)[32 * SIZE..33 * SIZE];
    // Six pixels flowed in, and nothing else is missing.
    let missing = row.iter().take_while(|value| value.is_nan()).count();
    assert!((5..=7).contains(&missing), "{missing}");
    assert!(row[7..].iter().all(|value| value.is_finite()));
}

#[test]
fn both_types_of_numbers_find_the_same() {
    let input = frames(4, |t, y, x| (y - 0.7 * t, x + 1.3 * t));
    let exact = Tensor::from_fn(input.shape(), |i| f64::from(input.as_slice()[i]));
    let single = OpticalFlow::default().extrapolate(&input, None, 2).unwrap();
    let double = OpticalFlow::default().extrapolate(&exact, None, 2).unwrap();
    for (a, b) in single.as_slice().iter().zip(double.as_slice()) {
        assert!((f64::from(*a) - b).abs() < 1e-3, "{a} {b}");
    }
}

#[test]
fn threads_change_no_bit() {
    let input = frames(4, |t, y, x| (y - 0.7 * t, x + 1.3 * t));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| OpticalFlow::default().extrapolate(&input, None, 3).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_single_frame_stays() {
    let input = frames(1, |_, y, x| (y, x));
    let nowcast = OpticalFlow::default().extrapolate(&input, None, 2).unwrap();
    assert!((0..2).all(|t| nowcast.slice(t) == input.slice(0)));
}

#[test]
fn what_cannot_be_carried_on_is_refused() {
    let flow = OpticalFlow::default();
    let error = flow.extrapolate(&Tensor::<f32>::zeros(&[0, 1, 1, 8, 8]), None, 2).unwrap_err().to_string();
    assert!(error.contains("[T >= 1, N, C, H >= 1, W >= 1]"), "{error}");
    assert!(flow.extrapolate(&Tensor::<f32>::zeros(&[2, 8, 8]), None, 2).is_err());
    let frames = Tensor::<f32>::zeros(&[2, 1, 1, 8, 8]);
    assert!(flow.extrapolate(&frames, Some(&Tensor::zeros(&[2, 1, 1, 8, 9])), 2).is_err());
    let error = OpticalFlow { window: 0.0, ..flow }.extrapolate(&frames, None, 2).unwrap_err().to_string();
    assert!(error.contains("window: 0 is not"), "{error}");
    let error = OpticalFlow { frames: 1, ..flow }.extrapolate(&frames, None, 2).unwrap_err().to_string();
    assert!(error.contains("frames: 1 is less than 2"), "{error}");
}
