use convgru_kernels::Extent;

use super::*;
use crate::config::{ConvGruConfig, KernelSizes, ResetGate};
use crate::fused::cell::{CellInput, CellOptions, CellParameters, CellShape, PreparedCell, draw};
use crate::random::Random;

/// A cell of one layer and what it computes.
fn cell(kernel: [usize; 2], hidden: usize, reset: ResetGate) -> (CellParameters<f64>, CellOptions) {
    let kernel_size = KernelSizes::PerLayer(vec![kernel]);
    let config = ConvGruConfig { kernel_size, reset, ..ConvGruConfig::new(2, &[hidden]) };
    let shape = CellShape::of_layer(&config, 0);
    let parameters = draw(shape, true, config.initializer, &mut Random::new(1, 0));
    (parameters, CellOptions::of(&config).unwrap())
}

const STEP: Extent = Extent { batch: 2, channels: 1, height: 4, width: 5 };

/// Memory of five steps, with the gates of two.
#[test]
fn the_memory_of_a_layer_is_counted_and_its_gates_come_round_again() {
    for (reset, of_gates) in [(ResetGate::Before, 3), (ResetGate::After, 4)] {
        let (parameters, options) = cell([3, 3], 3, reset);
        let cell = PreparedCell::new(&parameters, options, CellInput::Read).unwrap();
        let workspace = LayerWorkspace::new(&cell, STEP, 5, 2, [0, 0]).unwrap();
        let state = 2 * 3 * 4 * 5;
        assert_eq!((workspace.steps(), workspace.kept()), (5, 2));
        assert_eq!(workspace.numbers(), 5 * state + 2 * of_gates * state);
        assert_eq!(workspace.images(1..3), 2..6);
        let places = [0, 1, 2, 3, 4].map(|t| workspace.gate_images(workspace.images(t..t + 1)));
        assert_eq!(places, [0..2, 2..4, 0..2, 2..4, 0..2]);
        assert_eq!(workspace.memory(0..2).is_some(), reset == ResetGate::After);
    }
}

#[test]
fn memory_fits_cells_of_the_same_channels_reach_and_reset_gate() {
    let (parameters, options) = cell([3, 3], 3, ResetGate::Before);
    let own = PreparedCell::new(&parameters, options, CellInput::Read).unwrap();
    let workspace = LayerWorkspace::new(&own, STEP, 2, 2, [0, 0]).unwrap();
    assert!(workspace.fits(&own));
    for (kernel, hidden, reset) in
        [([3, 3], 2, ResetGate::Before), ([3, 5], 3, ResetGate::Before), ([3, 3], 3, ResetGate::After)]
    {
        let (parameters, options) = cell(kernel, hidden, reset);
        assert!(
            !workspace.fits(&PreparedCell::new(&parameters, options, CellInput::Read).unwrap()),
            "{kernel:?} {hidden} {reset}"
        );
    }
}
