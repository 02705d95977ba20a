//! Which networks are refused, and why.

use super::*;

fn with(change: impl Fn(&mut RecurrentForecasterConfig)) -> String {
    let mut config = RecurrentForecasterConfig::default();
    change(&mut config);
    config.validate().unwrap_err().to_string()
}

fn cell(config: &mut RecurrentForecasterConfig, change: impl Fn(&mut CellConfig)) {
    let Stage::Cell(cell) = &mut config.stages[0] else { panic!("{config:?}") };
    change(cell);
}

#[test]
fn stages_that_do_not_read_or_give_frames_are_refused_with_what_to_set() {
    let error = with(|config| config.patch = 2);
    assert!(error.contains("reads 16 channels") && error.contains("4 together"), "{error}");
    let error = with(|config| config.stages.truncate(2));
    assert!(error.contains("gives 32 channels") && error.contains("out_channels = 16"), "{error}");
    let error = with(|config| config.mask_channel = true);
    assert!(error.contains("32 together, the mask among them"), "{error}");
    // FireNet reads grids of five channels and gives an image.
    let error = with(|config| {
        config.image_channels = 5;
        config.patch = 1;
        cell(config, |cell| cell.in_channels = 5);
    });
    assert!(error.contains("gives 16 channels") && error.contains("whose image has 5"), "{error}");
}

#[test]
fn stages_that_frames_do_not_fit_are_refused() {
    let error = with(|config| cell(config, |cell| cell.input_stride = [2, 1]));
    assert!(error.contains("stages[0].input_stride") && error.contains("[2, 1]"), "{error}");
    let error = with(|config| cell(config, |cell| cell.input_padding = Some([0, 0])));
    assert!(error.contains("padding [0, 0]"), "{error}");
    let error = with(|config| {
        let Stage::Convolution(last) = &mut config.stages[2] else { panic!("{config:?}") };
        last.stride = [1, 2];
    });
    assert!(error.contains("stages[2].stride") && error.contains("[1, 2]"), "{error}");
    let gru = |cell: &mut CellConfig| cell.kind = CellKind::Gru;
    let error = with(|config| {
        cell(config, |cell| {
            gru(cell);
            cell.context = Context::Additive;
        });
    });
    assert!(error.contains("stages[0].context"), "{error}");
    let error = with(|config| {
        cell(config, |cell| {
            gru(cell);
            (cell.kernel_depth, cell.input_kernel_depth) = (3, 3);
        });
    });
    assert!(error.contains("stages[0].kernel_depth"), "{error}");
    let error = with(|config| {
        config.wiring = Wiring::GruRcn { pool: false };
        let gru = |inputs, lower_channels| CellConfig { lower_channels, ..CellConfig::new(inputs, 16) };
        config.stages = vec![Stage::Cell(gru(16, 0)), Stage::Cell(gru(16, 16))];
    });
    assert!(error.contains("wiring") && error.contains("2 inputs"), "{error}");
}

#[test]
fn a_mask_is_read_by_the_first_stage() {
    let config = RecurrentForecasterConfig::default().with_mask_channel(true);
    config.validate().unwrap();
    assert_eq!((config.body().in_channels(0), config.body().top_channels()), (32, 16));
    assert_eq!(config.clone().with_mask_channel(false), RecurrentForecasterConfig::default());
    // Stages that were written for frames with a mask.
    let unmasked = RecurrentForecasterConfig { mask_channel: false, ..config.clone() };
    assert_eq!(unmasked.with_mask_channel(true), config);
}
