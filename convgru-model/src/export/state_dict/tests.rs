use super::*;
use crate::config::{ConvGruConfig, ResetGate};
use crate::import;
use crate::parameters::Parameters;

/// A stack that a layout can hold, with numbers that are all different.
fn network(layout: &Layout, bias: bool) -> ConvGru<f32> {
    let mut config = ConvGruConfig { reset: layout.reset, bias, ..ConvGruConfig::new(4, &[4, 4]) };
    if layout.matrices {
        config.kernel_size = 1.into();
    }
    let mut network = ConvGru::<f32>::new(config, 5).unwrap();
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name.ends_with("bias") {
            let shape = tensor.shape().to_vec();
            *tensor = Tensor::from_fn(&shape, |i| if i % 3 == 0 { 0.0 } else { 0.37 * i as f32 - 1.0 });
        }
    });
    network
}

fn bits(tensors: &[(String, Tensor<f32>)]) -> Vec<(&str, Vec<u32>)> {
    let of = |tensor: &Tensor<f32>| tensor.as_slice().iter().map(|x| x.to_bits()).collect();
    tensors.iter().map(|(name, tensor)| (name.as_str(), of(tensor))).collect()
}

#[test]
fn other_functions_and_gaps_are_refused_by_name() {
    use crate::layer::Activation;
    let plain = ConvGruConfig::new(2, &[3]);
    for (config, words) in [
        (
            ConvGruConfig { candidate_activation: Activation::Relu, ..plain.clone() },
            "candidate_activation: relu where jacobkimmel has tanh",
        ),
        (
            ConvGruConfig { gate_activation: Activation::HardSigmoid, ..plain.clone() },
            "gate_activation: hard-sigmoid where jacobkimmel has sigmoid",
        ),
        (ConvGruConfig { dilation: [2, 1], ..plain }, "dilation: [2, 1] where jacobkimmel"),
    ] {
        let network = ConvGru::<f32>::new(config, 0).unwrap();
        let error = state_dict(&Layout::SEED, &network, None).unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn every_layout_gives_back_the_same_bits_and_so_do_its_own_files() {
    for layout in Layout::ALL {
        for bias in [true, false] {
            let network = network(layout, bias);
            let written = state_dict(layout, &network, None).unwrap();
            let file = crate::export::to_safetensors(&written, &[]).unwrap();
            let tensors: Vec<(String, Tensor<f32>)> = import::named_tensors(&file)
                .unwrap()
                .tensors
                .into_iter()
                .map(|(name, tensor)| (name, tensor.cast()))
                .collect();
            let read = layout.read(&tensors).unwrap();
            assert_eq!(read.prefixes, prefixes(layout, 2, None).unwrap(), "{}", layout.system);
            let names = written.tensors.iter().map(|(name, _)| name.as_str());
            assert_eq!(layout.cells_in(names), read.prefixes, "{}", layout.system);
            let read_back = ConvGru::from_parameters(
                read.config.clone(),
                crate::ConvGruParameters { layers: read.layers },
            )
            .unwrap();
            if bias || !ALWAYS_WITH_BIAS.contains(&layout.system) {
                let (ours, theirs) = (network.parameters().to_named(), read_back.parameters().to_named());
                assert_eq!(bits(&ours), bits(&theirs), "{}", layout.system);
            }
            let again = state_dict(layout, &read_back, None).unwrap();
            assert_eq!(bits(&again.tensors), bits(&written.tensors), "{}", layout.system);
        }
    }
}

#[test]
fn names_of_cells_are_those_of_the_system_or_as_wanted() {
    let first = |system: &str, cells: Option<&str>| {
        let layout = Layout::of(system).unwrap();
        state_dict(layout, &network(layout, true), cells).unwrap().tensors.swap_remove(0).0
    };
    assert_eq!(first("jacobkimmel", None), "ConvGRUCell_00.update_gate.weight");
    assert_eq!(first("happyjin", None), "cell_list.0.conv_gates.weight");
    assert_eq!(first("torch_nn_gru_1x1", None), "weight_ih_l0");
    assert_eq!(first("rvm", None), "0.ih.0.weight");
    assert_eq!(first("rvm", Some("decoder.{}.gru")), "decoder.0.gru.ih.0.weight");
}

#[test]
fn what_a_system_has_no_place_for_is_named_with_its_numbers() {
    let refused = |system: &str, change: &dyn Fn(&mut ConvGruConfig), cells: Option<&str>| {
        let layout = Layout::of(system).unwrap();
        let mut config = ConvGruConfig { reset: layout.reset, ..ConvGruConfig::new(3, &[3, 3]) };
        change(&mut config);
        let network = ConvGru::<f32>::new(config, 0).unwrap();
        state_dict(layout, &network, cells).unwrap_err().to_string()
    };
    let after = refused("jacobkimmel", &|config| config.reset = ResetGate::After, None);
    assert!(after.contains("it acts after") && after.contains("in jacobkimmel it acts before"), "{after}");
    let before = refused("metnet", &|config| config.reset = ResetGate::Before, None);
    assert!(before.contains("it acts before") && before.contains("in metnet it acts after"), "{before}");
    let kernels = refused("torch_nn_gru_1x1", &|_| (), None);
    assert!(kernels.contains("[3, 3] where [1, 1] is needed"), "{kernels}");
    let uneven = |config: &mut ConvGruConfig| {
        config.kernel_size = 1.into();
        config.hidden_channels = vec![3, 5];
    };
    let layers = refused("torch_nn_gru_1x1", &uneven, None);
    assert!(layers.contains("layer 0 has 3 and layer 1 has 5"), "{layers}");
    let apart = refused("raft", &|config| config.input_kernel_size = Some(5.into()), None);
    assert!(apart.contains("[5, 5] where [3, 3]"), "{apart}");
    let inputs = refused("rvm", &|config| config.in_channels = 7, None);
    assert!(inputs.contains("layer 0 has 7 and 3"), "{inputs}");
    let none = refused("raft", &|config| config.in_channels = 0, None);
    assert!(none.contains("in_channels: 0"), "{none}");
    let names = refused("rvm", &|_| (), Some("gru."));
    assert!(names.contains("`gru.`") && names.contains("2 layers"), "{names}");
    let numbers = refused("torch_nn_gru_1x1", &|config| config.kernel_size = 1.into(), Some("gru"));
    assert!(numbers.contains("only numbers"), "{numbers}");
}
