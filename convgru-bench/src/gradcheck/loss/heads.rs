//! Ensembles of heads as a whole: from frames and parameters over members to the score of an ensemble.

use convgru_kernels::reference::Number;
use convgru_model::gradcheck::draw::{self, Values};
use convgru_model::gradcheck::{Case, Subject};
use convgru_model::reference::{self, Array, NamedArrays};
use convgru_model::{
    EncoderForecasterConfig, Feedback, Forecaster, ForecasterConfig, OutputActivation, Parameters,
    PyramidConfig, PyramidScale, Residual, Sequence, Tensor, Workspace,
};

use convgru_train::loss::{
    Clamp, LeadWeights, Loss, LossTerm, LossTerms, Objective, PredictedFrames, Truth, objective_reference,
};
use convgru_train::metric::Spread;
use convgru_train::{Error, Result};

/// Members this near to each other or to the truth may cross in a difference.
const NEAR: f64 = 0.05;
/// Draws that are tried to stay away from that.
const TRIES: u64 = 500;

pub(super) fn cases() -> Vec<Case> {
    [
        ("loss crps + mse of an ensemble of heads", Spread::Ensemble, encoder_forecaster as fn(usize) -> _),
        ("loss crps + mse of an ensemble of heads, fair", Spread::Fair, encoder_forecaster),
        ("loss crps + mse of an ensemble of heads of a pyramid", Spread::Fair, pyramid),
    ]
    .map(|(name, spread, config)| {
        let shape = (2usize..=3, 1usize..=2, draw::seed());
        Case::new(name, shape, move |(members, steps, seed)| {
            Heads::new(config(members), objective(spread, steps), steps, seed)
        })
    })
    .into()
}

fn encoder_forecaster(members: usize) -> ForecasterConfig {
    let config = EncoderForecasterConfig {
        patch: 2,
        hidden_channels: vec![2],
        feedback: Feedback::Unconditioned,
        members,
        ..Default::default()
    };
    config.into()
}

fn pyramid(members: usize) -> ForecasterConfig {
    let config = PyramidConfig {
        scales: vec![PyramidScale::new(2, 2)],
        // Rectifiers without kinks.
        slope: 1.0,
        head_channels: 0,
        residual: Residual::LastFrame,
        output_activation: OutputActivation::Identity,
        members,
        ..Default::default()
    };
    config.into()
}

fn objective(spread: Spread, steps: usize) -> Objective {
    let terms = [(Loss::Crps { spread }, 1.5), (Loss::Mse, 0.5)];
    Objective {
        terms: LossTerms(terms.map(|(loss, weight)| LossTerm { loss, weight }).into()),
        lead_weights: LeadWeights::List([0.5, 2.0][..steps].to_vec()),
        clamp: Clamp::None,
    }
}

/// An objective of what a network predicts, against fixed true frames, one pixel of which is unknown.
struct Heads {
    network: Forecaster<f64>,
    objective: Objective,
    inputs: Vec<(String, Tensor<f64>)>,
    target: Tensor<f64>,
    valid: Tensor<f64>,
}

impl Heads {
    fn new(config: ForecasterConfig, objective: Objective, steps: usize, seed: u64) -> Result<Self> {
        let network = Forecaster::new(config, seed)?;
        let shape = [steps, 1, 1, 2, 2];
        let valid = Tensor::from_fn(&shape, |i| if i == 3 { 0.0 } else { 1.0 });
        let target = Tensor::zeros(&shape);
        let mut best = Self { network, objective, inputs: Vec::new(), target, valid };
        let mut widest = -1.0;
        for attempt in 0..TRIES {
            let mut values = Values::new(seed.wrapping_add(attempt));
            let mut inputs = vec![("frames".to_owned(), values.tensor(&[2, 1, 1, 2, 2]))];
            best.network.parameters().for_each(&mut |name, tensor| {
                inputs.push((name.to_owned(), values.tensor(tensor.shape())));
            });
            let tensors: Vec<_> = inputs.iter().map(|(_, tensor)| tensor.clone()).collect();
            let members = best.network(&tensors).forward(&tensors[0], steps)?;
            // The truth lies beyond all members, above or below.
            let mut gap = f64::INFINITY;
            let target = Tensor::from_fn(&shape, |i| {
                let mut x = best.members_at(&members, i);
                x.sort_by(f64::total_cmp);
                gap = x.windows(2).fold(gap, |gap, pair| gap.min(pair[1] - pair[0]));
                if values.coin() { x[x.len() - 1] + 0.3 } else { x[0] - 0.3 }
            });
            if gap > widest {
                (widest, best.inputs, best.target) = (gap, inputs, target);
            }
            if widest > NEAR {
                break;
            }
        }
        Ok(best)
    }

    /// What each member says of element `i` of the truth.
    fn members_at(&self, prediction: &Tensor<f64>, i: usize) -> Vec<f64> {
        let (members, sample) = (self.network.members(), 4);
        (0..members)
            .map(|k| prediction.as_slice()[(i / sample * members + k) * sample + i % sample])
            .collect()
    }

    fn network(&self, inputs: &[Tensor<f64>]) -> Forecaster<f64> {
        let mut network = self.network.clone();
        let mut given = inputs[1..].iter();
        network.parameters_mut().for_each_mut(&mut |_, parameter| {
            if let Some(tensor) = given.next() {
                parameter.clone_from(tensor);
            }
        });
        network
    }

    fn steps(&self) -> usize {
        self.target.shape()[0]
    }

    fn truth(&self) -> Truth<'_, f64> {
        Truth { frames: &self.target, valid: Some(&self.valid) }
    }
}

impl Subject for Heads {
    type Error = Error;

    fn describe(&self) -> String {
        format!("{} members of {} frames", self.network.members(), self.steps())
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        let output = self.network(inputs).forward(&inputs[0], self.steps())?;
        self.objective.value(&PredictedFrames { output: &output, logits: &output }, &self.truth())
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        let network = self.network(inputs);
        let sequence = Sequence { input_gradient: true, ..Sequence::from(&inputs[0]) };
        let mut workspace = Workspace::default();
        let prediction = network.forward_train(sequence, self.steps(), None, &mut workspace)?;
        let forecast = PredictedFrames { output: &prediction.output, logits: &prediction.logits };
        let counts = self.objective.counts(&self.truth())?;
        let (_, gradient) = self.objective.value_and_gradient(&forecast, &self.truth(), &counts)?;
        let mut of_parameters = network.parameters().zeros_like();
        let mut given = gradients[1..].iter();
        of_parameters.for_each_mut(&mut |_, total| {
            if let Some(gradient) = given.next() {
                total.clone_from(gradient);
            }
        });
        let back = network.backward(&mut workspace, gradient, &mut of_parameters)?;
        gradients[0].add_assign(&back.inputs[0])?;
        let mut totals = gradients[1..].iter_mut();
        of_parameters.for_each(&mut |_, gradient| {
            if let Some(total) = totals.next() {
                total.clone_from(gradient);
            }
        });
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let names = self.inputs[1..].iter().map(|(name, _)| name.clone());
        let named = NamedArrays::new(names.zip(inputs[1..].iter().cloned()).collect());
        let config = self.network.config();
        let frames =
            reference::forecaster(config, &named, &inputs[0], self.steps(), None, self.network.noise())?;
        let output = frames.output.as_slice();
        let truth = [self.target.as_slice(), self.valid.as_slice()];
        let shape = [self.steps(), 1, 1, 2, 2];
        Ok(Some(objective_reference(&self.objective, [output, output], truth, shape)))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ensembles_of_heads_pass_many_draws() {
        let report = crate::gradcheck::run(&super::cases(), 10, 7);
        assert!(report.passed(), "{report}");
    }
}
