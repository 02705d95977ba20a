//! Networks that read which pixels were measured.

use convgru_model::{
    EncoderForecasterConfig, Feedback, Forecaster, ForecasterConfig, OutputActivation, PyramidConfig,
    PyramidScale, Residual, TeacherForcing, Tensor, Workspace,
};

fn networks() -> Vec<Forecaster<f32>> {
    let flat = |feedback| EncoderForecasterConfig {
        mask_channel: true,
        image_channels: 2,
        patch: 2,
        hidden_channels: vec![3],
        feedback,
        output_activation: OutputActivation::Sigmoid,
        ..Default::default()
    };
    let deep = |residual, members| PyramidConfig {
        mask_channel: true,
        image_channels: 2,
        scales: vec![PyramidScale::new(3, 2), PyramidScale::new(4, 2)],
        residual,
        skip: true,
        members,
        ..Default::default()
    };
    let configs: [ForecasterConfig; 5] = [
        flat(Feedback::Predictions).into(),
        flat(Feedback::Unconditioned).into(),
        deep(Residual::None, 1).into(),
        deep(Residual::LastFrame, 2).into(),
        deep(Residual::Motion, 1).into(),
    ];
    configs.map(|config| Forecaster::new(config, 3).expect("the configuration is valid")).into()
}

/// Frames of two channels with a mask of some pixels.
fn frames(steps: usize, is_measured: impl Fn(usize) -> bool) -> Tensor<f32> {
    Tensor::from_fn(&[steps, 2, 3, 8, 6], |at| match at / 48 % 3 {
        2 => f32::from(u8::from(is_measured(at))),
        _ => 0.5 + 0.4 * (0.37 * at as f32).sin(),
    })
}

#[test]
fn sequences_streams_and_training_agree_to_the_bit() {
    for network in networks() {
        let (frames, config) = (frames(4, |at| at % 5 > 0), network.config().clone());
        let predicted = network.forward(&frames, 3).unwrap();
        assert_eq!(predicted.shape(), [3, 2, 2 * network.members(), 8, 6]);
        let mut stream = network.prepare().unwrap().stream(2, 8, 6).unwrap();
        (0..4).for_each(|t| stream.read(&frames.index(t)).unwrap());
        assert_eq!(stream.forecast(3).unwrap(), predicted, "{config:?}");
        let trained = network.forward_train(&frames, 3, None, &mut Workspace::default()).unwrap();
        assert_eq!(trained.output, predicted, "{config:?}");
    }
}

#[test]
fn the_mask_changes_forecasts_and_frames_without_one_are_refused() {
    for mut network in networks() {
        // The last convolution of a residual begins with zeros.
        convgru_model::Parameters::for_each_mut(network.parameters_mut(), &mut |name, tensor| {
            if name == "head.output.weight" {
                tensor
                    .as_mut_slice()
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, weight)| *weight = (at as f32).sin());
            }
        });
        let [all, some] = [frames(4, |_| true), frames(4, |at| at % 5 > 0)];
        assert_ne!(network.forward(&all, 2).unwrap(), network.forward(&some, 2).unwrap());
        let error = network.forward(&Tensor::zeros(&[4, 2, 2, 8, 6]), 2).unwrap_err().to_string();
        assert!(error.contains("[4, 2, 2, 8, 6]") && error.contains(", 3, "), "{error}");
    }
}

#[test]
fn own_predictions_count_as_measured() {
    let network = &networks()[0];
    let frames = frames(4, |at| at % 5 > 0);
    let predicted = network.forward(&frames, 3).unwrap();
    // The true frames are the predictions, all of whose pixels were measured.
    let shown = Tensor::from_fn(&[3, 2, 3, 8, 6], |at| {
        let (image, rest) = (at / 144, at % 144);
        if rest < 96 { predicted.as_slice()[image * 96 + rest] } else { 1.0 }
    });
    let forced = |shown, forced: [bool; 3]| {
        let teacher = TeacherForcing { frames: shown, forced: &forced };
        network.forward_train(&frames, 3, Some(teacher), &mut Workspace::default()).unwrap().output
    };
    assert_eq!(forced(&shown, [true; 3]), predicted);
    let missing = Tensor::from_fn(shown.shape(), |at| if at % 144 < 96 { shown.as_slice()[at] } else { 0.0 });
    assert_ne!(forced(&missing, [true; 3]), predicted);
    assert_eq!(forced(&missing, [true, false, false]), predicted);
}
