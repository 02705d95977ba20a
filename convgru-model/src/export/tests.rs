//! Imported networks, written back.

use super::*;
use crate::import::layout::Layout;
use crate::import::{NamedNetwork, NamedTensors, detect, read, read_all};
use crate::parameters::Parameters;
use crate::tensor::Tensor;
use crate::{ConvGru, ConvGruConfig, Network};

type Tensors = Vec<(String, Tensor<f64>)>;

/// Numbers of 32 bits with a zero of each sign among them.
fn numbers(name: &str, shape: &[usize], first: usize) -> (String, Tensor<f64>) {
    let number = |i: usize| match (first + 7 * i) % 23 {
        0 => -0.0,
        1 => 0.0,
        place => f64::from(place as f32 / 23.0 - 0.5),
    };
    (name.to_owned(), Tensor::from_fn(shape, number))
}

fn bits(tensors: &Tensors) -> Vec<(&str, &[usize], Vec<u64>)> {
    let mut bits: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| {
            (name.as_str(), tensor.shape(), tensor.as_slice().iter().map(|x| x.to_bits()).collect())
        })
        .collect();
    bits.sort();
    bits
}

/// All detected networks, through a file and back into one set of tensors.
fn there_and_back(tensors: &Tensors) -> Tensors {
    let found = detect(tensors.clone());
    assert!(found.incomplete.is_empty(), "{:?}", found.incomplete);
    let read = read_all::<f64>(&networks(&found.networks).unwrap()).unwrap();
    let back = read
        .iter()
        .flat_map(|named| original(&named.network, named.origin.as_ref().unwrap()).unwrap().tensors);
    back.collect()
}

#[test]
fn stacks_of_every_layout_come_back_bit_for_bit() {
    for layout in Layout::ALL {
        let mut config = ConvGruConfig { reset: layout.reset, ..ConvGruConfig::new(4, &[4, 4]) };
        if layout.matrices {
            config.kernel_size = 1.into();
        }
        let network = ConvGru::<f64>::new(config, 0).unwrap();
        let mut tensors = state_dict(layout, &network, None).unwrap().tensors;
        for (place, (name, tensor)) in tensors.iter_mut().enumerate() {
            *tensor = numbers(name, tensor.shape(), place).1;
        }
        let back = there_and_back(&tensors);
        // Zeros of biases that are added up may change their sign.
        let positive = |tensors: &Tensors| -> Tensors {
            let plain =
                |tensor: &Tensor<f64>| Tensor::from_fn(tensor.shape(), |i| tensor.as_slice()[i] + 0.0);
            tensors.iter().map(|(name, tensor)| (name.clone(), plain(tensor))).collect()
        };
        assert_eq!(bits(&positive(&back)), bits(&positive(&tensors)), "{}", layout.system);
        if layout.reset == crate::ResetGate::Before {
            assert_eq!(bits(&back), bits(&tensors), "{}", layout.system);
        }
    }
}

/// FireNet under other names, RAFT's pair of cells, both directions of a GRU, and kernels of TensorFlow.
#[test]
fn networks_of_other_systems_come_back_under_the_names_of_their_file() {
    let mut fire_net = vec![numbers("net.in.weight", &[3, 2, 3, 3], 1), numbers("net.in.bias", &[3], 2)];
    for at in 1..=2 {
        for gate in ["reset_gate", "update_gate", "out_gate"] {
            fire_net.push(numbers(&format!("net.cell{at}.{gate}.weight"), &[3, 6, 3, 3], 10 * at));
            fire_net.push(numbers(&format!("net.cell{at}.{gate}.bias"), &[3], 10 * at + 1));
        }
        for part in ["conv1", "conv2"] {
            fire_net.push(numbers(&format!("net.block{at}.{part}.weight"), &[3, 3, 3, 3], 10 * at + 2));
            fire_net.push(numbers(&format!("net.block{at}.{part}.bias"), &[3], 10 * at + 3));
        }
    }
    fire_net.extend([numbers("net.out.weight", &[1, 3, 1, 1], 3), numbers("net.out.bias", &[1], 4)]);
    let pair = ["convz1", "convr1", "convq1", "convz2", "convr2", "convq2"];
    let pair = pair.iter().map(|gate| numbers(&format!("u.gru.{gate}.weight"), &[2, 5, 1, 5], gate.len()));
    let mut gru = Vec::new();
    for end in ["", "_reverse"] {
        for (name, shape) in
            [("weight_ih", &[6, 3][..]), ("weight_hh", &[6, 2]), ("bias_ih", &[6]), ("bias_hh", &[6])]
        {
            gru.push(numbers(&format!("{name}_l0{end}"), shape, 3 + gru.len()));
        }
    }
    let carlthome = [
        numbers("rnn/gates/kernel", &[3, 1, 5, 4], 1),
        numbers("rnn/gates/bias", &[4], 2),
        numbers("rnn/candidate/kernel", &[3, 1, 5, 2], 3),
        numbers("rnn/candidate/bias", &[2], 4),
    ];
    for tensors in [fire_net, pair.collect(), gru, carlthome.into()] {
        let (back, given) = (there_and_back(&tensors), &tensors);
        let signless = |tensors: &Tensors| -> Vec<(String, Vec<f64>)> {
            let mut named: Vec<_> =
                tensors.iter().map(|(name, tensor)| (name.clone(), tensor.as_slice().to_vec())).collect();
            named.sort_by(|(one, _), (other, _)| one.cmp(other));
            named
        };
        assert_eq!(signless(&back), signless(given));
    }
}

#[test]
fn weight_norm_is_multiplied_out_and_noted() {
    let mut tensors = Tensors::new();
    for gate in ["update_gate", "reset_gate", "out_gate"] {
        tensors.push(numbers(&format!("cell.{gate}.weight_g"), &[2, 1, 1, 1], 2));
        tensors.push(numbers(&format!("cell.{gate}.weight_v"), &[2, 5, 3, 3], 5));
    }
    let found = detect(tensors).networks.remove(0);
    let origin = found.origin.unwrap();
    let names = ["update_gate", "reset_gate", "out_gate"].map(|gate| format!("cell.{gate}.weight"));
    assert_eq!(origin.weight_norm.len(), 3);
    assert!(names.iter().all(|name| origin.weight_norm.contains(name)), "{:?}", origin.weight_norm);
    let back = original(&found.network, &origin).unwrap().tensors;
    assert!(back.iter().all(|(name, _)| names.contains(name)), "{back:?}");
    // They are the weights that the same cells are detected in.
    let again = detect(back).networks.remove(0);
    assert_eq!(again.network.to_named(), found.network.to_named());
}

/// Another network than the one that was imported has no place in its layout.
#[test]
fn another_network_is_refused_by_name() {
    let gates = ["convz", "convr", "convq"];
    let tensors: Tensors = gates.map(|gate| numbers(&format!("gru.{gate}.weight"), &[2, 5, 3, 3], 0)).into();
    let NamedNetwork { origin, .. } = detect(tensors).networks.remove(0);
    let origin = origin.unwrap();
    let error = |config: ConvGruConfig| {
        let network = Network::from(ConvGru::<f64>::new(config, 0).unwrap());
        original(&network, &origin).unwrap_err().to_string()
    };
    let plain = ConvGruConfig { bias: false, ..ConvGruConfig::new(3, &[2]) };
    original(&ConvGru::<f64>::new(plain.clone(), 0).unwrap().into(), &origin).unwrap();
    let wider = error(ConvGruConfig { in_channels: 4, ..plain.clone() });
    assert!(
        wider.contains("`stages.0.input_weights` for raft: shape [6, 4, 3, 3] where [6, 3, 3, 3]"),
        "{wider}"
    );
    let bias = error(ConvGruConfig { bias: true, ..plain.clone() });
    assert!(bias.contains("the layout of raft: it has no place for the tensor `stages.0.bias`"), "{bias}");
    let deeper = error(ConvGruConfig { hidden_channels: vec![2, 2], ..plain });
    assert!(deeper.contains("no place for the tensor `stages.1.input_weights`"), "{deeper}");
    let forecaster = crate::Forecaster::<f64>::new(crate::ForecasterConfig::default(), 0).unwrap();
    let error = original(&forecaster.into(), &origin).unwrap_err().to_string();
    assert!(error.contains("no network of the kind encoder-forecaster"), "{error}");
}

#[test]
fn files_tell_their_networks_or_are_refused() {
    let network = |seed| Network::from(ConvGru::<f32>::new(ConvGruConfig::new(1, &[2]), seed).unwrap());
    let named = |name: &str, seed| NamedNetwork { name: name.into(), network: network(seed), origin: None };
    let two = networks(&vec![named("a.", 0), named("b.", 1)]).unwrap();
    let error = read::<f32>(&two).unwrap_err().to_string();
    assert!(error.contains("it holds 2 networks: `a.`, `b.`"), "{error}");
    let all = read_all::<f32>(&two).unwrap();
    assert_eq!(all[1].network.to_named(), network(1).to_named());
    assert!(networks::<f32>(&Vec::new()).is_err());
    let entry = |text: &str| {
        let metadata = [(crate::import::DESCRIPTION_ENTRY.to_owned(), text.to_owned())];
        let bytes = to_safetensors(&network(0), &metadata).unwrap();
        read::<f32>(&bytes).unwrap_err().to_string()
    };
    for (text, words) in [
        ("[", "the entry `convgru` of the metadata: "),
        (r#"{"version": 7, "networks": []}"#, "it has version 7, and version 1 is read"),
        (r#"{"version": 1, "networks": []}"#, "it describes no network"),
        (r#"{"version": 1, "networks": [{"name": "", "network": {"tree": {}}}]}"#, "tree"),
        (
            r#"{"version": 1, "networks": [{"name": "", "network": {"forecaster": {"kind": "pyramid"}}}]}"#,
            "encoder.0.down.weight",
        ),
    ] {
        assert!(entry(text).contains(words), "{text}: {}", entry(text));
    }
    // Files of other programs are known by their names, or not at all.
    let foreign =
        NamedTensors { tensors: vec![("x".to_owned(), Tensor::<f32>::zeros(&[1]))], skipped: Vec::new() };
    let error = read::<f32>(&to_safetensors(&foreign, &[]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("no network of a known system is among its 1 tensors"), "{error}");
    let Network::ConvGru(stack) = network(0) else { panic!("it is a stack") };
    let theirs = state_dict(&Layout::SEED, &stack, None).unwrap();
    let read = read::<f32>(&to_safetensors(&theirs, &[]).unwrap()).unwrap();
    assert_eq!(read.to_named(), stack.parameters().to_named());
}
