//! Both directions of `torch.nn.GRU`, imported, against what it recorded.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorded;

use convgru_model::import::layout::Layout;
use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, ConvGruParameters, Directions, OutputGradients,
    Parameters, Sequence, Tensor, Workspace,
};
use recorded::{EXPECTED, GIVEN, Recorded};

const LENGTHS: [usize; 3] = [4, 2, 3];
const LAYERS: usize = 2;
const TOLERANCE: f64 = 1e-13;

type Tensors = Vec<(String, Tensor<f64>)>;

fn get(records: &[Recorded], name: &str) -> Tensor<f64> {
    let (_, shape, numbers) = records.iter().find(|(other, ..)| *other == name).unwrap();
    Tensor::from_vec(shape, numbers.to_vec()).unwrap()
}

/// A tensor with height and width of one pixel.
fn image(tensor: &Tensor<f64>) -> Tensor<f64> {
    tensor.clone().reshape(&[tensor.shape(), &[1, 1]].concat()).unwrap()
}

/// The recorded states or gradients of both directions of a layer.
fn of_layer(tensor: &Tensor<f64>, layer: usize) -> Vec<Tensor<f64>> {
    [0, 1].map(|direction| image(&tensor.index(2 * layer + direction))).to_vec()
}

fn expect_close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= TOLERANCE, "{what}: {got} where {expected} was recorded");
    }
}

fn network(layer: usize) -> (BidirectionalConvGru<f64>, Vec<String>) {
    let of = |name: &str| name.contains(&format!("_l{layer}"));
    let tensors: Tensors = GIVEN
        .iter()
        .filter(|(name, ..)| of(name))
        .map(|(name, ..)| ((*name).into(), get(GIVEN, name)))
        .collect();
    assert_eq!(tensors.len(), 8);
    let layout = Layout::of("torch_nn_gru_1x1").unwrap();
    let Directions { forward, backward } = layout.read_bidirectional(&tensors).unwrap();
    let parameters = Directions {
        forward: ConvGruParameters { layers: forward.layers },
        backward: ConvGruParameters { layers: backward.layers },
    };
    let config = BidirectionalConvGruConfig::new(forward.config);
    (BidirectionalConvGru::from_parameters(config, parameters).unwrap(), forward.prefixes)
}

#[test]
fn outputs_and_gradients_of_a_bidirectional_gru_over_packed_sequences_are_reproduced() {
    let networks = [network(0), network(1)];
    let (x, h0) = (image(&get(GIVEN, "x")), get(GIVEN, "h0"));
    let states = [of_layer(&h0, 0), of_layer(&h0, 1)];
    let mut kept = [Workspace::default(), Workspace::default()];
    let mut run = |layer: usize, input: &Tensor<f64>| {
        let (states, lengths) = (Some(&states[layer][..]), Some(&LENGTHS[..]));
        let sequence = Sequence { states, lengths, input_gradient: true, ..Sequence::from(input) };
        networks[layer].0.forward_train(sequence, &mut kept[layer]).unwrap()
    };
    // The second layer reads both directions of the first.
    let first = run(0, &x);
    let second = run(1, &first.outputs[0]);

    let output = get(EXPECTED, "output");
    for (n, &length) in LENGTHS.iter().enumerate() {
        for t in 0..length {
            let what = format!("output of sample {n} at step {t}");
            expect_close(&what, second.outputs[0].index(t).slice(n), output.index(t).slice(n));
        }
    }
    let h_n = get(EXPECTED, "h_n");
    for (layer, states) in [&first, &second].into_iter().enumerate() {
        for (direction, last) in states.last.iter().enumerate() {
            expect_close("last state", last.as_slice(), h_n.slice(2 * layer + direction));
        }
    }

    let d_last = get(GIVEN, "probe.h_n");
    let mut d_output = image(&get(GIVEN, "probe.output"));
    for layer in (0..LAYERS).rev() {
        let d_last = of_layer(&d_last, layer);
        let d_outputs =
            OutputGradients { outputs: vec![Some(&d_output)], last: d_last.iter().map(Some).collect() };
        let (network, prefixes) = &networks[layer];
        let mut gradients = network.parameters().zeros_like();
        let mut back = network.backward(&mut kept[layer], &d_outputs, &mut gradients).unwrap();
        for (direction, d_state) in back.states.iter().enumerate() {
            let expected = get(EXPECTED, "grad.h0");
            expect_close("gradient of h0", d_state.as_slice(), expected.slice(2 * layer + direction));
        }
        let layout = Layout::of("torch_nn_gru_1x1").unwrap();
        for (gradients, end) in [(&gradients.forward, ""), (&gradients.backward, "_reverse")] {
            for (name, gradient) in layout.write_gradients(prefixes, &gradients.layers).unwrap() {
                let name = format!("grad.{name}{end}");
                expect_close(&name, gradient.as_slice(), get(EXPECTED, &name).as_slice());
            }
        }
        d_output = back.inputs.remove(0);
    }
    expect_close("gradient of x", d_output.as_slice(), get(EXPECTED, "grad.x").as_slice());
}
