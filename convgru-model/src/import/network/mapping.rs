//! The part that all published cells have: kernels and biases of three gates.

use std::collections::HashSet;

use convgru_kernels::Scalar;

use super::block::{Block, Place};
use super::imported::Imported;
use crate::composed::{Bias, CellConfig, RecurrentConfig, RecurrentParameters};
use crate::config::ResetGate;
use crate::error::{Error, Result, expect_count};
use crate::import::layout::{BlendConvention, Columns, Gate, Layout};
use crate::tensor::Tensor;

/// Gathers blocks for the tensors of a network.
pub(super) struct Mapping<'t, T> {
    pub(super) tensors: &'t [(String, Tensor<T>)],
    blocks: Vec<Block>,
    /// The places among `blocks` of tensors that were copied whole.
    copied: Vec<usize>,
}

/// What the kernels of a cell tell of it.
#[derive(Debug, Clone)]
pub(super) struct Core {
    /// Channels and kernels, biases, where the reset gate acts.
    pub(super) config: CellConfig,
    /// Input channels of the kernel over the state: the channels of the state, except in a trajectory GRU.
    pub(super) state_columns: usize,
}

impl<'t, T: Scalar> Mapping<'t, T> {
    pub(super) fn new(tensors: &'t [(String, Tensor<T>)]) -> Self {
        Self { tensors, blocks: Vec::new(), copied: Vec::new() }
    }

    /// A tensor by its name.
    pub(super) fn find(&self, name: &str) -> Option<&'t Tensor<T>> {
        self.tensors.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor)
    }

    /// A tensor that must be there.
    pub(super) fn get(&self, name: &str) -> Result<&'t Tensor<T>> {
        self.find(name).ok_or_else(|| {
            let found: Vec<&str> = self.tensors.iter().map(|(name, _)| name.as_str()).take(6).collect();
            Error::MissingTensor { name: name.to_owned(), found: found.join(", ") }
        })
    }

    /// A whole tensor that is the rows of ours from `row` on, up to the rows of the next tensor that is copied there. Tensors that begin at
    /// the same row are added up. [`finish`](Self::finish) compares the shapes.
    pub(super) fn copy(&mut self, published: &str, ours: &str, row: usize, negated: bool) -> Result<()> {
        let tensor = self.get(published)?;
        let rows = tensor.shape().first().copied().unwrap_or(1);
        let width = tensor.len() / rows.max(1);
        let place = |name: &str, row| Place { name: name.to_owned(), width, row, start: 0 };
        self.copied.push(self.blocks.len());
        self.blocks.push(Block {
            published: place(published, 0),
            ours: place(ours, row),
            rows,
            len: width,
            negated,
        });
        Ok(())
    }

    /// The kernels and biases of a cell whose parameters are called `ours...`.
    pub(super) fn core(&mut self, layout: &Layout, prefix: &str, ours: &str) -> Result<Core> {
        let size = self.size(layout, prefix)?;
        let hidden = size.config.hidden_channels;
        let taps = |kernel: [usize; 2], depth: usize| kernel[0] * kernel[1] * depth;
        let of_state = taps(size.config.kernel_size, size.config.kernel_depth);
        let of_input = taps(size.config.input_kernel(), size.config.input_kernel_depth);
        let widths = [size.config.in_channels * of_input, size.state_columns * of_state];
        for tensor in layout.tensors {
            let name = layout.weight_name(prefix, tensor.name);
            // A network without input lacks the kernels over it and their biases.
            if tensor.columns == Columns::Input
                && size.config.in_channels == 0
                && self.find(&name).is_none()
                && self.find(&layout.bias_name(prefix, tensor.name)).is_none()
            {
                continue;
            }
            let weight = self.get(&name)?;
            let rows = tensor.gates.len() * hidden;
            // Where the columns of input and state begin.
            let columns: &[(usize, usize)] = match tensor.columns {
                Columns::InputState => &[(0, 0), (1, widths[0])],
                Columns::StateInput => &[(1, 0), (0, widths[1])],
                Columns::Input => &[(0, 0)],
                Columns::State => &[(1, 0)],
            };
            let width: usize = columns.iter().map(|(part, _)| widths[*part]).sum();
            let expected = size.kernel(rows, tensor.columns);
            if !is_same(&expected, weight.shape()) || weight.len() != rows * width {
                return Err(mismatch(name, &expected, weight.shape()));
            }
            for (index, &gate) in tensor.gates.iter().enumerate() {
                let negated = layout.blend == BlendConvention::State && gate == Gate::Update;
                for &(part, start) in columns {
                    let ours_name = format!("{ours}{}", ["input_weights", "hidden_weights"][part]);
                    self.blocks.push(Block {
                        published: Place { name: name.clone(), width, row: index * hidden, start },
                        ours: Place {
                            name: ours_name,
                            width: widths[part],
                            row: gate as usize * hidden,
                            start: 0,
                        },
                        rows: hidden,
                        len: widths[part],
                        negated,
                    });
                }
            }
            if size.config.bias != Bias::None {
                self.bias(layout, prefix, ours, tensor, hidden)?;
            }
        }
        Ok(size)
    }

    fn bias(
        &mut self,
        layout: &Layout,
        prefix: &str,
        ours: &str,
        tensor: &crate::import::layout::GateTensor,
        hidden: usize,
    ) -> Result<()> {
        let name = layout.bias_name(prefix, tensor.name);
        let bias = self.get(&name)?;
        crate::tensor::expect_shape(&name, bias.shape(), &[tensor.gates.len() * hidden])?;
        for (index, &gate) in tensor.gates.iter().enumerate() {
            let of_state = layout.reset == ResetGate::After
                && tensor.columns == Columns::State
                && gate == Gate::Candidate;
            let (to, row) = if of_state { ("hidden_bias", 0) } else { ("bias", gate as usize * hidden) };
            self.blocks.push(Block {
                published: Place { name: name.clone(), width: 1, row: index * hidden, start: 0 },
                ours: Place { name: format!("{ours}{to}"), width: 1, row, start: 0 },
                rows: hidden,
                len: 1,
                negated: layout.blend == BlendConvention::State && gate == Gate::Update,
            });
        }
        Ok(())
    }

    /// Channels and kernels by the shapes of tensors.
    fn size(&self, layout: &Layout, prefix: &str) -> Result<Core> {
        let name = |wanted: fn(Columns) -> bool| {
            let tensor = layout.tensors.iter().find(|tensor| wanted(tensor.columns))?;
            Some((tensor, layout.weight_name(prefix, tensor.name)))
        };
        let state = name(|columns| columns == Columns::State);
        let input = name(|columns| columns == Columns::Input);
        let both = name(|columns| matches!(columns, Columns::InputState | Columns::StateInput));
        let (tensor, of_state) =
            state.or_else(|| both.clone()).unwrap_or_else(|| unreachable!("a layout reads states"));
        let kernel = self.get(&of_state)?;
        let hidden = kernel.shape().first().copied().unwrap_or(0) / tensor.gates.len();
        let unknown = |what: &str, got: &[usize]| Error::ShapeMismatch {
            what: what.to_owned(),
            expected: "[gates H, in, kernel]".to_owned(),
            got: got.to_vec(),
        };
        if hidden == 0 || kernel.rank() < 2 {
            return Err(unknown(&of_state, kernel.shape()));
        }
        let columns_of_state = kernel.shape()[1];
        let mut config = CellConfig { hidden_channels: hidden, reset: layout.reset, ..CellConfig::default() };
        (config.kernel_depth, config.kernel_size) = spatial(&kernel.shape()[2..])?;
        let mut state_columns = columns_of_state;
        let mut of_input = spatial(&kernel.shape()[2..])?;
        config.in_channels = 0;
        if let Some((_, name)) = input
            && let Some(kernel) = self.find(&name)
        {
            let &[_, columns, ..] = kernel.shape() else { return Err(unknown(&name, kernel.shape())) };
            config.in_channels = columns;
            of_input = spatial(&kernel.shape()[2..])?;
        } else if let Some((_, name)) = both {
            let kernel = self.get(&name)?;
            let columns = kernel.shape().get(1).and_then(|columns| columns.checked_sub(hidden));
            config.in_channels = columns.ok_or_else(|| unknown(&name, kernel.shape()))?;
            state_columns = hidden;
        }
        config.input_kernel_depth = of_input.0;
        config.input_kernel_size = (of_input.1 != config.kernel_size).then_some(of_input.1);
        let has_bias = |tensor: &crate::import::layout::GateTensor| {
            self.find(&layout.bias_name(prefix, tensor.name)).is_some()
        };
        config.bias = if layout.tensors.iter().any(has_bias) { Bias::Two } else { Bias::None };
        Ok(Core { config, state_columns })
    }

    /// Fails unless every tensor that was copied whole has the shape of its rows of ours, and every kernel of ours is filled.
    fn expect_shapes(&self, shapes: &[(String, Vec<usize>)]) -> Result<()> {
        for &place in &self.copied {
            let Block { published, ours, .. } = &self.blocks[place];
            let Some((_, shape)) = shapes.iter().find(|(name, _)| *name == ours.name) else {
                return Err(Error::UnexpectedTensor { name: published.name.clone() });
            };
            let others = self.copied.iter().map(|&other| &self.blocks[other].ours);
            let later = others.filter(|other| other.name == ours.name && other.row > ours.row);
            let end = later.map(|other| other.row).min().unwrap_or(shape[0]);
            let expected = [&[end.saturating_sub(ours.row)], &shape[1..]].concat();
            let got = self.get(&published.name)?.shape();
            if !is_same(&expected, got) {
                return Err(mismatch(published.name.clone(), &expected, got));
            }
        }
        for (name, shape) in shapes.iter().filter(|(_, shape)| shape.len() > 1) {
            let blocks: Vec<&Block> = self.blocks.iter().filter(|block| block.ours.name == *name).collect();
            let width: usize = shape[1..].iter().product();
            if let Some(block) = blocks.iter().find(|block| block.ours.width != width) {
                let got = self.get(&block.published.name)?.shape();
                let expected = format!("rows of {width} numbers of `{name}`");
                return Err(Error::ShapeMismatch {
                    what: block.published.name.clone(),
                    expected,
                    got: got.to_vec(),
                });
            }
            let filled = blocks.iter().map(|block| block.numbers()).fold(0, usize::saturating_add);
            expect_count(&format!("numbers of `{name}`"), shape[0].saturating_mul(width), filled)?;
        }
        Ok(())
    }

    /// The network of a configuration, with the numbers of all blocks.
    pub(super) fn finish(self, config: RecurrentConfig) -> Result<Imported<T>> {
        let used: HashSet<&str> = self.blocks.iter().map(|block| block.published.name.as_str()).collect();
        if let Some((name, _)) = self.tensors.iter().find(|(name, _)| !used.contains(name.as_str())) {
            return Err(Error::UnexpectedTensor { name: name.clone() });
        }
        let shapes = config.parameter_shapes()?;
        self.expect_shapes(&shapes)?;
        let elements =
            |shape: &Vec<usize>| shape.iter().fold(1usize, |count, &size| count.saturating_mul(size));
        let needed = shapes.iter().map(|(_, shape)| elements(shape)).fold(0, usize::saturating_add);
        let given = self
            .blocks
            .iter()
            .map(|block| block.rows.saturating_mul(block.len))
            .fold(0, usize::saturating_add);
        // Kernels of ours were published; some biases of ours are zero where a system has none. A file cannot
        // name a network that is larger than that.
        if needed > given.saturating_mul(2) {
            return Err(Error::Count { what: "numbers of the network".into(), expected: needed, got: given });
        }
        // A sum that begins with minus zero keeps the sign of a zero.
        let minus_zeros = |shape: &[usize]| Tensor::from_fn(shape, |_| -T::ZERO);
        let mut named: Vec<(String, Tensor<T>)> =
            shapes.into_iter().map(|(name, shape)| (name, minus_zeros(&shape))).collect();
        for block in &self.blocks {
            block.read(self.tensors, &mut named)?;
        }
        let published = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec()));
        Ok(Imported {
            config,
            parameters: RecurrentParameters::new(named),
            published: published.collect(),
            blocks: self.blocks,
            kernels_last: false,
        })
    }
}

impl Core {
    /// The shape of a kernel of so many rows over these columns.
    fn kernel(&self, rows: usize, columns: Columns) -> Vec<usize> {
        let Self { config, state_columns } = self;
        let of_state = (config.kernel_depth, config.kernel_size);
        let (columns, (depth, [height, width])) = match columns {
            Columns::Input => (config.in_channels, (config.input_kernel_depth, config.input_kernel())),
            Columns::State => (*state_columns, of_state),
            Columns::InputState | Columns::StateInput => (config.in_channels + state_columns, of_state),
        };
        let mut shape = vec![rows, columns];
        shape.extend((depth > 1).then_some(depth));
        shape.extend([height, width]);
        shape
    }
}

fn mismatch(what: String, expected: &[usize], got: &[usize]) -> Error {
    Error::ShapeMismatch { what, expected: format!("{expected:?}"), got: got.to_vec() }
}

/// Whether shapes are the same, where a kernel may lack dimensions of space of one pixel.
fn is_same(one: &[usize], other: &[usize]) -> bool {
    match (one, other) {
        ([rows, columns, space @ ..], [other_rows, other_columns, other_space @ ..]) => {
            let same = matches!((spatial(space), spatial(other_space)), (Ok(one), Ok(other)) if one == other);
            [rows, columns] == [other_rows, other_columns] && same
        }
        _ => one == other,
    }
}

/// Depth, height and width of a kernel of one to three dimensions, or of none, which is one pixel.
fn spatial(kernel: &[usize]) -> Result<(usize, [usize; 2])> {
    match *kernel {
        [] => Ok((1, [1, 1])),
        [width] => Ok((1, [1, width])),
        [height, width] => Ok((1, [height, width])),
        [depth, height, width] => Ok((depth, [height, width])),
        _ => Err(Error::ShapeMismatch {
            what: "kernel".to_owned(),
            expected: "one to three dimensions of space".to_owned(),
            got: kernel.to_vec(),
        }),
    }
}
