//! What convgru does for each kind of workload, and what of it is timed.

use convgru_model::{
    ConvGru, ConvGruOutput, ConvGruOutputGradients, ConvGruParameters, ConvGruSequences, ConvGruStream,
    ConvGruWorkspace, InputGradient, Outputs, Parameters, Tensor,
};

/// Work that is done again and again.
pub(super) trait Work: Send {
    /// What comes before each time and is not timed.
    fn prepare(&mut self) {}

    /// The work.
    fn iterate(&mut self) -> anyhow::Result<()>;

    /// Does the work; the last state of the topmost layer and, in training, all gradients.
    fn outputs(&mut self) -> anyhow::Result<Vec<f32>>;
}

/// One frame from no state. The weights are packed and the memory is taken beforehand.
pub(super) struct Step<'a> {
    stream: ConvGruStream<'a, f32>,
    frame: Tensor<f32>,
}

impl<'a> Step<'a> {
    pub(super) fn new(network: &'a ConvGru<f32>, frames: &Tensor<f32>) -> anyhow::Result<Self> {
        let frame = frames.index(0);
        let [batch, _, height, width] = frame.shape() else {
            anyhow::bail!("frames of shape {:?} where [T, N, C, H, W] is needed", frames.shape());
        };
        Ok(Self { stream: network.prepare(*batch, *height, *width)?, frame })
    }
}

impl Work for Step<'_> {
    fn prepare(&mut self) {
        self.stream.reset();
    }

    fn iterate(&mut self) -> anyhow::Result<()> {
        self.stream.step(&self.frame)?;
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<f32>> {
        self.stream.reset();
        Ok(self.stream.step(&self.frame)?.as_slice().to_vec())
    }
}

/// A sequence. The weights are packed beforehand and memory is kept.
pub(super) struct Sequence<'a> {
    network: ConvGruSequences<'a, f32>,
    frames: &'a Tensor<f32>,
    output: ConvGruOutput<f32>,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(network: &'a ConvGru<f32>, frames: &'a Tensor<f32>) -> anyhow::Result<Self> {
        Ok(Self { network: network.prepare_sequences()?, frames, output: ConvGruOutput::default() })
    }
}

impl Work for Sequence<'_> {
    fn iterate(&mut self) -> anyhow::Result<()> {
        self.network.forward_into(self.frames, None, Outputs::Top, &mut self.output)?;
        std::hint::black_box(&self.output);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<f32>> {
        self.iterate()?;
        Ok(self.output.last.last().map(|state| state.as_slice().to_vec()).unwrap_or_default())
    }
}

/// Forward and backward of the sum of the top states; weights change from step to step, so
/// packing them is part of it. The gradients are kept, and zeroed each time.
pub(super) struct Training<'a> {
    network: &'a ConvGru<f32>,
    frames: &'a Tensor<f32>,
    ones: Option<Tensor<f32>>,
    workspace: Option<ConvGruWorkspace<f32>>,
    gradients: ConvGruParameters<f32>,
}

impl<'a> Training<'a> {
    pub(super) fn new(network: &'a ConvGru<f32>, frames: &'a Tensor<f32>) -> Self {
        Self { network, frames, ones: None, workspace: None, gradients: network.parameters().zeros_like() }
    }

    /// Returns the last state of the topmost layer.
    fn step(&mut self) -> anyhow::Result<Option<Tensor<f32>>> {
        self.gradients.zero();
        let mut output =
            self.network.forward_train_into(self.frames, None, Outputs::Top, &mut self.workspace)?;
        let layers = self.network.config().layers();
        let top = &output.outputs[0];
        let ones = self.ones.get_or_insert_with(|| {
            let mut ones = Tensor::zeros(top.shape());
            ones.fill(1.0);
            ones
        });
        let mut outputs = vec![None; layers];
        outputs[layers - 1] = Some(&*ones);
        let d_outputs = ConvGruOutputGradients { outputs, last: vec![None; layers] };
        if let Some(workspace) = &mut self.workspace {
            self.network.backward(workspace, &d_outputs, InputGradient::Skip, &mut self.gradients)?;
        }
        Ok(output.last.pop())
    }
}

impl Work for Training<'_> {
    fn iterate(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.step()?);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<f32>> {
        let mut numbers = self.step()?.map(Tensor::into_vec).unwrap_or_default();
        self.gradients.for_each(&mut |_, tensor| numbers.extend_from_slice(tensor.as_slice()));
        Ok(numbers)
    }
}
