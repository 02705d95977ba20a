//! What a state knows of the frames before and after it, in one direction of time and in both.
//!
//! The gradient of the state at one step with respect to every frame says which frames it depends on. Prints
//! it for a stack, for two stacks that read from both ends, and for a sample that ends early.
//!
//! ```text
//! cargo run --release -p convgru-model --example bidirectional
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, ConvGru, ConvGruConfig, OutputGradients, Parameters,
    Result, Sequence, Tensor, Workspace,
};

const STEPS: usize = 7;
/// The step whose state is looked at.
const STEP: usize = 3;
/// The second sample has frames 0 to 4; what lies after them is no frame of it.
const LENGTHS: [usize; 2] = [STEPS, 5];

fn main() -> Result<()> {
    let config = ConvGruConfig::new(1, &[8]);
    let mut frames = Tensor::from_fn(&[STEPS, 2, 1, 16, 16], |i| ((i * 37) % 101) as f32 / 100.0);
    // Padding may hold anything.
    for t in LENGTHS[1]..STEPS {
        frames.slice_mut(t)[16 * 16..].fill(f32::NAN);
    }
    let sequence = Sequence { lengths: Some(&LENGTHS), input_gradient: true, ..Sequence::from(&frames) };
    let mut workspace = Workspace::default();

    let stack = ConvGru::<f32>::new(config.clone(), 1)?;
    let states = stack.forward_train(sequence, &mut workspace)?;
    let probe = at_step(&states.outputs[0]);
    let d_states = OutputGradients { outputs: vec![Some(&probe)], ..Default::default() };
    let mut gradients = stack.parameters().zeros_like();
    let of_one = stack.backward(&mut workspace, &d_states, &mut gradients)?.inputs.remove(0);

    let network = BidirectionalConvGru::<f32>::new(BidirectionalConvGruConfig::new(config), 1)?;
    let states = network.forward_train(sequence, &mut workspace)?;
    println!("states of each step: {:?} in both directions", states.outputs[0].shape());
    let probe = at_step(&states.outputs[0]);
    let d_states = OutputGradients { outputs: vec![Some(&probe)], ..Default::default() };
    let mut gradients = network.parameters().zeros_like();
    let of_both = network.backward(&mut workspace, &d_states, &mut gradients)?.inputs.remove(0);

    println!("\nhow much the state at step {STEP} depends on a frame (2-norm of the gradient):");
    println!("frame   one direction   both directions   both, sample of {} frames", LENGTHS[1]);
    for t in 0..STEPS {
        let [one, both, short] = [norm(&of_one, t, 0), norm(&of_both, t, 0), norm(&of_both, t, 1)];
        let note = if t >= LENGTHS[1] { "  (padding)" } else { "" };
        println!("{t:5}   {one:13.6}   {both:15.6}   {short:8.6}{note}");
    }

    // For one answer to a whole sequence: the last states of both, each of which has read every frame.
    let [forward, backward] = [states.last[0].shape(), states.last[1].shape()];
    println!("\nlast states: {forward:?} after the last frame, {backward:?} after the first");
    Ok(())
}

/// The gradient of the sum of the states at [`STEP`]: one there, and zero elsewhere.
fn at_step(outputs: &Tensor<f32>) -> Tensor<f32> {
    let mut probe = Tensor::zeros(outputs.shape());
    probe.slice_mut(STEP).fill(1.0);
    probe
}

/// The 2-norm of a sample's numbers at a step.
fn norm(sequence: &Tensor<f32>, t: usize, sample: usize) -> f32 {
    let squares: f32 = sequence.index(t).slice(sample).iter().map(|v| v * v).sum();
    squares.sqrt()
}
