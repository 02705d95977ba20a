//! One cell from a layout to ours and back.

use convgru_kernels::Scalar;

use super::{Blend, Columns, Gate, GateTensor, Layout, missing};
use crate::cell::{CellParameters, CellShape, GATES};
use crate::config::ResetGate;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_rank, expect_shape};

/// A cell of a layout, by what its names begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) layout: &'a Layout,
    pub(super) prefix: &'a str,
}

/// Channels and kernel of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    inputs: usize,
    hidden: usize,
    kernel: [usize; 2],
}

impl Columns {
    /// Input channels of a kernel.
    fn count(self, size: Size) -> usize {
        match self {
            Self::InputState | Self::StateInput => size.inputs + size.hidden,
            Self::Input => size.inputs,
            Self::State => size.hidden,
        }
    }

    /// Splits the row of a joint kernel into those of input and state.
    fn split<T>(self, row: &[T], of_state: usize) -> [&[T]; 2] {
        let (of_input, of_state) = match self {
            Self::InputState => row.split_at(row.len() - of_state),
            Self::StateInput => {
                let (state, input) = row.split_at(of_state);
                (input, state)
            }
            Self::Input => (row, &row[..0]),
            Self::State => (&row[..0], row),
        };
        [of_input, of_state]
    }

    /// The row of a joint kernel.
    fn join<T: Clone>(self, input: &[T], state: &[T]) -> Vec<T> {
        match self {
            Self::InputState => [input, state].concat(),
            Self::StateInput => [state, input].concat(),
            Self::Input => input.to_vec(),
            Self::State => state.to_vec(),
        }
    }
}

impl Cell<'_> {
    fn weight(&self, tensor: &GateTensor) -> String {
        self.layout.weight_name(self.prefix, tensor)
    }

    fn bias(&self, tensor: &GateTensor) -> String {
        format!("{}{}.bias", self.prefix, tensor.name)
    }

    /// Whether a tensor of this name belongs to the cell.
    pub(super) fn has(&self, name: &str) -> bool {
        self.layout
            .tensors
            .iter()
            .any(|tensor| [self.weight(tensor), self.bias(tensor)].contains(&name.into()))
    }

    /// The sign of a gate's numbers.
    fn sign<T: Scalar>(&self, gate: Gate) -> T {
        match (self.layout.blend, gate) {
            (Blend::State, Gate::Update) => -T::ONE,
            _ => T::ONE,
        }
    }

    pub(super) fn read<T: Scalar>(&self, tensors: &[(String, Tensor<T>)]) -> Result<CellParameters<T>> {
        let find = |name: &str| tensors.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor);
        let get = |name: String| find(&name).ok_or_else(|| missing(tensors, name));
        let size = self.size(&get)?;
        let Size { inputs, hidden, kernel: [kh, kw] } = size;
        let (rows, taps) = (GATES * hidden, kh * kw);
        let mut parameters = CellParameters {
            input_weights: Tensor::zeros(&[rows, inputs, kh, kw]),
            hidden_weights: Tensor::zeros(&[rows, hidden, kh, kw]),
            bias: None,
            hidden_bias: None,
            reset: ResetGate::Before,
        };
        let with_bias = self.layout.tensors.iter().any(|tensor| find(&self.bias(tensor)).is_some());
        let mut biases = vec![T::ZERO; rows];
        for tensor in self.layout.tensors {
            let (name, of_gates) = (self.weight(tensor), tensor.gates.len() * hidden);
            let weight = get(name.clone())?;
            expect_shape(&name, weight.shape(), &[of_gates, tensor.columns.count(size), kh, kw])?;
            let bias = if with_bias { Some(get(self.bias(tensor))?) } else { None };
            if let Some(bias) = bias {
                expect_shape(&self.bias(tensor), bias.shape(), &[of_gates])?;
            }
            for (row, (gate, place)) in rows_of(tensor, hidden).enumerate() {
                let sign: T = self.sign(gate);
                let [input, state] = tensor.columns.split(weight.slice(row), hidden * taps);
                let to = [&mut parameters.input_weights, &mut parameters.hidden_weights];
                for (to, from) in to.into_iter().zip([input, state]) {
                    for (to, &from) in to.slice_mut(place).iter_mut().zip(from) {
                        *to = sign * from;
                    }
                }
                if let Some(bias) = bias {
                    biases[place] = sign * bias.as_slice()[row];
                }
            }
        }
        if with_bias {
            parameters.bias = Some(Tensor::from_vec(&[rows], biases)?);
        }
        Ok(parameters)
    }

    pub(super) fn write<T: Scalar>(
        &self,
        parameters: &CellParameters<T>,
        to: &mut Vec<(String, Tensor<T>)>,
    ) -> Result<()> {
        let CellParameters { input_weights, hidden_weights, bias, .. } = parameters;
        let what = |part: &str| format!("{part} of `{}`", self.prefix);
        expect_rank(&what("hidden weights"), hidden_weights.shape(), &["3 H", "H", "kh", "kw"])?;
        expect_rank(&what("input weights"), input_weights.shape(), &["3 H", "C", "kh", "kw"])?;
        let shape = CellShape { reset: ResetGate::Before, ..parameters.shape() };
        parameters.expect(self.prefix, shape, bias.is_some())?;
        let (hidden, [kh, kw]) = (shape.hidden_channels, shape.kernel);
        let size = Size { inputs: shape.in_channels, hidden, kernel: shape.kernel };
        for tensor in self.layout.tensors {
            let (mut weight, mut of_bias) = (Vec::new(), Vec::new());
            for (gate, place) in rows_of(tensor, hidden) {
                let sign: T = self.sign(gate);
                let row = tensor.columns.join(input_weights.slice(place), hidden_weights.slice(place));
                weight.extend(row.into_iter().map(|x| sign * x));
                of_bias.extend(bias.as_ref().map(|bias| sign * bias.as_slice()[place]));
            }
            let rows = tensor.gates.len() * hidden;
            let weight = Tensor::from_vec(&[rows, tensor.columns.count(size), kh, kw], weight)?;
            to.push((self.weight(tensor), weight));
            if bias.is_some() {
                to.push((self.bias(tensor), Tensor::from_vec(&[rows], of_bias)?));
            }
        }
        Ok(())
    }

    /// The size that the first kernels of state and input have.
    fn size<'t, T: Scalar>(&self, get: &impl Fn(String) -> Result<&'t Tensor<T>>) -> Result<Size> {
        let of_state = |tensor: &&GateTensor| tensor.columns != Columns::Input;
        let of_input = |tensor: &&GateTensor| tensor.columns != Columns::State;
        let kernel = |wanted: &dyn Fn(&&GateTensor) -> bool| -> Result<(&GateTensor, String, [usize; 4])> {
            let tensor = self.layout.tensors.iter().find(|tensor| wanted(tensor));
            let tensor = tensor.expect("every layout has kernels of input and state");
            let name = self.weight(tensor);
            let weight = get(name.clone())?;
            let &[rows, columns, kh, kw] = weight.shape() else {
                return Err(Error::ShapeMismatch {
                    what: name,
                    expected: "[gates H, in, kh, kw]".to_owned(),
                    got: weight.shape().to_vec(),
                });
            };
            Ok((tensor, name, [rows, columns, kh, kw]))
        };
        let (tensor, name, shape) = kernel(&of_state)?;
        let (hidden, kernel_size) = (shape[0] / tensor.gates.len(), [shape[2], shape[3]]);
        let (of_input, _, input_shape) = kernel(&of_input)?;
        let inputs = match of_input.columns {
            Columns::Input => Some(input_shape[1]),
            _ => input_shape[1].checked_sub(hidden),
        };
        match inputs {
            Some(inputs) if shape[0] % tensor.gates.len() == 0 => {
                Ok(Size { inputs, hidden, kernel: kernel_size })
            }
            _ => Err(Error::ShapeMismatch {
                what: name,
                expected: format!("[{} H, C + H, kh, kw]", tensor.gates.len()),
                got: shape.to_vec(),
            }),
        }
    }
}

/// The gate of each row of a kernel, and the row's place among ours.
fn rows_of(tensor: &GateTensor, hidden: usize) -> impl Iterator<Item = (Gate, usize)> {
    tensor
        .gates
        .iter()
        .flat_map(move |&gate| (0..hidden).map(move |row| (gate, gate as usize * hidden + row)))
}
