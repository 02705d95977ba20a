use super::*;
use crate::Error;
use crate::composed::Recurrent;
use crate::network::Network;
use crate::tensor::Tensor;

fn numbered(name: &str, shape: &[usize], first: usize) -> (String, Tensor<f64>) {
    (name.to_owned(), Tensor::from_fn(shape, |i| ((first + 7 * i) % 23) as f64 / 23.0 - 0.5))
}

/// A cell of carlthome's: kernels `[kh, kw, in, out]`, 3 channels of input, 2 of state.
fn carlthome() -> Vec<(String, Tensor<f64>)> {
    vec![
        numbered("rnn/gates/kernel", &[3, 1, 5, 4], 1),
        numbered("rnn/gates/bias", &[4], 2),
        numbered("rnn/candidate/kernel", &[3, 1, 5, 2], 3),
        numbered("rnn/candidate/bias", &[2], 4),
    ]
}

#[test]
fn kernels_of_tensorflow_are_turned_and_turned_back() {
    let tensors = carlthome();
    let imported = read("carlthome", &tensors, &Hints::default()).unwrap();
    let input = imported.parameters.find("stages.0.input_weights").unwrap();
    assert_eq!(input.shape(), [6, 3, 3, 1]);
    // Output 1 of the reset gate, input 2, tap 0: the gates begin with the reset gate.
    assert_eq!(input.slice(2 + 1)[2 * 3], tensors[0].1.as_slice()[2 * 4 + 1]);
    // The update gate weighs the other side.
    assert_eq!(input.slice(1)[2 * 3], -tensors[0].1.as_slice()[2 * 4 + 2 + 1]);
    let back = imported.write_gradients(&imported.parameters).unwrap();
    assert_eq!(back, tensors);
}

#[test]
fn every_number_of_a_network_has_one_place() {
    let tensors = vec![
        numbered("gru.convz.weight", &[2, 5, 3, 3], 0),
        numbered("gru.convr.weight", &[2, 5, 3, 3], 1),
        numbered("gru.convq.weight", &[2, 5, 3, 3], 2),
        numbered("gru.w.weight", &[2, 2, 1, 1], 3),
        numbered("gru.w.bias", &[2], 4),
        numbered("gru.convz_glo.weight", &[2, 2, 1, 1], 5),
        numbered("gru.convz_glo.bias", &[2], 6),
        numbered("gru.convr_glo.weight", &[2, 2, 1, 1], 7),
        numbered("gru.convr_glo.bias", &[2], 8),
        numbered("gru.convq_glo.weight", &[2, 2, 1, 1], 9),
        numbered("gru.convq_glo.bias", &[2], 10),
    ];
    let imported = read("droid", &tensors, &Hints::default()).unwrap();
    assert_eq!(imported.write_gradients(&imported.parameters).unwrap(), tensors);
    assert_eq!(imported.published().count(), tensors.len());
    let network = Recurrent::from_parameters(imported.config, imported.parameters).unwrap();
    let frames = Tensor::zeros(&[2, 1, 3, 4, 5]);
    assert_eq!(network.forward(&frames).unwrap().outputs[0].shape(), [2, 1, 2, 4, 5]);
}

#[test]
fn dilation_is_told_and_that_of_iter_mvs_is_known() {
    let cell = |gate: &str| numbered(&format!("gru.{gate}.weight"), &[2, 5, 3, 3], 0);
    let tensors = [cell("convz"), cell("convr"), cell("convq")];
    let imported = read("iter_mvs", &tensors, &Hints::default()).unwrap();
    let config = imported.config.cells().next().unwrap().clone();
    assert_eq!((config.dilation, config.input_dilation), ([2, 2], [2, 2]));
    let hints = Hints { dilation: Some([1, 3]), ..Hints::default() };
    let config = read("raft", &tensors, &hints).unwrap().config;
    assert_eq!(config.cells().next().unwrap().dilation, [1, 3]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let error = |system: &str, tensors: &[(String, Tensor<f64>)]| {
        read(system, tensors, &Hints::default()).unwrap_err().to_string()
    };
    let mut tensors = carlthome();
    assert!(error("nobody", &tensors).contains("`nobody` is not known"));
    tensors.push(numbered("rnn/extra", &[1], 0));
    assert_eq!(
        error("carlthome", &tensors),
        Error::UnexpectedTensor { name: "rnn/extra".into() }.to_string()
    );
    tensors.truncate(2);
    assert!(error("carlthome", &tensors).contains("rnn/candidate/kernel"));
    let mut tensors = carlthome();
    tensors[1].1 = Tensor::zeros(&[5]);
    assert!(error("carlthome", &tensors).contains("rnn/gates/bias"));
    assert!(error("jhhuang96", &carlthome()).contains("conv1.0.weight"));
    assert!(error("onnx_gru_1x1", &carlthome()).contains("rnn/gates/kernel"));
}

#[test]
fn every_system_is_known_and_refuses_nothing_at_all() {
    for system in SYSTEMS {
        let error = read::<f32>(system, &[], &Hints::default()).unwrap_err();
        assert!(!matches!(error, Error::InvalidConfig { .. }), "{system}: {error}");
    }
}

#[test]
fn plain_chains_of_grus_are_for_the_fused_engine() {
    let gate = |gate: &str| numbered(&format!("gru.{gate}.weight"), &[2, 5, 3, 3], 0);
    let tensors = [gate("convz"), gate("convr"), gate("convq")];
    let imported = read("iter_mvs", &tensors, &Hints::default()).unwrap();
    let composed = Recurrent::from_parameters(imported.config.clone(), imported.parameters.clone()).unwrap();
    let Network::ConvGru(fused) = imported.into_network().unwrap() else { panic!("not fused") };
    let frames = numbered("frames", &[3, 1, 3, 6, 7], 5).1;
    let [a, b] = [composed.forward(&frames), fused.forward(&frames)]
        .map(|states| states.unwrap().outputs.swap_remove(0));
    let differences = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs());
    assert!(differences.fold(0.0, f64::max) < 1e-12);

    // What a layer gives is added to what it reads from the second layer on.
    let layer = |layer: usize, inputs: usize| {
        ["i2h", "h2h"].map(|part| {
            let columns = if part == "i2h" { inputs } else { 2 };
            numbered(&format!("rnn_{layer}_{part}_weight"), &[6, columns, 3, 3], layer)
        })
    };
    for (tensors, is_fused) in [(layer(0, 3).to_vec(), true), ([layer(0, 2), layer(1, 2)].concat(), false)] {
        let network = read("hko7", &tensors, &Hints::default()).unwrap().into_network().unwrap();
        assert_eq!(matches!(network, Network::ConvGru(_)), is_fused, "{network:?}");
        assert_eq!(network.description().recurrent().unwrap().cells().count(), tensors.len() / 2);
    }
}

/// The tensors of a trajectory GRU of 2 channels and 3 flows, with an input of 4 channels or without one.
fn traj_gru(with_input: bool) -> Vec<(String, Tensor<f64>)> {
    let mut tensors = vec![
        numbered("fbrnn3_0_h2f_conv1_weight", &[5, 2, 5, 5], 0),
        numbered("fbrnn3_0_h2f_conv1_bias", &[5], 1),
        numbered("fbrnn3_0_f_out_weight", &[6, 5, 5, 5], 2),
        numbered("fbrnn3_0_f_out_bias", &[6], 3),
        numbered("fbrnn3_0_h2h_weight", &[6, 6, 1, 1], 4),
        numbered("fbrnn3_0_h2h_bias", &[6], 5),
    ];
    if with_input {
        tensors.push(numbered("fbrnn3_0_i2h_weight", &[6, 4, 3, 3], 6));
        tensors.push(numbered("fbrnn3_0_i2h_bias", &[6], 7));
        tensors.push(numbered("fbrnn3_0_i2f_conv1_weight", &[5, 4, 5, 5], 8));
        tensors.push(numbered("fbrnn3_0_i2f_conv1_bias", &[5], 9));
    }
    tensors
}

#[test]
fn a_trajectory_gru_without_input_is_one_and_one_that_lacks_a_tensor_is_not() {
    for (with_input, inputs) in [(false, 0), (true, 4)] {
        let found = crate::import::detect(traj_gru(with_input));
        assert_eq!((found.networks.len(), found.left.len()), (1, 0), "{:?}", found.left);
        assert_eq!(found.networks[0].origin.as_ref().unwrap().system, "hko7_trajgru");
        let config = found.networks[0].network.description().recurrent().unwrap();
        let cell = config.cells().next().unwrap();
        assert_eq!(
            (cell.in_channels, cell.hidden_channels, cell.flows, cell.flow_channels),
            (inputs, 2, 3, 5)
        );
        let imported = read("hko7_trajgru", &traj_gru(with_input), &Hints::default()).unwrap();
        let network = Recurrent::from_parameters(imported.config, imported.parameters).unwrap();
        let frames = Tensor::zeros(&[3, 1, inputs, 4, 5]);
        let top = network.forward(&frames).unwrap().outputs.remove(0);
        assert!(top.shape() == [3, 1, 2, 4, 5] && top.as_slice().iter().any(|&number| number != 0.0));
    }
    for missing in ["i2h_weight", "i2h_bias", "i2f_conv1_weight", "i2f_conv1_bias", "h2h_bias", "f_out_bias"]
    {
        let mut tensors = traj_gru(true);
        tensors.retain(|(name, _)| !name.ends_with(missing));
        let found = crate::import::detect(tensors);
        let reason = &found.incomplete[0].reason;
        assert!(reason.contains(&format!("no tensor `fbrnn3_0_{missing}`")), "{missing}: {reason}");
    }
}

/// DROID's cell of 2 channels.
fn droid() -> Vec<(String, Tensor<f64>)> {
    let mut tensors: Vec<(String, Tensor<f64>)> = ["convz", "convr", "convq"]
        .map(|gate| numbered(&format!("gru.{gate}.weight"), &[2, 5, 3, 3], 0))
        .into();
    for name in ["w", "convz_glo", "convr_glo", "convq_glo"] {
        tensors.push(numbered(&format!("gru.{name}.weight"), &[2, 2, 1, 1], 1));
        tensors.push(numbered(&format!("gru.{name}.bias"), &[2], 2));
    }
    tensors
}

/// A cell of DGMR's of 2 channels of state and 3 of input, with a spectral norm.
fn dgmr() -> Vec<(String, Tensor<f64>)> {
    let mut tensors = Vec::new();
    for gate in ["read_gate_conv", "update_gate_conv", "output_conv"] {
        tensors.push(numbered(&format!("c.{gate}.weight_orig"), &[2, 5, 3, 3], 1));
        tensors.push(numbered(&format!("c.{gate}.bias"), &[2], 2));
        tensors.push(numbered(&format!("c.{gate}.weight_u"), &[2], 3));
        tensors.push(numbered(&format!("c.{gate}.weight_v"), &[45], 4));
    }
    tensors
}

/// A cell of jhhuang96's of 32 channels of state and 1 of input.
fn jhhuang96() -> Vec<(String, Tensor<f64>)> {
    vec![
        numbered("g.conv1.0.weight", &[64, 33, 1, 1], 0),
        numbered("g.conv1.0.bias", &[64], 1),
        numbered("g.conv1.1.weight", &[64], 2),
        numbered("g.conv1.1.bias", &[64], 3),
        numbered("g.conv2.0.weight", &[32, 33, 1, 1], 4),
        numbered("g.conv2.0.bias", &[32], 5),
        numbered("g.conv2.1.weight", &[32], 6),
        numbered("g.conv2.1.bias", &[32], 7),
    ]
}

/// Two layers of Ballas' stack, of 2 and 3 channels.
fn ballas() -> Vec<(String, Tensor<f64>)> {
    let mut tensors = Vec::new();
    for (layer, inputs, hidden) in [(0, 4, 2), (1, 5, 3)] {
        for gate in ["_z", "_r", ""] {
            tensors.push(numbered(&format!("cells.{layer}.W{gate}"), &[hidden, inputs, 3, 3], layer));
            tensors.push(numbered(&format!("cells.{layer}.U{gate}"), &[hidden, hidden, 3, 3], 1 + layer));
        }
    }
    tensors.push(numbered("cells.1.W_zl", &[3, 2, 3, 3], 5));
    tensors.push(numbered("cells.1.W_rl", &[3, 2, 3, 3], 6));
    tensors
}

/// Every tensor of a network that has a row more or less, or its axes in another order, is refused with its name and both shapes.
#[test]
fn a_tensor_of_another_shape_is_refused_whichever_it_is() {
    for (system, tensors) in [
        ("droid", droid()),
        ("dgmr", dgmr()),
        ("jhhuang96", jhhuang96()),
        ("hko7_trajgru", traj_gru(true)),
        ("hko7_trajgru", traj_gru(false)),
        ("ballas_stacked", ballas()),
    ] {
        let hints = Hints::default();
        let imported = read(system, &tensors, &hints).unwrap_or_else(|error| panic!("{system}: {error}"));
        assert_eq!(imported.write_gradients(&imported.parameters).unwrap().len(), tensors.len());
        for place in 0..tensors.len() {
            let (name, whole) = (&tensors[place].0, tensors[place].1.shape().to_vec());
            let mut shapes: Vec<Vec<usize>> = Vec::new();
            for rows in [1, whole[0] - 1, whole[0] + 1, 2 * whole[0]] {
                shapes.push([&[rows], &whole[1..]].concat());
            }
            shapes.push(Vec::new());
            if whole.len() == 4 {
                shapes.push(vec![whole[0], whole[1] * whole[2] * whole[3]]);
                shapes.push(vec![whole[0], whole[2], whole[3], whole[1]]);
                shapes.push(vec![whole[0], whole[1] + 1, whole[2], whole[3]]);
            }
            let dimensions =
                |shape: &[usize]| shape.iter().filter(|&&size| size != 1).copied().collect::<Vec<_>>();
            shapes.retain(|shape| dimensions(shape) != dimensions(&whole));
            for shape in shapes {
                let mut changed = tensors.clone();
                changed[place].1 = Tensor::from_fn(&shape, |_| 0.5);
                let error = match read(system, &changed, &hints) {
                    Ok(_) => panic!("{system}: `{name}` of {shape:?} and not {whole:?} was read"),
                    Err(error) => error.to_string(),
                };
                // The kernels that tell the sizes of a cell are taken at their word, and others do not fit them.
                if name.contains("_glo")
                    || name.contains("w.")
                    || name.ends_with("_u")
                    || name.contains("f_out")
                {
                    assert!(error.contains(&format!("{name}: shape {shape:?} where ")), "{system}: {error}");
                }
            }
        }
    }
}
