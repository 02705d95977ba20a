//! Temporary memory is meaningless: whatever an earlier call left there, results are the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_kernels::conv::{self, ConvShape, PackedWeights, Precision, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scratchpad};

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 * 0.01 - 0.5).collect()
}

/// Result, gradient of the input and gradient of the weights, one after the other.
fn results(shape: &ConvShape, image: f32, scratch: &mut Scratchpad<f32>) -> Vec<u32> {
    let isa = scratch.isa();
    let extent = Extent { batch: 2, channels: shape.in_channels, height: 13, width: 11 };
    let [height, width] = shape.output_size([extent.height, extent.width]).unwrap();
    let output = Extent { channels: shape.out_channels, height, width, ..extent };
    let map = |extent: Extent, halo| {
        let mut maps = FeatureMaps::with_halo(extent, halo).unwrap();
        let values: Vec<f32> = numbers(extent.len()).iter().map(|x| x * image).collect();
        maps.as_mut().read_nchw(&values).unwrap();
        maps
    };
    let halo = shape.kernel.map(|size| size / 2);
    let (x, dy) = (map(extent, halo), map(output, halo));
    let weights = numbers(shape.weight_len());
    let packed = PackedWeights::with_isa(*shape, &weights, isa).unwrap();
    let (mut y, mut dx) = (FeatureMaps::zeros(output).unwrap(), FeatureMaps::zeros(extent).unwrap());
    let mut dw = vec![0.0; weights.len()];
    conv::forward(&packed, x.as_ref(), y.as_mut(), WriteMode::Overwrite, scratch).unwrap();
    conv::input_gradient(&packed, dy.as_ref(), dx.as_mut(), WriteMode::Overwrite, scratch).unwrap();
    conv::weight_gradient(shape, x.as_ref(), dy.as_ref(), &mut dw, scratch).unwrap();
    let mut all = vec![0.0; output.len() + extent.len()];
    y.as_ref().write_nchw(&mut all[..output.len()]).unwrap();
    dx.as_ref().write_nchw(&mut all[output.len()..]).unwrap();
    all.iter().chain(&dw).map(|x| x.to_bits()).collect()
}

#[test]
fn numbers_that_are_none_leave_no_trace_in_temporary_memory() {
    for isa in Isa::all() {
        for (kernel, stride, precision) in [
            (3, 1, Precision::Fast),
            (5, 1, Precision::Fast),
            (3, 1, Precision::Exact),
            (3, 2, Precision::Exact),
        ] {
            let shape = ConvShape { stride: [stride; 2], precision, ..ConvShape::same(19, 37, [kernel; 2]) };
            let fresh = results(&shape, 1.0, &mut Scratchpad::with_isa(isa));
            let mut scratch = Scratchpad::with_isa(isa);
            let spoilt = results(&shape, f32::NAN, &mut scratch);
            assert!(spoilt.iter().any(|&bits| f32::from_bits(bits).is_nan()));
            assert!(results(&shape, 1.0, &mut scratch) == fresh, "{kernel}x{kernel}/{stride} on {isa}");
        }
    }
}
