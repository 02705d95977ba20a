//! What a gradient check is made of.

use convgru_kernels::reference::Number;

use crate::reference::Array;
use crate::tensor::Tensor;

/// A scalar loss of some tensors, with the gradients its author claims.
///
/// The loss is computed by the code that ships, in `f64`; the gradients by the
/// backward pass that ships. [`check`](super::check) compares them element by
/// element. A layer with a tensor for an output gets its loss by a fixed random
/// probe: `loss = sum of output . probe`, so the gradient of the output is the probe.
///
/// ```
/// use convgru_kernels::reference::Number;
/// use convgru_model::gradcheck::{Subject, check};
/// use convgru_model::reference::Array;
/// use convgru_model::{Error, Tensor};
///
/// /// The sum of the squares.
/// struct Squares;
///
/// impl Subject for Squares {
///     type Error = Error;
///     fn describe(&self) -> String {
///         "x [3]".to_owned()
///     }
///     fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
///         vec![("x".to_owned(), Tensor::from_fn(&[3], |i| i as f64 - 0.5))]
///     }
///     fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64, Error> {
///         Ok(inputs[0].as_slice().iter().map(|x| x * x).sum())
///     }
///     fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<(), Error> {
///         for (d, x) in gradients[0].as_mut_slice().iter_mut().zip(inputs[0].as_slice()) {
///             *d += 2.0 * x;
///         }
///         Ok(())
///     }
///     fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>, Error> {
///         let squares = inputs[0].as_slice().iter().map(|&x| x * x);
///         Ok(squares.reduce(|sum, square| sum + square))
///     }
/// }
///
/// let row = check("squares", &Squares)?;
/// assert!(row.passed, "{row:?}");
/// # Ok::<(), Error>(())
/// ```
pub trait Subject {
    /// What the computation fails with.
    type Error: From<crate::Error>;

    /// Shapes and options in one line, for the report.
    fn describe(&self) -> String;

    /// The tensors the loss depends on, with their names, at the point where the
    /// check is made. Functions with kinks must be checked away from them.
    fn inputs(&self) -> Vec<(String, Tensor<f64>)>;

    /// The loss, through the shipped forward pass.
    ///
    /// # Errors
    /// The errors of the forward pass.
    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64, Self::Error>;

    /// Adds the gradient of the loss with respect to each input to what is in
    /// `gradients`, through the shipped backward pass. A backward pass that adds to
    /// the gradients it is given must be given these, for the check shows whether it
    /// adds; the one that returns gradients has them added here.
    ///
    /// # Errors
    /// The errors of the forward and backward pass.
    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>])
    -> Result<(), Self::Error>;

    /// The loss by its definition, on any kind of number; `None` if there is no
    /// independent definition, which leaves the check to the differences.
    ///
    /// # Errors
    /// The errors of the reference.
    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>, Self::Error> {
        let _ = inputs;
        Ok(None)
    }
}

/// A subject with one element of its gradient broken on purpose: the negative
/// control. A check of it that passes is worth nothing.
#[derive(Debug, Clone)]
pub(super) struct Broken<S> {
    /// The subject whose gradient is broken.
    pub(super) subject: S,
    /// Which of the inputs.
    pub(super) input: usize,
    /// Which element of that input, in memory order.
    pub(super) element: usize,
    /// What is added to that element of the gradient.
    pub(super) amount: f64,
}

impl<S: Subject> Subject for Broken<S> {
    type Error = S::Error;

    fn describe(&self) -> String {
        format!("{}, gradient broken by {:e}", self.subject.describe(), self.amount)
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.subject.inputs()
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64, Self::Error> {
        self.subject.loss(inputs)
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<(), Self::Error> {
        self.subject.add_gradients(inputs, gradients)?;
        let tensor = gradients.get_mut(self.input).map(Tensor::as_mut_slice).unwrap_or_default();
        if let Some(element) = tensor.get_mut(self.element) {
            *element += self.amount;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>, Self::Error> {
        self.subject.reference(inputs)
    }
}
