//! Which functions the gates and the candidate of a cell may be.

use convgru_kernels::gates::{Activations, CandidateActivation, GateActivation};

use super::invalid;
use crate::error::Result;
use crate::layer::Activation;

/// What gates are unless a configuration says otherwise.
pub(super) const GATE: Activation = Activation::Sigmoid;
/// What candidates are unless a configuration says otherwise.
pub(super) const CANDIDATE: Activation = Activation::Tanh;

pub(super) fn gate() -> Activation {
    GATE
}

pub(super) fn is_gate(activation: &Activation) -> bool {
    *activation == GATE
}

pub(super) fn candidate() -> Activation {
    CANDIDATE
}

pub(super) fn is_candidate(activation: &Activation) -> bool {
    *activation == CANDIDATE
}

/// The functions of a cell as the kernels name them.
pub(super) fn of_cell(gate: Activation, candidate: Activation) -> Result<Activations> {
    let gate = match gate {
        Activation::Sigmoid => GateActivation::Sigmoid,
        Activation::HardSigmoid => GateActivation::HardSigmoid,
        other => {
            let reason = format!("{other} is no function of gates; sigmoid and hard-sigmoid are");
            return invalid("gate_activation", reason);
        }
    };
    validate_slope("candidate_activation", candidate)?;
    let candidate = match candidate {
        Activation::Tanh => CandidateActivation::Tanh,
        Activation::Relu => CandidateActivation::Relu,
        Activation::LeakyRelu(slope) => CandidateActivation::LeakyRelu(slope),
        other => {
            let reason = format!("{other} is no function of candidates; tanh, relu and leaky-relu are");
            return invalid("candidate_activation", reason);
        }
    };
    Ok(Activations { gate, candidate })
}

/// Checks the slope of a leaky ReLU.
pub(crate) fn validate_slope(field: &str, activation: Activation) -> Result<()> {
    match activation {
        Activation::LeakyRelu(slope) if !Activation::SLOPES.contains(&slope) => {
            let reason = format!("the slope {slope} of leaky-relu is not a number from 0 to {:e}", f32::MAX);
            invalid(field, reason)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConvGruConfig;

    #[test]
    fn a_configuration_without_the_fields_has_the_usual_cell_and_is_written_without_them() {
        let text = r#"{"in_channels":2,"hidden_channels":[3]}"#;
        let config: ConvGruConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config, ConvGruConfig::new(2, &[3]));
        assert_eq!(config.activations().unwrap(), Activations::default());
        let written = serde_json::to_string(&config).unwrap();
        assert!(!written.contains("activation") && !written.contains("dilation"), "{written}");
    }

    #[test]
    fn a_configuration_with_the_fields_comes_back() {
        let config = ConvGruConfig {
            gate_activation: Activation::HardSigmoid,
            candidate_activation: Activation::LeakyRelu(0.2),
            dilation: [2, 3],
            input_dilation: Some([1, 1]),
            ..ConvGruConfig::new(2, &[3])
        };
        let written = serde_json::to_string(&config).unwrap();
        assert!(written.contains(r#""gate_activation":"hard-sigmoid""#), "{written}");
        assert!(written.contains(r#""candidate_activation":{"leaky-relu":0.2}"#), "{written}");
        assert_eq!(serde_json::from_str::<ConvGruConfig>(&written).unwrap(), config);
        let expected =
            Activations { gate: GateActivation::HardSigmoid, candidate: CandidateActivation::LeakyRelu(0.2) };
        assert_eq!(config.activations().unwrap(), expected);
        assert_eq!((config.dilation_of_input(), config.validate()), ([1, 1], Ok(())));
    }
}
