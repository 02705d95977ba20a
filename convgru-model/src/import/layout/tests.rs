use super::*;

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
            tensors.push((layout.weight_name(prefix, tensor), weight));
            if layout.system != "ballas" {
                let bias = Tensor::from_fn(&[rows], |i| first + 500.0 + i as f64);
                tensors.push((format!("{prefix}{}.bias", tensor.name), bias));
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
        let tensors = tensors(layout, &[("cells.9.", [3, 2, 3, 1]), ("cells.10.", [2, 5, 1, 5])]);
        let stack = layout.read(&tensors).unwrap();
        assert_eq!(stack.prefixes, ["cells.9.", "cells.10."], "{}", layout.system);
        assert_eq!(layout.write(&stack.prefixes, &stack.layers).unwrap(), tensors, "{}", layout.system);
    }
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
