use super::description::name_of;
use super::*;
use crate::tensor::Tensor;

type Tensors = Vec<(String, Tensor<f64>)>;

/// Numbers all different, for cells of the given `[inputs, hidden, kh, kw]`.
fn tensors(layout: &Layout, cells: &[(&str, [usize; 4])]) -> Tensors {
    let mut tensors = Vec::new();
    for &(prefix, [inputs, hidden, kh, kw]) in cells {
        for tensor in layout.tensors {
            let columns = match tensor.columns {
                Columns::Input => inputs,
                Columns::State => hidden,
                _ => inputs + hidden,
            };
            let rows = tensor.gates.len() * hidden;
            let first = 1000.0 * (1.0 + tensors.len() as f64);
            let weight = Tensor::from_fn(&[rows, columns, kh, kw], |i| first + i as f64);
            let weight = if layout.matrices { weight.reshape(&[rows, columns]).unwrap() } else { weight };
            tensors.push((name_of(layout.weight, prefix, tensor.name), weight));
            if layout.system != "ballas" {
                // The second of two biases that are added up is written as zero.
                let second =
                    |i: usize| tensor.columns == Columns::State && i < 2 * hidden && tensor.gates.len() == 3;
                let bias = |i: usize| if second(i) { 0.0 } else { first + 500.0 + i as f64 };
                tensors.push((name_of(layout.bias, prefix, tensor.name), Tensor::from_fn(&[rows], bias)));
            }
        }
    }
    tensors
}

fn seed() -> Tensors {
    tensors(&Layout::SEED, &[("ConvGRUCell_00.", [3, 2, 3, 3]), ("ConvGRUCell_01.", [2, 4, 1, 1])])
}

#[test]
fn channels_of_input_and_state_land_where_they_belong() {
    let stack = Layout::SEED.read(&seed()).unwrap();
    assert_eq!((stack.config.in_channels, &stack.config.hidden_channels[..]), (3, &[2, 4][..]));
    let layer = &stack.layers[0];
    // Gate 1 (reset), row 1: 5 joint channels of 9 taps, the last two of the state.
    assert_eq!(layer.input_weights.slice(3)[0], 3000.0 + 45.0);
    assert_eq!(layer.hidden_weights.slice(3)[0], 3000.0 + 45.0 + 27.0);
    assert_eq!(layer.bias.as_ref().unwrap().as_slice(), [1500.0, 1501.0, 3500.0, 3501.0, 5500.0, 5501.0]);
}

#[test]
fn gates_that_share_a_kernel_are_told_apart_in_the_order_of_the_code_not_of_its_comment() {
    let layout = Layout::of("happyjin").unwrap();
    let stack = layout.read(&tensors(layout, &[("", [3, 2, 1, 1])])).unwrap();
    // Rows of the shared kernel: reset 0, reset 1, update 0, update 1, of 5 channels.
    let first = |row: usize| stack.layers[0].input_weights.slice(row)[0];
    assert_eq!([0, 1, 2, 3].map(first), [1010.0, 1015.0, 1000.0, 1005.0]);
}

#[test]
fn the_state_may_come_first() {
    let layout = Layout::of("raft").unwrap();
    let stack = layout.read(&tensors(layout, &[("gru.", [3, 2, 1, 1])])).unwrap();
    assert_eq!(stack.layers[0].hidden_weights.slice(0), [1000.0, 1001.0]);
    assert_eq!(stack.layers[0].input_weights.slice(0), [1002.0, 1003.0, 1004.0]);
}

#[test]
fn an_update_gate_that_weighs_the_state_changes_its_sign_and_no_other_does() {
    let layout = Layout::of("bionick87").unwrap();
    let stack = layout.read(&tensors(layout, &[("", [1, 1, 1, 1])])).unwrap();
    let layer = &stack.layers[0];
    assert_eq!(layer.input_weights.as_slice(), [-1002.0, 1000.0, 3000.0]);
    assert_eq!(layer.hidden_weights.as_slice(), [-1003.0, 1001.0, 3001.0]);
    assert_eq!(layer.bias.as_ref().unwrap().as_slice(), [-1501.0, 1500.0, 3500.0]);
}

#[test]
fn writing_is_the_inverse_of_reading_in_every_layout() {
    for layout in Layout::ALL {
        let (first, second) =
            if layout.weight.contains('#') { ("9", "10") } else { ("cells.9.", "cells.10.") };
        let [kernel, other] = if layout.matrices { [[1, 1]; 2] } else { [[3, 1], [1, 5]] };
        let cells = [(first, [3, 2, kernel[0], kernel[1]]), (second, [2, 5, other[0], other[1]])];
        let tensors = tensors(layout, &cells);
        let stack = layout.read(&tensors).unwrap();
        assert_eq!(stack.prefixes, [first, second], "{}", layout.system);
        assert_eq!(stack.config.reset, layout.reset);
        assert_eq!(layout.write(&stack.prefixes, &stack.layers).unwrap(), tensors, "{}", layout.system);
    }
}

#[test]
fn two_biases_are_added_up_where_their_sum_counts_and_kept_apart_where_it_does_not() {
    let layout = Layout::of("torch_nn_gru_1x1").unwrap();
    let mut tensors = tensors(layout, &[("0", [2, 1, 1, 1])]);
    tensors[1].1 = Tensor::from_vec(&[3], vec![1.0, 2.0, 3.0]).unwrap();
    tensors[3].1 = Tensor::from_vec(&[3], vec![10.0, 20.0, 30.0]).unwrap();
    let stack = layout.read(&tensors).unwrap();
    // Theirs are reset, update, candidate; the update gate weighs the state there.
    assert_eq!(stack.layers[0].bias.as_ref().unwrap().as_slice(), [-22.0, 11.0, 3.0]);
    assert_eq!(stack.layers[0].hidden_bias.as_ref().unwrap().as_slice(), [30.0]);
    let written = |tensors: Vec<(String, Tensor<f64>)>| [1, 3].map(|i| tensors[i].1.clone().into_vec());
    let weights = layout.write(&stack.prefixes, &stack.layers).unwrap();
    assert_eq!(written(weights), [[11.0, 22.0, 3.0], [0.0, 0.0, 30.0]]);
    let gradients = layout.write_gradients(&stack.prefixes, &stack.layers).unwrap();
    assert_eq!(written(gradients), [[11.0, 22.0, 3.0], [11.0, 22.0, 30.0]]);
}

#[test]
fn a_second_bias_of_the_candidate_is_added_up_where_nothing_comes_between_the_two() {
    let layout = Layout::of("ballas").unwrap();
    let mut tensors = tensors(layout, &[("", [2, 1, 1, 1])]);
    for (i, name) in ["W_z", "W_r", "W", "U_z", "U_r", "U"].into_iter().enumerate() {
        let bias = Tensor::from_fn(&[1], |_| 1.0 + i as f64);
        tensors.push((format!("{name}.bias"), bias));
    }
    let stack = layout.read(&tensors).unwrap();
    assert_eq!(stack.layers[0].bias.as_ref().unwrap().as_slice(), [5.0, 7.0, 9.0]);
    assert!(stack.layers[0].hidden_bias.is_none());
    let written = layout.write(&stack.prefixes, &stack.layers).unwrap();
    let bias = |name: &str| written.iter().find(|(n, _)| n == name).unwrap().1.as_slice()[0];
    assert_eq!((bias("W.bias"), bias("U.bias")), (9.0, 0.0));
}

#[test]
fn a_reset_before_and_one_after_the_convolution_are_not_converted() {
    let stack = Layout::SEED.read(&seed()).unwrap();
    let after = Layout::of("metnet").unwrap();
    let error = after.write(&stack.prefixes, &stack.layers).unwrap_err().to_string();
    assert!(error.contains("acts before the convolution") && error.contains("acts after it"), "{error}");
    assert!(error.contains("cannot be converted"), "{error}");
}

#[test]
fn every_layout_has_each_gate_once_for_input_and_state() {
    for layout in Layout::ALL {
        for gate in [Gate::Update, Gate::Reset, Gate::Candidate] {
            let of = |other: Columns| {
                let has = |tensor: &&GateTensor| tensor.columns != other && tensor.gates.contains(&gate);
                layout.tensors.iter().filter(has).count()
            };
            assert_eq!((of(Columns::State), of(Columns::Input)), (1, 1), "{gate:?} of {}", layout.system);
        }
        assert_eq!(Layout::of(layout.system), Some(layout));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let broken = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = seed();
        change(&mut tensors);
        Layout::SEED.read(&tensors).unwrap_err().to_string()
    };
    assert!(broken(&|t| t.clear()).contains("no tensor `update_gate.weight`"));
    assert!(broken(&|t| t.truncate(11)).contains("no tensor `ConvGRUCell_01.out_gate.bias`"));
    assert!(broken(&|t| drop(t.remove(0))).contains("no tensor `ConvGRUCell_00.update_gate.weight`"));
    assert!(broken(&|t| t[2].1 = Tensor::zeros(&[2, 5, 3])).contains("reset_gate.weight: shape [2, 5, 3]"));
    assert!(broken(&|t| t[0].1 = Tensor::zeros(&[2, 3])).contains("[gates H, in, kh, kw]"));
    assert!(broken(&|t| t[0].1 = Tensor::zeros(&[5, 2, 3, 3])).contains("[1 H, C + H, kh, kw]"));
    assert!(broken(&|t| t.push(("head".into(), Tensor::zeros(&[1])))).contains("`head`"));
    // A first layer of three channels below a second that reads two.
    let narrow = |t: &mut Tensors| {
        for gate in 0..3 {
            t[2 * gate].1 = Tensor::zeros(&[3, 6, 3, 3]);
            t[2 * gate + 1].1 = Tensor::zeros(&[3]);
        }
    };
    assert!(broken(&narrow).contains("input part of `ConvGRUCell_01.update_gate`"));
    // Rows that do not divide into the gates of a shared kernel.
    let layout = Layout::of("rvm").unwrap();
    let mut tensors = tensors(layout, &[("", [3, 2, 1, 1])]);
    tensors[0].1 = Tensor::zeros(&[5, 5, 1, 1]);
    assert!(layout.read(&tensors).unwrap_err().to_string().contains("[2 H, C + H, kh, kw]"));
    let none: [String; 0] = [];
    let stack = Layout::SEED.read(&seed()).unwrap();
    assert!(Layout::SEED.write(&none, &stack.layers).unwrap_err().to_string().contains("0 given where 2"));
}
