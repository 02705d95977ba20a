use super::*;
use crate::import::Detected;
use crate::layer::PixelUnshuffle;
use crate::network::Network;
use crate::{ForecasterConfig, Parameters, export};

type Tensors = Vec<(String, Tensor<f64>)>;

fn network() -> (MlcastConfig, Forecaster<f64>) {
    let config =
        MlcastConfig { image_channels: 2, blocks: 2, kernel_size: [1, 3], ..MlcastConfig::default() };
    let mut network = Forecaster::new(config.clone(), 3).unwrap();
    let mut number = 0.0;
    network.parameters_mut().for_each_mut(&mut |_, tensor| {
        tensor.as_mut_slice().iter_mut().for_each(|weight| {
            number += 1.0;
            *weight = number;
        });
    });
    (config, network)
}

fn written(prefix: &str) -> Tensors {
    let (config, network) = network();
    let tensors = export::mlcast(&config, network.parameters()).unwrap().tensors;
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

#[test]
fn channels_are_in_the_order_of_pixel_unshuffle() {
    // Each number is its channel at the finest scale and its place there.
    let frame = Tensor::<f64>::from_fn(&[1, 3, 4, 4], |index| index as f64);
    let unshuffle = PixelUnshuffle { factor: 2 };
    let theirs = unshuffle.forward(&unshuffle.forward(&frame).unwrap()).unwrap();
    // Ours: pixels of a square first, at each scale.
    let order = order(3, 2);
    let ours: Vec<f64> = order.iter().map(|&channel| theirs.as_slice()[channel]).collect();
    for (channel, &number) in ours.iter().enumerate() {
        let (coarse, fine, of_frame) = (channel / 12, channel / 3 % 4, channel % 3);
        let (row, column) = (2 * (coarse / 2) + fine / 2, 2 * (coarse % 2) + fine % 2);
        assert_eq!(number, (of_frame * 16 + row * 4 + column) as f64, "channel {channel}");
    }
    let back = inverse(&order);
    assert!((0..48).all(|channel| back[order[channel]] == channel));
}

#[test]
fn networks_are_found_under_any_prefix_and_compiled() {
    let (config, network) = network();
    for prefix in ["", "state_dict.network.", "state_dict.network._orig_mod.", "_orig_mod.network."] {
        let mut tensors = written(prefix);
        tensors.push(("optimizer_states.0.state.0.exp_avg".into(), Tensor::zeros(&[4, 8, 1, 3])));
        let names: Vec<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
        let Detected { networks: found, left, incomplete, .. } = crate::import::detect(tensors);
        assert!(incomplete.is_empty(), "{incomplete:?}");
        let origin = found[0].origin.as_ref().unwrap();
        assert_eq!((found.len(), left.len(), origin.tensors.len()), (1, 1, 16));
        assert!(origin.tensors.iter().all(|tensor| names.contains(&tensor.name)), "{origin:?}");
        assert_eq!(found[0].name, prefix.replace("_orig_mod.", ""));
        let Network::Forecaster(read) = &found[0].network else { panic!("it continues frames") };
        assert_eq!(read.config(), &ForecasterConfig::from(config.clone()));
        assert_eq!(read.parameters(), network.parameters());
    }
}

#[test]
fn what_is_no_network_is_told_by_name() {
    let reason = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = written("net.");
        change(&mut tensors);
        let Forecasters { found, incomplete, .. } = detect(tensors);
        assert!(found.is_empty());
        assert_eq!(incomplete[0].cells, ["net."]);
        incomplete[0].reason.clone()
    };
    let without = |name: &'static str| reason(&|tensors| tensors.retain(|(other, _)| other != name));
    let name = "decoder.blocks.1.convgru.cell.out_gate.bias";
    assert!(without("net.decoder.blocks.1.convgru.cell.out_gate.bias").contains(name));
    assert!(without("net.encoder.blocks.0.convgru.cell.out_gate.weight").contains("encoder.blocks.0"));
    let block = "net.encoder.blocks.1.";
    let lost = reason(&|tensors| tensors.retain(|(name, _)| !name.starts_with(block)));
    assert!(lost.contains("encoder.blocks.1.convgru.cell."), "{lost}");
    let biases = |tensors: &mut Tensors, change: &dyn Fn(&mut Tensor<f64>)| {
        let name = "net.encoder.blocks.1.convgru.cell.combined_gates.bias";
        change(&mut tensors.iter_mut().find(|(other, _)| other == name).unwrap().1);
    };
    let wide = reason(&|tensors| biases(tensors, &|bias| *bias = Tensor::zeros(&[7])));
    assert!(wide.contains("combined_gates.bias"), "{wide}");
    let more = reason(&|tensors| {
        tensors.push(("net.encoder.blocks.0.convgru.cell.norm.weight".into(), Tensor::zeros(&[2])));
    });
    assert!(more.contains("norm.weight"), "{more}");
    let twice = reason(&|tensors| {
        let again = tensors[0].clone();
        tensors.push(again);
    });
    assert!(twice.contains("the same name"), "{twice}");
    let far = reason(&|tensors| {
        let name = format!("net.encoder.blocks.{}.convgru.cell.out_gate.bias", usize::MAX);
        tensors.push((name, Tensor::zeros(&[2])));
    });
    assert!(far.contains("blocks"), "{far}");
}

#[test]
fn a_network_that_is_not_finite_is_whole_and_its_tensors_are_named() {
    for value in [f64::NAN, f64::INFINITY] {
        let mut tensors = written("net._orig_mod.");
        let name = "net._orig_mod.encoder.blocks.1.convgru.cell.combined_gates.bias";
        let bias = &mut tensors.iter_mut().find(|(other, _)| other == name).unwrap().1;
        bias.as_mut_slice()[1] = value;
        let found = crate::import::detect(tensors.clone());
        assert_eq!((found.networks.len(), found.incomplete.len()), (1, 0));
        assert_eq!(found.not_finite, [name]);
        let own: Tensors =
            tensors.into_iter().map(|(name, tensor)| (name.replace("net._orig_mod.", ""), tensor)).collect();
        let error = read(&own).unwrap_err().to_string();
        assert!(
            error.contains("`encoder.blocks.1.convgru.cell.combined_gates.bias` holds numbers"),
            "{error}"
        );
    }
}

#[test]
fn an_encoder_alone_is_cells() {
    let mut tensors = written("");
    tensors.retain(|(name, _)| name.starts_with("encoder"));
    let Forecasters { found, rest, incomplete } = detect(tensors);
    assert_eq!((found.len(), rest.len(), incomplete.len()), (0, 8, 0));
}

#[test]
fn noise_is_brought_into_our_order() {
    let (config, _) = network();
    let given = Tensor::<f64>::from_fn(&[2, 1, 1, 32, 1, 2], |index| index as f64);
    let Noise::Given(ours) = noise(&config, &given).unwrap() else { panic!("it was given") };
    for (channel, &theirs) in order(2, 2).iter().enumerate() {
        assert_eq!(ours.as_slice()[32 * 2 + 2 * channel + 1], (32 * 2 + 2 * theirs + 1) as f64);
    }
    noise(&config, &Tensor::<f64>::zeros(&[2, 1, 1, 16, 1, 2])).unwrap_err();
    noise(&config, &Tensor::<f64>::zeros(&[2, 1, 32, 1, 2])).unwrap_err();
}
