//! Sizes that no machine can hold and numbers that no call can finish: errors, before any memory is taken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use convgru_model::composed::{CellConfig, PaddingMode, Recurrent, RecurrentConfig};
use convgru_model::layer::{
    Conv2d, Conv2dConfig, Padding, PixelShuffle, PixelUnshuffle, Resample, ResampleMethod,
};
use convgru_model::motion::OpticalFlow;
use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, ConvGru, ConvGruConfig, EncoderForecasterConfig, Error,
    Feedback, Forecaster, ForecasterConfig, MlcastConfig, PyramidConfig, RecurrentForecasterConfig, Residual,
    ReturnLayers, Sequence, Tensor, Workspace, mean_of_members,
};
use proptest::prelude::*;

/// Small numbers, and such as no memory holds.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..6,
        (38u32..64).prop_map(|shift| 1usize << shift),
        (0usize..4).prop_map(|less| usize::MAX - less),
        (0usize..4).prop_map(|less| isize::MAX as usize - less),
    ]
}

fn is_absurd(sizes: &[usize]) -> bool {
    sizes.iter().any(|&size| size >= 1 << 38)
}

/// Networks of every kind, made once.
fn forecasters() -> &'static [Forecaster<f32>] {
    static MADE: LazyLock<Vec<Forecaster<f32>>> = LazyLock::new(made);
    &MADE
}

fn made() -> Vec<Forecaster<f32>> {
    let unconditioned =
        EncoderForecasterConfig { feedback: Feedback::Unconditioned, members: 2, ..Default::default() };
    let motion = PyramidConfig { residual: Residual::Motion, skip: true, ..Default::default() };
    let configs: [ForecasterConfig; 6] = [
        EncoderForecasterConfig::default().into(),
        unconditioned.into(),
        PyramidConfig::default().into(),
        motion.into(),
        MlcastConfig { blocks: 2, members: 2, ..Default::default() }.into(),
        RecurrentForecasterConfig::default().into(),
    ];
    configs.into_iter().map(|config| Forecaster::new(config, 1).unwrap()).collect()
}

#[test]
fn absurd_numbers_of_steps_are_refused_at_once() {
    let frames = Tensor::zeros(&[2, 1, 1, 8, 8]);
    for network in forecasters() {
        let mut stream = network.prepare().unwrap().stream(1, 8, 8).unwrap();
        stream.read(&frames.index(0)).unwrap();
        let expected = stream.forecast(2).unwrap();
        for steps in [65_537, 1 << 20, 1 << 32, 1 << 40, isize::MAX as usize, usize::MAX] {
            let error = stream.forecast(steps).unwrap_err();
            assert!(matches!(error, Error::OutOfRange { got, most: 65_536, .. } if got == steps), "{error}");
            network.forward(&frames, steps).unwrap_err();
            network.forward_mean(&frames, steps).unwrap_err();
            network.forward_train(&frames, steps, None, &mut Workspace::default()).unwrap_err();
        }
        // The states stay.
        assert_eq!(stream.forecast(2).unwrap(), expected);
    }
    for steps in [65_537, 1 << 40, usize::MAX] {
        OpticalFlow::default().extrapolate(&frames, None, steps).unwrap_err();
    }
}

#[test]
fn forecasts_larger_than_memory_name_the_bytes() {
    let network = &forecasters()[2];
    let mut stream = network.prepare().unwrap().stream(1, 512, 512).unwrap();
    stream.read(&Tensor::zeros(&[1, 1, 512, 512])).unwrap();
    match stream.forecast(65_536) {
        Err(Error::TooLarge { bytes, most, .. }) => assert!(bytes >= 65_536 * 512 * 512 * 4 && bytes > most),
        Err(other) => panic!("{other}"),
        // A machine with as much memory: nothing is to be refused.
        Ok(frames) => assert_eq!(frames.len(), 65_536 * 512 * 512),
    }
}

#[test]
fn streams_of_absurd_frames_are_refused() {
    let sizes = [[1, 1 << 20, 1 << 20], [1 << 40, 8, 8], [1, usize::MAX - 7, 8], [usize::MAX; 3]];
    for [batch, height, width] in sizes {
        for network in forecasters() {
            network.prepare().unwrap().stream(batch, height, width).unwrap_err();
        }
        for channels in [0, 2] {
            let network = ConvGru::<f32>::new(ConvGruConfig::new(channels, &[4]), 1).unwrap();
            let error = network.prepare().unwrap().stream(batch, height, width).unwrap_err();
            assert!(error.to_string().contains("bytes of memory"), "{error}");
            let network =
                Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(channels, 4)]), 1).unwrap();
            network.prepare().unwrap().stream(&[&[batch, channels, height, width]], &[]).unwrap_err();
        }
    }
}

/// Frames without channels take no memory whatever their size is; states of them do.
#[test]
fn sequences_that_are_large_by_their_size_alone_are_refused() {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(0, &[4]), 1).unwrap();
    let both = BidirectionalConvGruConfig::new(ConvGruConfig::new(0, &[4]));
    let both = BidirectionalConvGru::<f32>::new(both, 1).unwrap();
    let other = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(0, 4)]), 1).unwrap();
    for shape in [
        [1 << 40, 1, 0, 8, 8],
        [usize::MAX, 1, 0, 1, 1],
        [2, 1 << 40, 0, 8, 8],
        [2, 1, 0, 1 << 30, 1 << 30],
        [1, 1, 0, usize::MAX, 1],
    ] {
        let frames = Tensor::from_vec(&shape, Vec::new());
        let Ok(frames) = frames else { continue };
        for return_layers in [ReturnLayers::All, ReturnLayers::Top, ReturnLayers::None] {
            let (sequence, mut workspace) =
                (Sequence { return_layers, ..Sequence::from(&frames) }, Workspace::default());
            network.forward(sequence).unwrap_err();
            network.forward_train(sequence, &mut workspace).unwrap_err();
            both.forward(sequence).unwrap_err();
            both.forward_train(sequence, &mut workspace).unwrap_err();
            other.forward(sequence).unwrap_err();
            other.forward_train(sequence, &mut workspace).unwrap_err();
        }
    }
}

#[test]
fn tensors_without_elements_are_no_way_around() {
    let frames = Tensor::<f32>::from_vec(&[0, 1, 4, usize::MAX, usize::MAX], Vec::new()).unwrap();
    assert_eq!(mean_of_members(frames, 2).unwrap().shape(), [0, 1, 2, usize::MAX, usize::MAX]);
    let frames = Tensor::<f32>::from_vec(&[1, 0, 1, usize::MAX, usize::MAX], Vec::new()).unwrap();
    assert!(OpticalFlow::default().extrapolate(&frames, None, 2).unwrap().is_empty());
    let resample = Resample { method: ResampleMethod::Nearest, size: [2, 2] };
    resample.backward(&[usize::MAX, usize::MAX, 3, 4, 4], &Tensor::<f32>::zeros(&[3, 2, 2])).unwrap_err();
    for network in forecasters() {
        network.forward(&frames, 2).unwrap_err();
    }
}

#[test]
fn kernels_that_reach_beyond_memory_are_refused() {
    let wide = CellConfig {
        kernel_size: [255, 255],
        padding_mode: [PaddingMode::Replicate; 2],
        input_kernel_size: Some([1, 1]),
        ..CellConfig::new(1, 1)
    };
    CellConfig { dilation: [255, 255], ..wide.clone() }.validate().unwrap_err();
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([wide]), 1).unwrap();
    let frames = Tensor::zeros(&[2, 1 << 20, 1, 1, 1]);
    network.forward(&frames).unwrap_err();
    for config in [
        Conv2dConfig { kernel_size: [65_536, 65_536], ..Conv2dConfig::new(1, 1, [1, 1]) },
        Conv2dConfig { kernel_size: [129, 1], dilation: [1 << 57, 1], ..Conv2dConfig::new(1, 1, [1, 1]) },
        Conv2dConfig { kernel_size: [3, 65_535], dilation: [1, 3], ..Conv2dConfig::new(1, 1, [1, 1]) },
        Conv2dConfig::new(65_536, 65_536, [3, 3]),
        Conv2dConfig::new(usize::MAX, 1, [3, 3]),
        Conv2dConfig { padding: Padding::Explicit([usize::MAX, 1, 0, 0]), ..Conv2dConfig::new(1, 1, [3, 3]) },
        Conv2dConfig { padding: Padding::Explicit([0, 0, 65_537, 0]), ..Conv2dConfig::new(1, 1, [3, 3]) },
    ] {
        let error = Conv2d::<f32>::new(config, 1).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error}");
    }
    let config = Conv2dConfig { padding: Padding::Explicit([65_536; 4]), ..Conv2dConfig::new(1, 1, [3, 3]) };
    let layer = Conv2d::<f32>::new(config, 1).unwrap();
    layer.forward(&Tensor::zeros(&[1 << 12, 1, 1, 1])).unwrap_err();
}

#[test]
fn fields_of_optical_flow_have_bounds() {
    let frames = Tensor::<f32>::from_fn(&[3, 1, 1, 20, 30], |i| (i % 7) as f32);
    let flow = OpticalFlow::default();
    for wrong in [
        OpticalFlow { window: 1e9, ..flow },
        OpticalFlow { window: f32::MAX, ..flow },
        OpticalFlow { window: f32::INFINITY, ..flow },
        OpticalFlow { window: f32::NAN, ..flow },
        OpticalFlow { damping: f32::MAX, ..flow },
        OpticalFlow { iterations: usize::MAX, ..flow },
        OpticalFlow { iterations: 101, ..flow },
        OpticalFlow { frames: 1, ..flow },
    ] {
        let error = wrong.extrapolate(&frames, None, 2).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error}");
    }
    let widest = OpticalFlow { window: 1024.0, iterations: 100, damping: 1e6, frames: usize::MAX, ..flow };
    assert!(widest.extrapolate(&frames, None, 2).unwrap().is_finite());
    let narrowest = OpticalFlow { window: f32::MIN_POSITIVE, damping: f32::MIN_POSITIVE, ..flow };
    narrowest.extrapolate(&frames, None, 2).unwrap();
}

#[test]
fn configurations_of_any_numbers_are_counted_without_a_panic() {
    for number in [0, 1 << 20, 1 << 40, usize::MAX] {
        let stack =
            ConvGruConfig { kernel_size: number.into(), ..ConvGruConfig::new(number, &[number, number]) };
        assert!(stack.parameter_count() > 0 || number == 0);
        stack.validate().unwrap_err();
        let plain = EncoderForecasterConfig {
            image_channels: number,
            patch: number,
            members: number,
            ..Default::default()
        };
        let plain = ForecasterConfig::from(plain);
        assert!(plain.parameter_count() > 0);
        assert!(plain.numbers_per_pixel().len() == 2);
        plain.validate().unwrap_err();
        let cell = CellConfig {
            input_kernel_size: Some([number; 2]),
            input_dilation: [number; 2],
            input_stride: [number; 2],
            ..CellConfig::new(number, number)
        };
        cell.state_size([number; 2]);
        cell.validate().unwrap_err();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn layers_refuse_sizes_that_do_not_fit(
        factor in size(), rows in size(), columns in size(), shape in any::<prop::sample::Index>(),
        bilinear in any::<bool>(),
    ) {
        let shapes: [&[usize]; 6] =
            [&[1, 4, 4, 6], &[4, 4, 6], &[0, 4, 4, 4], &[1, 0, 4, 4], &[0, 4, usize::MAX, 2], &[1, 0, 1 << 40, 1 << 40]];
        let shape = shapes[shape.index(shapes.len())];
        let input = Tensor::<f32>::from_vec(shape, vec![1.0; if shape.contains(&0) { 0 } else { 96 }]).unwrap();
        let shuffled = PixelShuffle { factor }.forward(&input);
        let unshuffled = PixelUnshuffle { factor }.forward(&input);
        if !shape.contains(&0) {
            prop_assert_eq!(shuffled.is_ok(), factor == 1 || factor == 2);
            prop_assert_eq!(unshuffled.is_ok(), factor == 1 || factor == 2);
        }
        let method = if bilinear { ResampleMethod::Bilinear } else { ResampleMethod::Nearest };
        let resample = Resample { method, size: [rows, columns] };
        let result = resample.forward(&input);
        prop_assert_eq!(result.is_ok() && is_absurd(&[rows, columns]), false);
        if let Ok(output) = result {
            prop_assert_eq!(&output.shape()[shape.len() - 2..], &[rows, columns]);
        }
        prop_assert!(resample.backward(&[1, 4, rows, columns], &input).is_err() || !is_absurd(&[rows, columns]));
    }

    #[test]
    fn tensors_of_a_checked_size_are_there_or_refused(shape in prop::collection::vec(size(), 0..5)) {
        let result = Tensor::<f64>::try_zeros(&shape);
        if is_absurd(&shape) && !shape.contains(&0) {
            prop_assert!(shape.iter().map(|&size| size as f64).product::<f64>() < 1e13 || result.is_err());
        }
        if let Ok(tensor) = result {
            prop_assert_eq!(tensor.shape(), &shape[..]);
            prop_assert!(tensor.is_finite());
        }
    }

    #[test]
    fn streams_are_prepared_or_refused(batch in size(), height in size(), width in size(), forecaster in 0usize..4) {
        let refused = |is_ok: bool| !is_ok || !is_absurd(&[batch, height, width]);
        let network = &forecasters()[forecaster];
        prop_assert!(refused(network.prepare().unwrap().stream(batch, height, width).is_ok()));
        let config = ConvGruConfig::new(forecaster, &[2]);
        let network = ConvGru::<f32>::new(config, 1).unwrap();
        prop_assert!(refused(network.prepare().unwrap().stream(batch, height, width).is_ok()));
        let network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(forecaster, 2)]), 1).unwrap();
        prop_assert!(refused(network.prepare().unwrap().stream(&[&[batch, forecaster, height, width]], &[]).is_ok()));
    }

    #[test]
    fn convolutions_are_made_or_refused(
        channels in size(), kernel in size(), step in size(), padding in size(), height in 1usize..9,
    ) {
        let config = Conv2dConfig {
            kernel_size: [kernel, 1],
            stride: [1, step],
            dilation: [step, 1],
            padding: Padding::Explicit([padding, 0, 0, padding]),
            ..Conv2dConfig::new(1, channels, [1, 1])
        };
        match Conv2d::<f32>::new(config, 1) {
            Ok(layer) => drop(layer.forward(&Tensor::zeros(&[1, 1, height, 7]))),
            Err(error) => prop_assert!(error.to_string().contains(':')),
        }
    }
}
