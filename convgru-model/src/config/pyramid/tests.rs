//! Configurations of pyramids that cannot work.

use super::*;

fn message(change: impl FnOnce(&mut PyramidConfig)) -> String {
    let mut config = PyramidConfig::default();
    change(&mut config);
    config.validate().unwrap_err().to_string()
}

#[test]
fn errors_name_the_field_and_the_value() {
    assert!(message(|c| c.scales.clear()).starts_with("scales: 0 scales"));
    assert!(message(|c| c.scales[1].down = 0).starts_with("scales[1].down: 0 makes"));
    assert!(message(|c| c.scales[1].down = 100).contains("400x400"));
    assert!(message(|c| c.scales[0].channels = 0).starts_with("scales[0].features: 0"));
    let none = |c: &mut PyramidConfig| (c.scales[0].channels, c.scales[0].features) = (0, Some(3));
    assert!(message(none).starts_with("scales[0].channels: layer 0 has 0 channels"));
    assert!(message(|c| c.scales[1].layers = 0).starts_with("scales[1].layers: 0"));
    assert!(message(|c| c.scales[1].kernel_size = [2; 2]).starts_with("scales[1].kernel_size"));
    assert!(message(|c| c.link_kernel_size = [4; 2]).starts_with("link_kernel_size: kernel 4x4"));
    assert!(message(|c| c.members = 0).starts_with("members: 0 is not"));
    assert!(message(|c| c.slope = f64::NAN).starts_with("slope: NaN"));
    assert!(message(|c| c.candidate_activation = Activation::Sigmoid).starts_with("candidate_activation"));
    assert!(message(|c| c.head_channels = usize::MAX).starts_with("head_channels"));
    assert!(message(|c| c.scales = vec![PyramidScale::new(60_000, 1); 3]).contains("parameters"));
}

#[test]
fn numbers_beyond_any_size_are_counted_and_refused() {
    for change in [
        (|c| c.scales[0].down = usize::MAX) as fn(&mut PyramidConfig),
        |c| c.scales[1].layers = usize::MAX,
        |c| c.scales[0].channels = usize::MAX,
        |c| c.scales[0].features = Some(usize::MAX),
        |c| c.image_channels = usize::MAX,
        |c| c.members = usize::MAX,
        |c| c.head_channels = usize::MAX,
        |c| c.link_kernel_size = [usize::MAX; 2],
        |c| c.scales[0].kernel_size = [usize::MAX; 2],
        |c| {
            c.scales = vec![PyramidScale { features: Some(65_536), ..PyramidScale::new(65_536, 256) }];
            (c.image_channels, c.link_kernel_size) = (64, [255; 2]);
        },
    ] {
        let mut config = PyramidConfig::default();
        change(&mut config);
        let config = crate::ForecasterConfig::from(config);
        assert!(config.parameter_count() > 0 && config.factor() > 0);
        assert!(!config.hidden_channels().is_empty() && config.numbers_per_pixel()[0] > 0.0);
        config.validate().unwrap_err();
    }
}
