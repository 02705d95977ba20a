//! RAFT's update block: reading it, one update, and the ways back. Recorded values of PyTorch are in `cargo xtask parity`.

use convgru_model::import::{self, Detected, NamedNetwork, NamedTensors, detect};
use convgru_model::{Network, Parameters, RaftUpdateBlock, Tensor, export};

type Named = Vec<(String, Tensor<f64>)>;

fn add(tensors: &mut Named, name: &str, shape: &[usize]) {
    let salt = tensors.len() * 31;
    let numbers = |shape: &[usize]| Tensor::from_fn(shape, |i| ((i * 7 + salt) % 23) as f64 / 40.0 - 0.25);
    tensors.push((format!("module.update_block.{name}.weight"), numbers(shape)));
    tensors.push((format!("module.update_block.{name}.bias"), numbers(&shape[..1])));
}

/// A block of 4 channels of state, 3 of context and 6 correlations, beside a layer of another network.
fn small() -> Named {
    let mut tensors = vec![("module.fnet.conv1.weight".to_owned(), Tensor::zeros(&[1, 1, 3, 3]))];
    for (name, shape) in [
        ("encoder.convc1", [5, 6, 1, 1]),
        ("encoder.convf1", [4, 2, 7, 7]),
        ("encoder.convf2", [3, 4, 3, 3]),
        ("encoder.conv", [5, 8, 3, 3]),
        ("gru.convz", [4, 14, 3, 3]),
        ("gru.convr", [4, 14, 3, 3]),
        ("gru.convq", [4, 14, 3, 3]),
        ("flow_head.conv1", [6, 4, 3, 3]),
        ("flow_head.conv2", [2, 6, 3, 3]),
    ] {
        add(&mut tensors, name, &shape);
    }
    tensors
}

/// A block with every layer: two convolutions over correlations, a pair of kernels and a mask.
fn large() -> Named {
    let mut tensors = Vec::new();
    for (name, shape) in [
        ("encoder.convc1", [5, 6, 1, 1]),
        ("encoder.convc2", [4, 5, 3, 3]),
        ("encoder.convf1", [4, 2, 7, 7]),
        ("encoder.convf2", [3, 4, 3, 3]),
        ("encoder.conv", [5, 7, 3, 3]),
        ("gru.convz1", [4, 14, 1, 5]),
        ("gru.convr1", [4, 14, 1, 5]),
        ("gru.convq1", [4, 14, 1, 5]),
        ("gru.convz2", [4, 14, 5, 1]),
        ("gru.convr2", [4, 14, 5, 1]),
        ("gru.convq2", [4, 14, 5, 1]),
        ("flow_head.conv1", [6, 4, 3, 3]),
        ("flow_head.conv2", [2, 6, 3, 3]),
        ("mask.0", [7, 4, 3, 3]),
        ("mask.2", [36, 7, 1, 1]),
    ] {
        add(&mut tensors, name, &shape);
    }
    tensors
}

/// The same tensors as torchvision names them.
fn of_torchvision(tensors: Named, is_pair: bool) -> Named {
    let rename = |(name, tensor): (String, _)| {
        let mut name = name.replace("module.", "");
        for [from, to] in [
            ["encoder.convc1", "motion_encoder.convcorr1.0"],
            ["encoder.convc2", "motion_encoder.convcorr2.0"],
            ["encoder.convf1", "motion_encoder.convflow1.0"],
            ["encoder.convf2", "motion_encoder.convflow2.0"],
            ["block.encoder.conv.", "block.motion_encoder.conv.0."],
            ["update_block.mask.0", "mask_predictor.convrelu.0"],
            ["update_block.mask.2", "mask_predictor.conv"],
        ] {
            name = name.replace(from, to);
        }
        for gate in ["z", "r", "q"] {
            let passes: &[&str] = if is_pair { &["1", "2"] } else { &[""] };
            for pass in passes {
                let to = format!("recurrent_block.convgru{}.conv{gate}.", pass.parse::<usize>().unwrap_or(1));
                name = name.replace(&format!("gru.conv{gate}{pass}."), &to);
            }
        }
        (name, tensor)
    };
    tensors.into_iter().map(rename).collect()
}

/// The only network among tensors, an update block.
fn found(tensors: &Named) -> NamedNetwork<f64> {
    let Detected { mut networks, incomplete, .. } = detect(tensors.clone());
    assert!(incomplete.is_empty() && networks.len() == 1, "{incomplete:?} {networks:?}");
    networks.remove(0)
}

fn block(tensors: &Named) -> RaftUpdateBlock<f64> {
    found(tensors).network.into_raft_update().expect("it is a block")
}

/// State, context, correlations and flow of two samples.
fn images() -> [Tensor<f64>; 4] {
    [4, 3, 6, 2]
        .map(|channels: usize| Tensor::from_fn(&[2, channels, 5, 7], |i| (i % 11) as f64 / 11.0 - 0.4))
}

#[test]
fn a_block_is_found_and_updates() {
    let network = found(&small());
    assert_eq!(network.name, "module.update_block.");
    let block = network.network.into_raft_update().unwrap();
    let config = block.config();
    assert_eq!([config.hidden_channels, config.context_channels, config.correlation_channels], [4, 3, 6]);
    let [net, inp, corr, flow] = images();
    let update = block.update(&net, &inp, &corr, &flow).unwrap();
    assert_eq!((update.net.shape(), update.delta_flow.shape()), (&[2, 4, 5, 7][..], &[2, 2, 5, 7][..]));
    assert!(update.mask.is_none());
    // A sample of a batch is the sample alone.
    let second = |tensor: &Tensor<f64>| {
        Tensor::from_vec(&[1, tensor.shape()[1], 5, 7], tensor.slice(1).to_vec()).unwrap()
    };
    let alone = block.update(&second(&net), &second(&inp), &second(&corr), &second(&flow)).unwrap();
    assert_eq!(alone.delta_flow.slice(0), update.delta_flow.slice(1));
    for (what, given) in [
        ("net", [&inp, &inp, &corr, &flow]),
        ("inp", [&net, &net, &corr, &flow]),
        ("corr", [&net, &inp, &flow, &flow]),
        ("flow", [&net, &inp, &corr, &second(&flow)]),
    ] {
        let error = block.update(given[0], given[1], given[2], given[3]).unwrap_err();
        assert!(error.to_string().starts_with(what), "{error}");
    }
}

#[test]
fn names_of_torchvision_are_the_same_block() {
    let [net, inp, corr, flow] = images();
    for (tensors, is_pair) in [(small(), false), (large(), true)] {
        let renamed = of_torchvision(tensors.clone(), is_pair);
        let network = found(&renamed);
        assert_eq!(network.name, "update_block.");
        assert_eq!(
            export::original(&network.network, network.origin.as_ref().unwrap()).unwrap().tensors.len(),
            { renamed.iter().filter(|(name, _)| !name.starts_with("fnet")).count() }
        );
        let [one, other] = [block(&tensors), network.network.into_raft_update().unwrap()];
        assert_eq!(one.config(), other.config());
        assert_eq!(one.config().mask.is_some(), is_pair);
        let [one, other] = [one, other].map(|block| block.update(&net, &inp, &corr, &flow).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.mask.map(|mask| mask.shape().to_vec()), is_pair.then(|| vec![2, 36, 5, 7]));
    }
}

#[test]
fn a_file_of_the_block_is_read_and_goes_back_under_its_own_names() {
    let blocks = [small(), large(), of_torchvision(small(), false), of_torchvision(large(), true)];
    for tensors in blocks {
        let wrapped: Named = tensors
            .iter()
            .map(|(name, tensor)| (name.replace("block.", "block._orig_mod."), tensor.clone()))
            .collect();
        for tensors in [tensors, wrapped] {
            let file = export::networks(&vec![found(&tensors)]).unwrap();
            let [NamedNetwork { network, origin, .. }] = &import::read_all::<f64>(&file).unwrap()[..] else {
                panic!("one network was written")
            };
            let Network::RaftUpdate(read) = network else { panic!("{network:?}") };
            assert_eq!(read.to_named(), block(&tensors).to_named());
            let own: Named = tensors.into_iter().filter(|(name, _)| !name.contains("fnet")).collect();
            let origin = origin.as_ref().unwrap();
            assert_eq!(origin.system, "raft_update");
            assert_eq!(export::original(network, origin).unwrap().tensors, own);
            // The cell alone has its place in the same file.
            let cell =
                NamedNetwork { name: String::new(), network: network.clone(), origin: Some(origin.clone()) };
            let cell = cell.into_raft_cell().unwrap();
            assert!(cell.name.ends_with("gru.") || cell.name.contains("recurrent_block."), "{}", cell.name);
            let written = export::original(&cell.network, cell.origin.as_ref().unwrap()).unwrap().tensors;
            let of_cell =
                own.iter().filter(|(name, _)| name.starts_with(&cell.name)).cloned().collect::<Named>();
            assert!(of_cell.len() >= 6);
            assert_eq!(written, of_cell);
        }
    }
}

#[test]
fn names_of_wrappers_change_no_number() {
    let plain = block(&small());
    let [net, inp, corr, flow] = images();
    for [part, wrapped] in [
        [".gru.", ".gru.module."],
        [".update_block.", ".update_block._orig_mod."],
        ["convz.weight", "convz._checkpoint_wrapped_module.weight"],
    ] {
        let tensors: Named =
            small().into_iter().map(|(name, tensor)| (name.replace(part, wrapped), tensor)).collect();
        let [one, other] =
            [&block(&tensors), &plain].map(|block| block.update(&net, &inp, &corr, &flow).unwrap());
        assert_eq!(one, other, "{wrapped}");
    }
}

#[test]
fn a_block_that_is_not_whole_is_incomplete_by_name() {
    let without = |name: &str| small().into_iter().filter(|(own, _)| !own.ends_with(name)).collect::<Named>();
    let incomplete = |tensors: Named| {
        let found = detect(tensors);
        assert!(!found.networks.iter().any(|named| matches!(named.network, Network::RaftUpdate(_))));
        found.incomplete.iter().map(|incomplete| incomplete.reason.clone()).collect::<Vec<_>>().join("; ")
    };
    for name in ["encoder.conv.bias", "gru.convq.weight", "flow_head.conv2.weight", "encoder.convf2.bias"] {
        let text = incomplete(without(name));
        assert!(text.contains(&format!("`module.update_block.{name}`")), "{text}");
    }
    let mut other = without("flow_head.conv1.weight");
    other.push(("module.update_block.flow_head.conv1.weight".into(), Tensor::zeros(&[6, 5, 3, 3])));
    let text = incomplete(other);
    assert!(text.contains("flow_head.conv1.weight`: shape [6, 5, 3, 3] where [6, 4, 3, 3]"), "{text}");
    let mut even = without("encoder.convf1.weight");
    even.push(("module.update_block.encoder.convf1.weight".into(), Tensor::zeros(&[4, 2, 4, 7])));
    assert!(incomplete(even).contains("4 x 7: both must be odd"));
}

/// Other programs have a block with the same names and more layers: their cells alone are read.
#[test]
fn a_block_with_other_layers_is_no_block_of_raft() {
    for more in ["encoder.norm", "aggregator.to_v"] {
        let mut tensors = small();
        add(&mut tensors, more, &[5, 5, 1, 1]);
        let Detected { networks, incomplete, left, .. } = detect(tensors);
        assert!(incomplete.is_empty(), "{incomplete:?}");
        assert!(matches!(&networks[..], [NamedNetwork { network: Network::ConvGru(_), .. }]), "{networks:?}");
        let reason = &left.iter().find(|(name, _)| name.ends_with("flow_head.conv1.weight")).unwrap().1;
        assert!(reason.contains(more), "{reason}");
    }
    let elsewhere =
        small().into_iter().map(|(name, tensor)| (name.replace("update_block", "refine"), tensor));
    let networks = detect(elsewhere.collect()).networks;
    assert!(matches!(&networks[..], [NamedNetwork { network: Network::ConvGru(_), .. }]), "{networks:?}");
}

#[test]
fn every_block_of_a_file_is_found() {
    let mut tensors = small();
    tensors.extend(small().into_iter().map(|(name, tensor)| (format!("other.{name}"), tensor)));
    let names: Vec<String> = detect(tensors.clone()).networks.into_iter().map(|named| named.name).collect();
    assert_eq!(names, ["module.update_block.", "other.update_block."]);
    // The state dict of only the block.
    let bare = small()
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("module.update_block.")?.to_owned(), tensor)));
    assert_eq!(found(&bare.collect()).name, "");
}

#[test]
fn a_description_that_no_block_has_is_refused_before_memory_is_taken() {
    let config = block(&large()).config().clone();
    let refused = |config| {
        let taken =
            RaftUpdateBlock::<f64>::from_tensors(config, &mut |name, _| panic!("{name} was asked for"));
        taken.unwrap_err().to_string()
    };
    let mut many = config.clone();
    many.hidden_channels = usize::MAX;
    assert!(refused(many).contains(&format!("{} is not within 1 to 65536", usize::MAX)));
    let mut wide = config.clone();
    wide.joint.channels = 65_536;
    wide.joint.kernel_size = [65_535, 65_535];
    assert!(refused(wide).contains("are more than"));
    let mut none = config.clone();
    none.cell_kernels.clear();
    assert!(refused(none).contains("cell_kernels: 0 given"));
    let mut volume = config;
    volume.flow_head[1].channels = 3;
    assert!(refused(volume).contains("gives 3 channels, and a flow has 2"));
}

#[test]
fn an_origin_of_another_system_is_refused() {
    let NamedNetwork { network, origin, .. } = found(&small());
    let mut origin = origin.unwrap();
    origin.system = "raft".to_owned();
    let error = export::original(&network, &origin).unwrap_err().to_string();
    assert!(error.contains("no place for an update block"), "{error}");
    let bytes = export::to_safetensors(&NamedTensors { tensors: small(), skipped: Vec::new() }, &[]).unwrap();
    assert!(
        import::read::<f64>(&bytes)
            .unwrap()
            .into_conv_gru()
            .unwrap_err()
            .to_string()
            .contains("RaftUpdateBlock")
    );
}
