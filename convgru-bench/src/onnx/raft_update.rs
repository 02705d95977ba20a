//! RAFT's update blocks, compared in ONNX Runtime over several updates.

use convgru_model::export::onnx;
use convgru_model::{RaftConvolution, RaftUpdate, RaftUpdateBlock, RaftUpdateConfig, Tensor};

use super::networks::{SIZES, described_weights, numbers};
use super::written::{Network, Run};

/// The small block and the larger one.
pub(super) fn all() -> anyhow::Result<Vec<Network>> {
    let convolution = |channels, size| RaftConvolution { channels, kernel_size: [size, size] };
    let small = RaftUpdateConfig {
        correlation_channels: 9,
        context_channels: 3,
        hidden_channels: 4,
        correlations: vec![convolution(6, 1)],
        flow: [convolution(5, 7), convolution(4, 3)],
        joint: convolution(5, 3),
        cell_kernels: vec![[3, 3]],
        flow_head: [convolution(6, 3), convolution(2, 3)],
        mask: None,
    };
    let large = RaftUpdateConfig {
        correlations: vec![convolution(6, 1), convolution(5, 3)],
        cell_kernels: vec![[1, 5], [5, 1]],
        mask: Some([convolution(5, 3), convolution(36, 1)]),
        ..small.clone()
    };
    [("small", small), ("large", large)].into_iter().map(|(name, config)| network(name, config)).collect()
}

fn network(name: &str, config: RaftUpdateConfig) -> anyhow::Result<Network> {
    let mut seed = 0;
    let block = RaftUpdateBlock::<f32>::from_tensors(config, &mut |_, shape| {
        seed += 1;
        let mut tensor = numbers(shape, seed);
        // As large as keeps the gates from their limits.
        tensor.as_mut_slice().iter_mut().for_each(|number| *number *= 0.2);
        Ok(tensor)
    })?;
    let runs = SIZES.into_iter().map(|size| run(&block, size)).collect::<anyhow::Result<_>>()?;
    Ok(Network {
        name: format!("update block of RAFT, {name}"),
        kind: "RaftUpdate",
        config: serde_json::to_value(block.config())?,
        models: vec![("step", onnx::raft_update(&block)?)],
        weights: described_weights(block.into())?,
        theirs: None,
        runs,
    })
}

/// Updates, each from the results of the update before it.
fn run(block: &RaftUpdateBlock<f32>, [steps, batch, height, width]: [usize; 4]) -> anyhow::Result<Run> {
    let config = block.config();
    let image = |channels: usize, seed: usize| numbers(&[batch, channels, height, width], seed);
    let input = numbers(&[steps, batch, config.correlation_channels, height, width], 0);
    let (first, inp, given) =
        (image(config.hidden_channels, 1), image(config.context_channels, 2), image(2, 3));
    let (mut net, mut flow, mut updates) = (first.clone(), given.clone(), Vec::<RaftUpdate<f32>>::new());
    for step in 0..steps {
        let update = block.update(&net, &inp, &input.index(step), &flow)?;
        net = update.net.clone();
        flow.add_assign(&update.delta_flow)?;
        updates.push(update);
    }
    let over_steps =
        |part: fn(&RaftUpdate<f32>) -> Option<&Tensor<f32>>| -> anyhow::Result<Option<Tensor<f32>>> {
            let Some(parts) = updates.iter().map(part).collect::<Option<Vec<_>>>() else { return Ok(None) };
            let values = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
            Ok(Some(Tensor::from_vec(&[&[steps], parts[0].shape()].concat(), values)?))
        };
    let expected = [
        ("next_net", over_steps(|update| Some(&update.net))?),
        ("delta_flow", over_steps(|update| Some(&update.delta_flow))?),
        ("mask", over_steps(|update| update.mask.as_ref())?),
    ];
    Ok(Run {
        input,
        more: Vec::new(),
        states: vec![first],
        beside: vec![("inp".to_owned(), inp), ("flow".to_owned(), given)],
        steps,
        expected: expected.into_iter().filter_map(|(name, steps)| Some((name.to_owned(), steps?))).collect(),
    })
}
