//! One cell from a layout to ours and back.

use convgru_kernels::Scalar;

use super::description::{BlendConvention, Columns, Gate, GateTensor, Layout, name_of};
use crate::config::ResetGate;
use crate::error::{Error, Result};
use crate::fused::cell::{CellParameters, CellShape, GATES};
use crate::tensor::{Tensor, expect_rank, expect_shape};

/// A cell of a layout, by what its names begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) layout: &'a Layout,
    pub(super) prefix: &'a str,
}

/// What the second of two biases that are added up becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum SecondBias {
    Zero,
    Same,
}

/// Channels and kernel of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    inputs: usize,
    hidden: usize,
    /// Of convolutions that read the state.
    kernel: [usize; 2],
    /// Of convolutions of the input alone.
    input_kernel: [usize; 2],
}

impl Columns {
    /// Whether input and state share a kernel.
    fn is_joint(self) -> bool {
        matches!(self, Self::InputState | Self::StateInput)
    }

    /// Input channels of a kernel.
    fn count(self, size: Size) -> usize {
        match self {
            Self::InputState | Self::StateInput => size.inputs + size.hidden,
            Self::Input => size.inputs,
            Self::State => size.hidden,
        }
    }

    /// Height and width of a kernel.
    fn kernel(self, size: Size) -> [usize; 2] {
        if self == Self::Input { size.input_kernel } else { size.kernel }
    }

    /// Splits the row of a joint kernel into the row of the input and the row of the state.
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
        name_of(self.layout.weight, self.prefix, tensor.name)
    }

    fn bias(&self, tensor: &GateTensor) -> String {
        name_of(self.layout.bias, self.prefix, tensor.name)
    }

    /// Whether a tensor of this name belongs to the cell.
    pub(super) fn has(&self, name: &str) -> bool {
        // Most names are names of other tensors, which is seen at once.
        if !self.layout.is_numbered() && !name.starts_with(self.prefix) {
            return false;
        }
        self.layout
            .tensors
            .iter()
            .any(|tensor| [self.weight(tensor), self.bias(tensor)].contains(&name.into()))
    }

    /// The sign of a gate's numbers.
    fn sign<T: Scalar>(&self, gate: Gate) -> T {
        match (self.layout.blend, gate) {
            (BlendConvention::State, Gate::Update) => -T::ONE,
            _ => T::ONE,
        }
    }

    /// The shape of a kernel as the layout keeps it.
    fn kept_shape(&self, tensor: &GateTensor, size: Size) -> Vec<usize> {
        let (rows, columns, [kh, kw]) =
            (tensor.gates.len() * size.hidden, tensor.columns.count(size), tensor.columns.kernel(size));
        if self.layout.matrices && [kh, kw] == [1, 1] {
            vec![rows, columns]
        } else {
            vec![rows, columns, kh, kw]
        }
    }

    pub(super) fn read<T: Scalar>(&self, tensors: &[(&str, &Tensor<T>)]) -> Result<CellParameters<T>> {
        let find = |name: &str| tensors.iter().find(|(n, _)| *n == name).map(|&(_, tensor)| tensor);
        let get = |name: String| find(&name).ok_or_else(|| missing(tensors, name));
        let size = self.size(&get)?;
        let Size { inputs, hidden, kernel: [kh, kw], input_kernel: [ih, iw] } = size;
        // Before anything takes as much memory as some of the shapes say.
        for tensor in self.layout.tensors {
            let name = self.weight(tensor);
            expect_shape(&name, get(name.clone())?.shape(), &self.kept_shape(tensor, size))?;
        }
        let (rows, taps, reset) = (GATES * hidden, kh * kw, self.layout.reset);
        let with_bias = self.layout.tensors.iter().any(|tensor| find(&self.bias(tensor)).is_some());
        // A sum that begins with minus zero keeps the sign of a zero.
        let sums = |count: usize| Tensor::from_fn(&[count], |_| -T::ZERO);
        let mut parameters = CellParameters {
            input_weights: Tensor::zeros(&[rows, inputs, ih, iw]),
            hidden_weights: Tensor::zeros(&[rows, hidden, kh, kw]),
            bias: with_bias.then(|| sums(rows)),
            hidden_bias: (with_bias && reset == ResetGate::After).then(|| sums(hidden)),
            reset,
        };
        for tensor in self.layout.tensors {
            let of_gates = tensor.gates.len() * hidden;
            let weight = get(self.weight(tensor))?;
            for (row, (gate, place)) in rows_of(tensor, hidden).enumerate() {
                let sign: T = self.sign(gate);
                let [input, state] = tensor.columns.split(weight.slice(row), hidden * taps);
                let to = [&mut parameters.input_weights, &mut parameters.hidden_weights];
                for (to, from) in to.into_iter().zip([input, state]) {
                    for (to, &from) in to.slice_mut(place).iter_mut().zip(from) {
                        *to = sign * from;
                    }
                }
            }
            if with_bias {
                let bias = get(self.bias(tensor))?;
                expect_shape(&self.bias(tensor), bias.shape(), &[of_gates])?;
                for (&from, row) in bias.as_slice().iter().zip(rows_of(tensor, hidden)) {
                    let (to, place) = match BiasPlace::of(reset, tensor, row, hidden) {
                        BiasPlace::Joint(place) => (&mut parameters.bias, place),
                        BiasPlace::State(place) => (&mut parameters.hidden_bias, place),
                    };
                    if let Some(to) = to {
                        to.as_mut_slice()[place] = to.as_slice()[place] + self.sign::<T>(row.0) * from;
                    }
                }
            }
        }
        Ok(parameters)
    }

    pub(super) fn write<T: Scalar>(
        &self,
        parameters: &CellParameters<T>,
        second: SecondBias,
        to: &mut Vec<(String, Tensor<T>)>,
    ) -> Result<()> {
        let CellParameters { input_weights, hidden_weights, bias, hidden_bias, .. } = parameters;
        let what = |part: &str| format!("{part} of `{}`", self.prefix);
        expect_rank(&what("hidden weights"), hidden_weights.shape(), &["3 H", "H", "kh", "kw"])?;
        expect_rank(&what("input weights"), input_weights.shape(), &["3 H", "C", "kh", "kw"])?;
        let shape = CellShape { reset: self.layout.reset, ..parameters.shape() };
        parameters.expect(self.prefix, shape, bias.is_some())?;
        let CellShape { in_channels: inputs, hidden_channels: hidden, kernel, input_kernel, .. } = shape;
        let size = Size { inputs, hidden, kernel, input_kernel };
        if self.layout.tensors.iter().any(|tensor| tensor.columns.is_joint()) {
            expect_shape(&what("kernels over the input"), &input_kernel, &kernel)?;
        }
        for tensor in self.layout.tensors {
            let (mut weight, mut of_bias) = (Vec::new(), Vec::new());
            for (gate, place) in rows_of(tensor, hidden) {
                let sign: T = self.sign(gate);
                let row = tensor.columns.join(input_weights.slice(place), hidden_weights.slice(place));
                weight.extend(row.into_iter().map(|x| sign * x));
                let (bias, place, is_second) =
                    match BiasPlace::of(self.layout.reset, tensor, (gate, place), hidden) {
                        BiasPlace::Joint(place) => (bias, place, tensor.columns == Columns::State),
                        BiasPlace::State(place) => (hidden_bias, place, false),
                    };
                of_bias.extend(bias.as_ref().map(|bias| match second {
                    SecondBias::Zero if is_second => T::ZERO,
                    _ => sign * bias.as_slice()[place],
                }));
            }
            let rows = tensor.gates.len() * hidden;
            to.push((self.weight(tensor), Tensor::from_vec(&self.kept_shape(tensor, size), weight)?));
            if bias.is_some() {
                to.push((self.bias(tensor), Tensor::from_vec(&[rows], of_bias)?));
            }
        }
        Ok(())
    }

    /// Adds the biases that are second of two, in the order of the tensors.
    pub(super) fn add_second_biases<T: Scalar>(&self, tensors: &[(&str, &Tensor<T>)], to: &mut Vec<f64>) {
        let of_state = self.layout.tensors.iter().filter(|tensor| tensor.columns == Columns::State);
        for tensor in of_state {
            let name = self.bias(tensor);
            let Some((_, bias)) = tensors.iter().find(|(own, _)| *own == name) else { continue };
            let hidden = bias.len() / tensor.gates.len();
            for (&number, row) in bias.as_slice().iter().zip(rows_of(tensor, hidden)) {
                if matches!(BiasPlace::of(self.layout.reset, tensor, row, hidden), BiasPlace::Joint(_)) {
                    to.push(number.to_f64());
                }
            }
        }
    }

    /// The size that the first kernels of state and input have.
    fn size<'t, T: Scalar>(&self, get: &impl Fn(String) -> Result<&'t Tensor<T>>) -> Result<Size> {
        let kernel = |other: Columns| -> Result<(&GateTensor, [usize; 4])> {
            let tensor = self.layout.tensors.iter().find(|tensor| tensor.columns != other);
            let tensor = tensor.expect("every layout has kernels of input and state");
            match *get(self.weight(tensor))?.shape() {
                [rows, columns, kh, kw] => Ok((tensor, [rows, columns, kh, kw])),
                [rows, columns] if self.layout.matrices => Ok((tensor, [rows, columns, 1, 1])),
                ref shape => Err(self.mismatch(tensor, "[gates H, in, kh, kw]".to_owned(), shape)),
            }
        };
        let (tensor, shape) = kernel(Columns::Input)?;
        let (hidden, kernel_size) = (shape[0] / tensor.gates.len(), [shape[2], shape[3]]);
        let (of_input, input_shape) = kernel(Columns::State)?;
        let inputs = match of_input.columns {
            Columns::Input => Some(input_shape[1]),
            _ => input_shape[1].checked_sub(hidden),
        };
        match inputs {
            Some(inputs) if shape[0] % tensor.gates.len() == 0 => {
                let input_kernel = [input_shape[2], input_shape[3]];
                Ok(Size { inputs, hidden, kernel: kernel_size, input_kernel })
            }
            _ => {
                let expected = format!("[{} H, C + H, kh, kw]", tensor.gates.len());
                Err(self.mismatch(tensor, expected, &shape))
            }
        }
    }

    fn mismatch(&self, tensor: &GateTensor, expected: String, got: &[usize]) -> Error {
        Error::ShapeMismatch { what: self.weight(tensor), expected, got: got.to_vec() }
    }
}

/// Where the bias of a gate in a convolution goes among ours.
enum BiasPlace {
    /// In `bias`.
    Joint(usize),
    /// In `hidden_bias`: where the reset gate acts after the convolution of the state, that has its own.
    State(usize),
}

impl BiasPlace {
    fn of(reset: ResetGate, tensor: &GateTensor, (gate, place): (Gate, usize), hidden: usize) -> Self {
        match (reset, tensor.columns, gate) {
            (ResetGate::After, Columns::State, Gate::Candidate) => {
                Self::State(place - gate as usize * hidden)
            }
            _ => Self::Joint(place),
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

/// The error where a tensor is not among those there.
pub(super) fn missing<T>(tensors: &[(&str, &Tensor<T>)], name: String) -> Error {
    let mut found: Vec<&str> = tensors.iter().map(|(n, _)| *n).take(6).collect();
    if tensors.len() > found.len() {
        found.push("...");
    }
    Error::MissingTensor { name, found: found.join(", ") }
}
