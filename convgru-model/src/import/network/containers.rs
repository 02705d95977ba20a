//! Systems whose tensors are cut otherwise than into kernels `[out, in, kh, kw]` and biases `[out]`.

use convgru_kernels::Scalar;

use super::cells::cells;
use super::imported::{Hints, Imported};
use super::layouts::{CARLTHOME, ONNX};
use super::mapping::Mapping;
use crate::config::ResetGate;
use crate::error::{Error, Result};
use crate::import::layout::Layout;
use crate::tensor::Tensor;

/// TensorFlow's kernels are `[kh, kw, in, out]`.
pub(super) fn carlthome<T: Scalar>(tensors: &[(String, Tensor<T>)], hints: &Hints) -> Result<Imported<T>> {
    let turned = |(name, tensor): &(String, Tensor<T>)| {
        let &[kh, kw, inputs, outputs] = tensor.shape() else { return (name.clone(), tensor.clone()) };
        let taps = kh * kw;
        let turned = Tensor::from_fn(&[outputs, inputs, kh, kw], |i| {
            let (output, input, tap) = (i / taps / inputs, i / taps % inputs, i % taps);
            tensor.as_slice()[(tap * inputs + input) * outputs + output]
        });
        (name.clone(), turned)
    };
    let turned: Vec<(String, Tensor<T>)> = tensors.iter().map(turned).collect();
    let mut imported = cells(&CARLTHOME, Mapping::new(&turned), hints, |_, _, core| Ok(core.config))?;
    imported.kernels_last = true;
    Ok(imported)
}

/// One direction of the operator GRU of ONNX: `W [1, 3H, C]`, `R [1, 3H, H]`, and `B [1, 6H]`, two biases one after the
/// other.
pub(super) fn onnx<T: Scalar>(tensors: &[(String, Tensor<T>)], hints: &Hints) -> Result<Imported<T>> {
    let layout = Layout {
        reset: if hints.linear_before_reset { ResetGate::After } else { ResetGate::Before },
        ..ONNX
    };
    let mut apart = Vec::new();
    for (name, tensor) in tensors {
        let mut add = |name: &str, shape: &[usize], from: usize| -> Result<()> {
            let len: usize = shape.iter().product();
            apart.push((
                name.to_owned(),
                Tensor::from_vec(shape, tensor.as_slice()[from..from + len].to_vec())?,
            ));
            Ok(())
        };
        match (name.as_str(), tensor.shape()) {
            ("W" | "R", &[1, rows, columns]) => add(name, &[rows, columns], 0)?,
            ("B", &[1, both]) if both % 2 == 0 => {
                add("BW", &[both / 2], 0)?;
                add("BR", &[both / 2], both / 2)?;
            }
            _ => return Err(Error::UnexpectedTensor { name: name.clone() }),
        }
    }
    let mut imported = cells(&layout, Mapping::new(&apart), hints, |_, _, core| Ok(core.config))?;
    let shape = |(name, tensor): &(String, Tensor<T>)| (name.clone(), tensor.shape().to_vec());
    imported.published = tensors.iter().map(shape).collect();
    for block in &mut imported.blocks {
        let place = &mut block.published;
        match place.name.as_str() {
            "BW" => "B".clone_into(&mut place.name),
            "BR" => {
                place.row += 3 * block.rows;
                "B".clone_into(&mut place.name);
            }
            _ => {}
        }
    }
    Ok(imported)
}
