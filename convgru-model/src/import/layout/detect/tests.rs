//! Cells of whole networks, and what lies between them.

use super::*;
use crate::import::NamedNetwork;
use crate::import::layout::description::name_of;
use crate::parameters::Parameters;

type Tensors = Vec<(String, Tensor<f32>)>;

/// The kernels of cells with one-pixel kernels: prefix, inputs, hidden channels.
fn kernels(system: &str, cells: &[(&str, usize, usize)]) -> Tensors {
    let layout = Layout::of(system).unwrap();
    let of_cell = |&(prefix, inputs, hidden): &(&str, usize, usize)| {
        let kernel = move |gates: usize| Tensor::zeros(&[gates * hidden, inputs + hidden, 1, 1]);
        let tensors = layout.tensors.iter();
        let named =
            tensors.map(|tensor| (name_of(layout.weight, prefix, tensor.name), kernel(tensor.gates.len())));
        named.collect::<Vec<_>>()
    };
    cells.iter().flat_map(of_cell).collect()
}

fn names(found: &Stacks<f32>) -> Vec<(&str, usize)> {
    found.stacks.iter().map(|stack| (stack.name.as_str(), stack.stack.layers.len())).collect()
}

/// The names that tensors of stacks have as parameters.
fn tensor_names(tensors: &Tensors) -> Vec<String> {
    let stacks = detect(tensors).stacks.into_iter();
    let networks: Vec<NamedNetwork<f32>> = stacks.map(|stack| stack.into_network(tensors).unwrap()).collect();
    networks.to_named().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn cells_side_by_side_whose_channels_fit_are_a_stack() {
    let cells = kernels("jacobkimmel", &[("net.cell_00.", 3, 4), ("net.cell_01.", 4, 5)]);
    let found = detect(&cells);
    assert_eq!(names(&found), [("net.", 2)]);
    assert_eq!(found.stacks[0].layout.system, "jacobkimmel");
    assert_eq!(found.left, []);
    let tensors = tensor_names(&cells);
    assert_eq!(tensors[2], "layers.1.input_weights");
}

#[test]
fn layers_that_only_have_a_number_are_named_by_their_system() {
    let gru = |layer: usize, inputs: usize| {
        let tensor = |name: &str, shape: &[usize]| (format!("{name}_l{layer}"), Tensor::zeros(shape));
        [tensor("weight_ih", &[6, inputs]), tensor("weight_hh", &[6, 2])]
    };
    let found = detect(&[gru(0, 5), gru(1, 2)].concat());
    assert_eq!(names(&found), [("torch_nn_gru_1x1.", 2)]);
    // A second layer that reads both directions of the first.
    let found = detect(&[gru(0, 5), gru(1, 4)].concat());
    assert_eq!(names(&found), [("torch_nn_gru_1x1.0.", 1), ("torch_nn_gru_1x1.1.", 1)]);
}

#[test]
fn both_directions_of_a_layer_are_two_stacks() {
    let gru = |layer: usize, inputs: usize, end: &str| {
        let tensor = |name: &str, shape: &[usize]| (format!("{name}_l{layer}{end}"), Tensor::zeros(shape));
        vec![tensor("weight_ih", &[6, inputs]), tensor("weight_hh", &[6, 2])]
    };
    // torch.nn.GRU(5, 2, num_layers=2, bidirectional=True)
    let layers =
        [(0, 5), (1, 4)].map(|(layer, inputs)| [gru(layer, inputs, ""), gru(layer, inputs, REVERSE)]);
    let tensors = layers.concat().concat();
    let found = detect(&tensors);
    let expected = ["0.forward.", "0.backward.", "1.forward.", "1.backward."];
    assert_eq!(
        names(&found),
        expected.map(|name| format!("torch_nn_gru_1x1.{name}")).each_ref().map(|name| (&name[..], 1))
    );
    assert_eq!(found.left, []);
    assert_eq!(found.stacks[1].direction, Some(Direction::Backward));
    assert_eq!(found.stacks[2].stack.config.in_channels, 4);
    // The numbers of a direction are its own; the update gate, which weighs the state there, changes its sign.
    let mut marked = tensors.clone();
    marked[2].1.fill(1.0);
    let found = detect(&marked);
    let first = |stack: usize| found.stacks[stack].stack.layers[0].input_weights.as_slice()[0];
    assert_eq!([first(0), first(1)], [0.0, -1.0]);
    // Half of a direction is left, and the other one a stack as ever.
    let found = detect(&[gru(0, 5, ""), gru(0, 5, REVERSE)[1..].to_vec()].concat());
    assert_eq!(names(&found), [("torch_nn_gru_1x1.0.", 1)]);
    assert!(found.left[0].1.contains("no tensor `weight_ih_l0_reverse`"), "{:?}", found.left);
    let found = detect(&gru(0, 5, REVERSE));
    assert!(found.left[0].1.contains("backward direction"), "{:?}", found.left);
}

#[test]
fn other_cells_are_stacks_of_one_layer() {
    let cells = [("d.4.gru.", 6, 6), ("d.3.gru.", 6, 6), ("x.0.", 2, 4), ("x.1.", 3, 4)];
    let cells = kernels("rvm", &cells);
    let found = detect(&cells);
    assert_eq!(names(&found), [("d.3.gru.", 1), ("d.4.gru.", 1), ("x.0.", 1), ("x.1.", 1)]);
    let tensors = tensor_names(&cells);
    assert_eq!(tensors[0], "d.3.gru.layers.0.input_weights");
}

#[test]
fn cells_that_look_like_those_of_raft_are_told_apart() {
    for (mark, system) in [
        ("iter_mvs.x", "IterMVS"),
        ("context_zqr_convs.0.weight", "RAFT-Stereo"),
        ("gru.convz_glo.bias", "DROID"),
    ] {
        let mut tensors = kernels("raft", &[("gru.", 3, 4)]);
        tensors.push((mark.into(), Tensor::zeros(&[1])));
        let found = detect(&tensors);
        assert_eq!(names(&found), []);
        assert!(found.left[0].1.contains(system), "{:?}", found.left);
        assert_eq!(found.left.len(), 4);
    }
}

#[test]
fn what_is_left_has_its_reason() {
    let mut tensors = kernels("raft", &[("gru.", 3, 4)]);
    tensors[1].1 = Tensor::zeros(&[4, 9, 1, 1]);
    tensors.push(("sep.convz1.weight".into(), Tensor::zeros(&[4, 7, 1, 5])));
    let found = detect(&tensors);
    assert!(found.left[0].1.contains("[4, 9, 1, 1]"), "{:?}", found.left);
    assert!(found.left[3].1.contains("SepConvGRU"), "{:?}", found.left);
    tensors[1].1 = Tensor::zeros(&[0, usize::MAX, usize::MAX, 2]);
    assert!(detect(&tensors).left[0].1.contains("`gru.convr.weight` has no elements"));
}

fn add(tensors: &mut Tensors, name: &str, shape: &[usize]) {
    tensors.push((name.to_owned(), Tensor::zeros(shape)));
}

/// Two cells of four channels, numbered alike.
fn two(stem: &str) -> Tensors {
    kernels("jacobkimmel", &[(&format!("{stem}0."), 3, 4), (&format!("{stem}1."), 4, 4)])
}

#[test]
fn cells_with_a_layer_that_can_lie_between_are_not_chained() {
    let between: &[(&str, &[&str], &[usize])] = &[
        ("g", &["r.conv.weight", "r.conv.bias"], &[4, 4, 3, 3]),
        ("net.g", &["net.res1.conv1.weight"], &[4, 4, 3, 3]),
        // Each channel for itself, and a normalisation.
        ("g", &["depthwise.weight"], &[4, 1, 3, 3]),
        ("g", &["norm.weight"], &[4]),
        ("g", &["g0.norm.running_mean"], &[4]),
        // Lists side by side.
        ("net.cells.", &["net.blocks.0.weight"], &[4, 4, 1, 1]),
        ("cells.", &["norms.0.weight", "norms.0.bias"], &[4]),
    ];
    for (stem, names_between, shape) in between {
        for first in [true, false] {
            let mut tensors = two(stem);
            for name in *names_between {
                let at = if first { 0 } else { tensors.len() };
                tensors.insert(at, ((*name).to_owned(), Tensor::zeros(shape)));
            }
            let found = detect(&tensors);
            let cells = [0, 1].map(|number| (format!("{stem}{number}."), 1));
            assert_eq!(names(&found), cells.each_ref().map(|(name, layers)| (&name[..], *layers)));
            let [incomplete] = &found.incomplete[..] else { panic!("{:?}", found.incomplete) };
            let module = names_between[0].rsplit_once('.').unwrap().0;
            assert!(incomplete.reason.contains(&format!("`{module}`")), "{}", incomplete.reason);
        }
    }
}

#[test]
fn a_way_over_other_channels_and_whatever_stands_between_in_the_file_is_between() {
    let mut tensors = two("g");
    add(&mut tensors, "bottleneck.down.weight", &[2, 4, 1, 1]);
    add(&mut tensors, "bottleneck.up.weight", &[4, 2, 1, 1]);
    assert_eq!(detect(&tensors).incomplete.len(), 1);
    let mut tensors = two("g");
    tensors.insert(3, ("odd.weight".into(), Tensor::zeros(&[7, 9])));
    assert!(detect(&tensors).incomplete[0].reason.contains("`odd`"));
    // A number that no cell has.
    let skipping = kernels("jacobkimmel", &[("s.0.", 3, 4), ("s.2.", 4, 4)]);
    let found = detect(&skipping);
    assert!(found.incomplete[0].reason.contains("numbered 0 and 2"), "{:?}", found.incomplete);
    assert_eq!(names(&found), [("s.0.", 1), ("s.2.", 1)]);
}

#[test]
fn layers_that_cannot_lie_between_leave_a_chain_whole() {
    let mut tensors = vec![("head.weight".to_owned(), Tensor::zeros(&[4, 3, 3, 3]))];
    tensors.extend(two("g"));
    add(&mut tensors, "pred.weight", &[1, 4, 1, 1]);
    let found = detect(&tensors);
    assert_eq!((names(&found), found.left.len()), (vec![("", 2)], 2));
    // What belongs to another module than the cells.
    let mut tensors = two("rnn.cells.");
    add(&mut tensors, "encoder.conv.weight", &[4, 4, 3, 3]);
    let found = detect(&tensors);
    assert_eq!((names(&found), found.incomplete.len()), (vec![("rnn.cells.", 2)], 0));
}

#[test]
fn cells_of_an_encoder_and_a_decoder_are_no_chain_because_their_channels_fit() {
    let found = detect(&kernels("jacobkimmel", &[("encoder.", 3, 4), ("forecaster.", 4, 4)]));
    assert_eq!(names(&found), [("encoder.", 1), ("forecaster.", 1)]);
    let cells = [("enc0.", 3, 4), ("enc1.", 4, 4), ("dec0.", 4, 4), ("dec1.", 4, 4)];
    let layers: Vec<usize> =
        names(&detect(&kernels("jacobkimmel", &cells))).iter().map(|found| found.1).collect();
    assert_eq!(layers, [2, 2]);
}

#[test]
fn a_cell_that_lacks_a_tensor_is_named() {
    for system in ["jacobkimmel", "happyjin", "bionick87", "rvm", "convgru_ensemble", "raft"] {
        let cells = kernels(system, &[("net.0.", 4, 4), ("net.1.", 4, 4)]);
        for missing in 0..cells.len() {
            let mut tensors = cells.clone();
            let (name, _) = tensors.remove(missing);
            let found = detect(&tensors);
            let told =
                found.incomplete.iter().any(|incomplete| incomplete.reason.contains(&format!("`{name}`")));
            assert!(told, "{system} without {name}: {:?}", found.incomplete);
            assert_eq!(found.stacks.len(), 1, "{system} without {name}");
        }
    }
    // A bias of a cell whose other convolutions have one.
    let mut tensors = kernels("raft", &[("gru.", 3, 4)]);
    add(&mut tensors, "gru.convz.bias", &[4]);
    assert!(detect(&tensors).incomplete[0].reason.contains("`gru.convr.bias`"));
    // A kernel of another shape beside a cell that is whole.
    let mut tensors = two("net.");
    tensors[4].1 = Tensor::zeros(&[4, 5, 1, 1]);
    assert_eq!(detect(&tensors).incomplete[0].cells, ["net.1."]);
}
