//! What convgru does for each kind of workload, and what of it is timed.

use convgru_model::{
    ConvGru, ConvGruParameters, Output, Parameters, Prepared, ReturnLayers, Scalar, Sequence, StateGradient,
    Stream, Tensor, Workspace,
};

/// Work that is done again and again.
pub(super) trait Work<T>: Send {
    /// What comes before each time and is not timed.
    fn prepare(&mut self) {}

    /// The work.
    fn iterate(&mut self) -> anyhow::Result<()>;

    /// Does the work; the last state of the topmost layer or the frames that are predicted and, in training, all gradients.
    fn outputs(&mut self) -> anyhow::Result<Vec<T>>;
}

/// One frame from no state. The weights are packed and the memory is taken beforehand.
pub(super) struct Step<T: Scalar> {
    stream: Stream<'static, T>,
    frame: Tensor<T>,
}

impl<T: Scalar> Step<T> {
    pub(super) fn new(network: ConvGru<T>, frames: &Tensor<T>) -> anyhow::Result<Self> {
        let frame = frames.index(0);
        let [batch, _, height, width] = frame.shape() else {
            anyhow::bail!("frames of shape {:?} where [T, N, C, H, W] is needed", frames.shape());
        };
        Ok(Self { stream: network.into_prepared()?.stream(*batch, *height, *width)?, frame })
    }
}

impl<T: Scalar> Work<T> for Step<T> {
    fn prepare(&mut self) {
        self.stream.reset();
    }

    fn iterate(&mut self) -> anyhow::Result<()> {
        self.stream.step(&self.frame)?;
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<T>> {
        self.stream.reset();
        Ok(self.stream.step(&self.frame)?.as_slice().to_vec())
    }
}

/// A sequence. The weights are packed beforehand and memory is kept.
pub(super) struct Frames<T: Scalar> {
    network: Prepared<'static, T>,
    frames: Tensor<T>,
    output: Output<T>,
}

impl<T: Scalar> Frames<T> {
    pub(super) fn new(network: ConvGru<T>, frames: Tensor<T>) -> anyhow::Result<Self> {
        Ok(Self { network: network.into_prepared()?, frames, output: Output::default() })
    }
}

impl<T: Scalar> Work<T> for Frames<T> {
    fn iterate(&mut self) -> anyhow::Result<()> {
        self.network.forward(&self.frames, &mut self.output)?;
        std::hint::black_box(&self.output);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<T>> {
        self.iterate()?;
        Ok(self.output.last.last().map(|state| state.as_slice().to_vec()).unwrap_or_default())
    }
}

/// Forward and backward of the sum of the top states, each of which is read on the way back; weights
/// change from step to step, so packing them is part of it. The gradients are kept, and zeroed each time.
pub(super) struct Training<T> {
    network: ConvGru<T>,
    frames: Tensor<T>,
    workspace: Workspace<T>,
    /// A state of the topmost layer, and the gradient of the sum with respect to it.
    top: Option<[Tensor<T>; 2]>,
    gradients: ConvGruParameters<T>,
}

impl<T: Scalar> Training<T> {
    pub(super) fn new(network: ConvGru<T>, frames: Tensor<T>) -> Self {
        let gradients = network.parameters().zeros_like();
        Self { network, frames, workspace: Workspace::default(), top: None, gradients }
    }

    /// Returns the last state of the topmost layer.
    fn step(&mut self) -> anyhow::Result<Option<Tensor<T>>> {
        self.gradients.zero();
        let sequence = Sequence { return_layers: ReturnLayers::None, ..Sequence::from(&self.frames) };
        let mut output = self.network.forward_train(sequence, &mut self.workspace)?;
        let Some(last) = output.last.pop() else { return Ok(None) };
        let layer = output.last.len();
        let [state, ones] = self.top.get_or_insert_with(|| {
            let state = Tensor::zeros(last.shape());
            let mut ones = state.clone();
            ones.fill(T::from_f32(1.0));
            [state, ones]
        });
        let mut enter = |mut entry: StateGradient<'_, T>| {
            if entry.layer() == layer {
                entry.read_state(state)?;
                std::hint::black_box(&*state);
                entry.add(ones)?;
            }
            Ok(())
        };
        self.network.backward(&mut self.workspace, &mut enter, &mut self.gradients)?;
        Ok(Some(last))
    }
}

impl<T: Scalar> Work<T> for Training<T> {
    fn iterate(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.step()?);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<T>> {
        let mut numbers = self.step()?.map(Tensor::into_vec).unwrap_or_default();
        self.gradients.for_each(&mut |_, tensor| numbers.extend_from_slice(tensor.as_slice()));
        Ok(numbers)
    }
}
