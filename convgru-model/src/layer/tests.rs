//! Ends of ranges, kinks and refusals; values and gradients are compared with definitions by the gradient checks.

use super::*;
use crate::error::Error;
use crate::parameters::Parameters;
use crate::tensor::Tensor;

fn numbers(values: &[f64]) -> Tensor<f64> {
    Tensor::from_vec(&[values.len()], values.to_vec()).unwrap()
}

#[test]
fn derivatives_at_kinks_are_those_of_the_documentation() {
    let one = numbers(&[1.0; 3]);
    for (activation, outputs, derivatives) in [
        (Activation::HardSigmoid, [0.0, 0.5, 1.0], [0.0, 1.0 / 6.0, 0.0]),
        (Activation::Relu, [0.0, 2.0, 0.0], [0.0, 1.0, 0.0]),
        (Activation::LeakyRelu(0.25), [0.0, 2.0, -1.0], [0.25, 1.0, 0.25]),
        (Activation::LeakyRelu(0.0), [0.0, 2.0, 0.0], [0.0, 1.0, 0.0]),
        (Activation::Identity, [-1.0, 0.0, 1.0], [1.0; 3]),
    ] {
        let gradient = activation.backward(&numbers(&outputs), &one).unwrap();
        assert_eq!(gradient.as_slice(), derivatives, "{activation}");
    }
    for slope in [-0.1, f64::NAN, f64::INFINITY, 1e39] {
        let error = Activation::LeakyRelu(slope).backward(&one, &one).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{slope}: {error}");
    }
    assert!(Activation::Tanh.backward(&one, &numbers(&[1.0])).is_err());
}

#[test]
fn fields_of_a_convolution_are_taken_up_to_their_bounds() {
    let plain = Conv2dConfig::new(1, 1, [1, 1]);
    let padded = |sides: [usize; 4]| Conv2dConfig { padding: Padding::Explicit(sides), ..plain };
    let reaching =
        |kernel_size: [usize; 2], dilation: [usize; 2]| Conv2dConfig { kernel_size, dilation, ..plain };
    for config in [
        Conv2dConfig::new(65_536, 1, [1, 1]),
        Conv2dConfig::new(1, 65_536, [1, 1]),
        Conv2dConfig { stride: [65_536, 1], ..plain },
        padded([65_536, 0, 0, 65_536]),
        reaching([2, 1], [65_535, 1]),
        reaching([1, 2], [1, 65_535]),
        reaching([65_536, 1], [1, 1]),
        Conv2dConfig::new(1 << 16, 1 << 15, [1, 1]),
    ] {
        config.validate().unwrap();
    }
    for (field, config) in [
        ("in_channels", Conv2dConfig::new(0, 1, [1, 1])),
        ("in_channels", Conv2dConfig::new(65_537, 1, [1, 1])),
        ("out_channels", Conv2dConfig::new(1, 0, [1, 1])),
        ("kernel_size", Conv2dConfig::new(1, 1, [1, 0])),
        ("stride", Conv2dConfig { stride: [1, 0], ..plain }),
        ("dilation", Conv2dConfig { dilation: [0, 1], ..plain }),
        ("padding", padded([0, 65_537, 0, 0])),
        ("dilation", reaching([2, 1], [65_536, 1])),
        ("dilation", reaching([1, 129], [1, 512])),
        ("out_channels", Conv2dConfig::new(1 << 16, (1 << 15) + 1, [1, 1])),
    ] {
        match config.validate().unwrap_err() {
            Error::InvalidConfig { field: named, .. } => assert_eq!(named, field, "{config:?}"),
            error => panic!("{config:?}: {error}"),
        }
    }
}

#[test]
fn a_convolution_has_the_stride_and_the_dilation_of_its_configuration() {
    let config = Conv2dConfig { stride: [2, 3], dilation: [1, 2], ..Conv2dConfig::new(1, 2, [3, 3]) };
    let shape = config.shape();
    assert_eq!((shape.stride, shape.dilation), ([2, 3], [1, 2]));
    assert_eq!((shape.in_channels, shape.out_channels, shape.kernel), (1, 2, [3, 3]));
    assert_eq!([shape.padding.top, shape.padding.left], [1, 2]);
}

/// Padding counts on both sides.
#[test]
fn images_that_padding_makes_too_large_are_refused() {
    let images = Tensor::<f64>::zeros(&[4096, 1, 1, 1]);
    for padding in [[32_768; 4], [65_536, 0, 65_536, 0], [0, 65_536, 0, 65_536]] {
        let padding = Padding::Explicit(padding);
        let config = Conv2dConfig { stride: [65_536, 65_536], padding, ..Conv2dConfig::new(1, 1, [1, 1]) };
        let error = Conv2d::new(config, 1).unwrap().forward(&images).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{padding:?}: {error}");
    }
}

/// Xavier: as wide as the numbers of inputs and outputs of a weight say.
#[test]
fn weights_are_drawn_as_wide_as_the_kernel_says() {
    let config = Conv2dConfig::new(5, 40, [3, 2]);
    let layer = Conv2d::<f64>::new(config, 1).unwrap();
    let largest = layer.parameters().weight.as_slice().iter().fold(0.0f64, |most, w| most.max(w.abs()));
    let bound = (6.0f64 / (5.0 * 6.0 + 40.0 * 6.0)).sqrt();
    assert!(largest <= bound && largest > 0.98 * bound, "{largest} of {bound}");
    assert!(layer.parameters().bias.as_ref().unwrap().as_slice().iter().all(|&bias| bias == 0.0));
    let mut count = 0;
    layer.parameters().for_each(&mut |_, tensor| count += tensor.len());
    assert_eq!(count, 40 * 5 * 6 + 40);
}

/// A bias belongs to the weights if, and only if, it belongs to the configuration.
#[test]
fn weights_of_another_convolution_are_refused() {
    let with = Conv2dConfig::new(2, 3, [1, 3]);
    let without = Conv2dConfig { bias: false, ..with };
    let of = |config: Conv2dConfig| Conv2d::<f64>::new(config, 1).unwrap().parameters().clone();
    for config in [with, without] {
        Conv2d::from_parameters(config, of(config)).unwrap();
    }
    for (config, parameters) in [
        (with, of(without)),
        (without, of(with)),
        (with, of(Conv2dConfig::new(3, 2, [1, 3]))),
        (with, of(Conv2dConfig::new(2, 3, [3, 1]))),
    ] {
        Conv2d::from_parameters(config, parameters).unwrap_err();
    }
    let layer = Conv2d::<f64>::new(with, 1).unwrap();
    for shape in [&[3, 4, 4][..], &[4, 4]] {
        let error = layer.forward(&Tensor::zeros(shape)).unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{shape:?}: {error}");
    }
}

#[test]
fn sizes_of_nothing_are_not_resampled() {
    for method in [ResampleMethod::Nearest, ResampleMethod::Bilinear] {
        for (input, size) in
            [([1, 0, 4], [2, 2]), ([1, 4, 0], [2, 2]), ([1, 4, 4], [0, 2]), ([1, 4, 4], [2, 0])]
        {
            let resample = Resample { method, size };
            let error = resample.forward(&Tensor::<f64>::zeros(&input)).unwrap_err();
            assert!(matches!(error, Error::InvalidConfig { .. }), "{input:?} to {size:?}: {error}");
            let d_output = Tensor::<f64>::zeros(&[1, size[0], size[1]]);
            assert!(resample.backward(&input, &d_output).is_err(), "{input:?} from {size:?}");
        }
        let none = Resample { method, size: [2, 3] };
        assert_eq!(none.forward(&Tensor::<f64>::zeros(&[0, 4, 4])).unwrap().shape(), [0, 2, 3]);
        assert_eq!(none.backward(&[0, 4, 4], &Tensor::<f64>::zeros(&[0, 2, 3])).unwrap().shape(), [0, 4, 4]);
        assert!(none.backward(&[1, 4, 4], &Tensor::<f64>::zeros(&[1, 3, 2])).is_err());
    }
}

#[test]
fn patches_that_do_not_fit_are_refused_and_none_are_moved() {
    let of = |shape: &[usize]| Tensor::<f64>::from_fn(shape, |i| i as f64);
    for (factor, shape) in [(0, [4, 2, 2]), (2, [6, 2, 2]), (3, [4, 2, 2]), (1 << 32, [4, 2, 2])] {
        let error = PixelShuffle { factor }.forward(&of(&shape)).unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{factor}: {error}");
    }
    for (factor, shape) in [(0, [1, 4, 4]), (2, [1, 3, 4]), (2, [1, 4, 3]), (5, [1, 4, 4])] {
        let error = PixelUnshuffle { factor }.forward(&of(&shape)).unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{factor}: {error}");
    }
    assert_eq!(PixelShuffle { factor: 2 }.forward(&of(&[0, 4, 2, 3])).unwrap().shape(), [0, 1, 4, 6]);
    assert_eq!(PixelUnshuffle { factor: 2 }.forward(&of(&[0, 1, 4, 6])).unwrap().shape(), [0, 4, 2, 3]);
}
