//! RAFT's update block: reading it, and one update. Recorded values of PyTorch are in `cargo xtask parity`.

use convgru_model::{Error, RaftUpdateBlock, Tensor};

type Named = Vec<(String, Tensor<f64>)>;

fn add(tensors: &mut Named, name: &str, shape: &[usize]) {
    let salt = tensors.len() * 31;
    let numbers = |shape: &[usize]| Tensor::from_fn(shape, |i| ((i * 7 + salt) % 23) as f64 / 40.0 - 0.25);
    tensors.push((format!("module.update_block.{name}.weight"), numbers(shape)));
    tensors.push((format!("module.update_block.{name}.bias"), numbers(&shape[..1])));
}

/// A block of 4 channels of state, 3 of context and 6 correlations.
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

#[test]
fn the_block_is_found_whatever_stands_before_it() {
    assert_eq!(RaftUpdateBlock::prefix_among(&small()).as_deref(), Some("module.update_block."));
    assert_eq!(RaftUpdateBlock::prefix_among(&small()[..5]), None);
    let block = RaftUpdateBlock::from_named_tensors(&small()).unwrap();
    let sizes = [block.hidden_channels(), block.context_channels(), block.correlation_channels()];
    assert_eq!(sizes, [4, 3, 6]);
    let images = |channels: usize| Tensor::from_fn(&[2, channels, 5, 7], |i| (i % 11) as f64 / 11.0 - 0.4);
    let [net, inp, corr, flow] = [4, 3, 6, 2].map(images);
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
fn a_block_is_named_if_it_is_whole_with_wrappers_or_without() {
    for missing in
        ["flow_head.conv1.weight", "flow_head.conv2.bias", "gru.convq.weight", "encoder.convf2.bias"]
    {
        let lacking: Named = small().into_iter().filter(|(name, _)| !name.ends_with(missing)).collect();
        assert_eq!(RaftUpdateBlock::prefix_among(&lacking), None, "{missing}");
    }
    let plain = RaftUpdateBlock::from_named_tensors(&small()).unwrap();
    for [part, wrapped] in [
        [".gru.", ".gru.module."],
        [".update_block.", ".update_block._orig_mod."],
        ["convz.weight", "convz._checkpoint_wrapped_module.weight"],
    ] {
        let tensors: Named =
            small().into_iter().map(|(name, tensor)| (name.replace(part, wrapped), tensor)).collect();
        let prefix = RaftUpdateBlock::prefix_among(&tensors);
        assert_eq!(prefix.as_deref(), Some("module.update_block."), "{wrapped}");
        let block = RaftUpdateBlock::from_named_tensors(&tensors).unwrap();
        let images =
            |channels: usize| Tensor::from_fn(&[1, channels, 5, 7], |i| (i % 11) as f64 / 11.0 - 0.4);
        let [net, inp, corr, flow] = [4, 3, 6, 2].map(images);
        let [one, other] = [&block, &plain].map(|block| block.update(&net, &inp, &corr, &flow).unwrap());
        assert_eq!((one.net, one.delta_flow), (other.net, other.delta_flow), "{wrapped}");
    }
}

#[test]
fn what_is_no_block_is_refused_by_name() {
    let without = |name: &str| small().into_iter().filter(|(own, _)| !own.ends_with(name)).collect::<Named>();
    let error = |tensors: &Named| RaftUpdateBlock::from_named_tensors(tensors).unwrap_err();
    assert!(matches!(error(&without(ANCHORED)), Error::MissingTensor { .. }));
    for name in ["encoder.conv.bias", "gru.convq.weight", "flow_head.conv2.weight"] {
        let text = error(&without(name)).to_string();
        assert!(text.contains(&format!("`module.update_block.{name}`")), "{text}");
    }
    let mut more = small();
    add(&mut more, "encoder.norm", &[5, 5, 1, 1]);
    assert!(
        matches!(error(&more), Error::UnexpectedTensor { name } if name.ends_with("encoder.norm.weight"))
    );
    let mut other = without("flow_head.conv1.weight");
    other.push(("module.update_block.flow_head.conv1.weight".into(), Tensor::zeros(&[6, 5, 3, 3])));
    let text = error(&other).to_string();
    assert!(text.contains("flow_head.conv1` reads 5 channels, and is given 4"), "{text}");
    let mut two = small();
    two.push((ANCHORED.to_owned(), Tensor::zeros(&[5, 6, 1, 1])));
    assert!(error(&two).to_string().contains("two update blocks"));
}

const ANCHORED: &str = "encoder.convc1.weight";
