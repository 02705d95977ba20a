use super::*;

type Tensors = Vec<(String, Tensor<f32>)>;

fn system(network: &NamedNetwork<f32>) -> &str {
    &network.origin.as_ref().unwrap().system
}

fn zeros(names: &[&str], shape: &[usize]) -> Tensors {
    names.iter().map(|name| ((*name).to_owned(), Tensor::zeros(shape))).collect()
}

#[test]
fn cells_with_raft_s_names_are_told_apart() {
    let gates = ["gru.convz.weight", "gru.convr.weight", "gru.convq.weight"];
    let plain = zeros(&gates, &[4, 10, 3, 3]);
    assert!(detect(plain.clone()).networks.is_empty());
    let dilated = [plain.clone(), zeros(&["iter_mvs.head"], &[1])].concat();
    let found = detect(dilated);
    assert_eq!(system(&found.networks[0]), "iter_mvs");
    assert_eq!(found.rest[0].0, "iter_mvs.head");
    let pair = ["convz", "convr", "convq"]
        .into_iter()
        .flat_map(|gate| [1, 2].map(|pass| format!("g.{gate}{pass}.weight")));
    let pair: Tensors = pair.map(|name| (name, Tensor::zeros(&[4, 10, 1, 5]))).collect();
    assert_eq!(system(&detect(pair).networks[0]), "raft_sep");
}

/// The names of torchvision's RAFT: two modules of one cell in its large network, one in its small one.
#[test]
fn the_modules_of_torchvision_s_pair_are_the_passes_of_one_cell() {
    let module = |module: &str, kernel: [usize; 2]| -> Tensors {
        let gates = ["convz", "convr", "convq"].map(|gate| format!("rb.{module}.{gate}"));
        let tensors = gates.iter().flat_map(|gate| {
            let weight = Tensor::zeros(&[4, 10, kernel[0], kernel[1]]);
            [(format!("{gate}.weight"), weight), (format!("{gate}.bias"), Tensor::zeros(&[4]))]
        });
        tensors.collect()
    };
    let pair = [module("convgru1", [1, 5]), module("convgru2", [5, 1])].concat();
    let found = detect(pair.clone());
    assert_eq!((found.networks.len(), found.rest.len()), (1, 0));
    assert_eq!((system(&found.networks[0]), found.networks[0].name.as_str()), ("raft_sep", "rb."));
    let config = found.networks[0].network.description().recurrent().unwrap();
    let cells: Vec<_> = config.cells().collect();
    assert_eq!(cells.len(), 1);
    assert_eq!((cells[0].kernel_size, cells[0].second_kernel_size), ([1, 5], Some([5, 1])));

    let lacking = pair.into_iter().filter(|(name, _)| name != "rb.convgru1.convr.weight").collect();
    let found = detect(lacking);
    assert!(found.incomplete[0].reason.contains("`rb.convgru1.convr.weight`"), "{:?}", found.incomplete);
    assert!(detect(module("convgru1", [3, 3])).networks.is_empty());
}

#[test]
fn the_layers_of_a_block_are_one_network() {
    let mut tensors = Vec::new();
    for (layer, inputs) in [("ebrnn1_0", 5), ("ebrnn1_1", 2), ("ebrnn2_0", 3)] {
        tensors.push((format!("{layer}_i2h_weight"), Tensor::<f32>::zeros(&[6, inputs, 3, 3])));
        tensors.push((format!("{layer}_h2h_weight"), Tensor::zeros(&[6, 2, 5, 5])));
    }
    let found = detect(tensors);
    let names: Vec<(&str, usize)> = found
        .networks
        .iter()
        .map(|network| {
            (network.name.as_str(), network.network.description().recurrent().unwrap().cells().count())
        })
        .collect();
    assert_eq!(names, [("ebrnn1_", 2), ("ebrnn2_0_", 1)]);
}

#[test]
fn a_network_that_lacks_a_tensor_is_named_unless_it_is_a_copy_of_one_that_is_there() {
    let gates = |prefix: &str, count: usize| {
        let gates = ["read_gate_conv", "update_gate_conv", "output_conv"].into_iter().take(count);
        gates
            .map(|gate| (format!("{prefix}{gate}.weight"), Tensor::zeros(&[4, 10, 3, 3])))
            .collect::<Tensors>()
    };
    let found = detect([gates("g.cell1.", 3), gates("g.cell2.", 2)].concat());
    assert_eq!((found.networks.len(), &found.incomplete[0].cells[..]), (1, &["g.cell2.".to_owned()][..]));
    assert!(found.incomplete[0].reason.contains("`g.cell2.output_conv.weight`"), "{:?}", found.incomplete);
    let found = detect([gates("g.cell1.", 3), gates("grad.g.cell1.", 2)].concat());
    assert_eq!((found.networks.len(), found.incomplete.len()), (1, 0));
}

/// A FireNet of two channels with the names of its program.
fn fire_net() -> Tensors {
    let mut tensors = zeros(&["head.conv.conv2d.weight"], &[2, 5, 3, 3]);
    let gates = ["reset_gate", "update_gate", "out_gate"];
    for block in ["head", "resblocks.0"] {
        let names = gates.map(|gate| format!("{block}.recurrent_block.{gate}"));
        for name in &names {
            tensors.extend(zeros(&[&format!("{name}.weight")], &[2, 4, 3, 3]));
            tensors.extend(zeros(&[&format!("{name}.bias")], &[2]));
        }
    }
    for block in ["resblocks.0.conv", "resblocks.1"] {
        for part in ["conv1", "conv2"] {
            tensors.extend(zeros(&[&format!("{block}.{part}.weight")], &[2, 2, 3, 3]));
            tensors.extend(zeros(&[&format!("{block}.{part}.bias")], &[2]));
        }
    }
    tensors.extend(zeros(&["pred.conv2d.weight"], &[1, 2, 1, 1]));
    tensors.extend(zeros(&["pred.conv2d.bias"], &[1]));
    tensors.extend(zeros(&["head.conv.conv2d.bias"], &[2]));
    tensors
}

#[test]
fn a_damaged_network_is_not_taken_for_loose_cells() {
    let found = detect(fire_net());
    assert_eq!((found.networks.len(), found.rest.len(), found.incomplete.len()), (1, 0, 0));
    let reason = |tensors: Tensors| {
        let found = detect(tensors);
        assert_eq!((found.networks.len(), found.incomplete.len()), (0, 1));
        found.incomplete[0].reason.clone()
    };
    let reasons =
        ["resblocks.0.conv.conv1.weight", "resblocks.1.conv2.bias", "pred.conv2d.weight"].map(|missing| {
            let kept = fire_net().into_iter().filter(|(name, _)| name != missing).collect();
            (missing, reason(kept))
        });
    for (missing, reason) in reasons {
        assert!(reason.contains("no tensor") && reason.contains("firenet"), "{missing}: {reason}");
    }
    for (name, shape) in [
        ("head.recurrent_block.out_gate.weight", &[1, 4, 3, 3][..]),
        ("resblocks.0.recurrent_block.out_gate.weight", &[2, 3, 4, 3]),
        ("resblocks.1.conv2.weight", &[1, 2, 3, 3]),
        ("resblocks.1.conv1.bias", &[1]),
        ("head.conv.conv2d.bias", &[3]),
    ] {
        let mut tensors = fire_net();
        tensors.iter_mut().find(|(own, _)| own == name).unwrap().1 = Tensor::zeros(shape);
        let reason = reason(tensors);
        assert!(reason.contains(&format!("{name}: shape {shape:?} where")), "{reason}");
    }
}

#[test]
fn what_only_looks_like_a_network_is_left_with_a_reason() {
    let found = detect(zeros(&["block.conv2.1.weight", "block.conv1.0.weight"], &[4, 3, 3, 3]));
    assert!(found.networks.is_empty());
    assert_eq!(found.rest.len(), 2);
    assert!(found.reasons[0].1.starts_with("it looks like jhhuang96, but: "), "{:?}", found.reasons);
}
