//! Cells, stacks and sequences.

mod drawn;
mod kinds;
mod kinks;
mod stack;

use proptest::prelude::*;

use self::drawn::{Drawn, Form};
use self::stack::Stack;

use crate::config::{ConvGruConfig, KernelSizes, ResetGate};
use crate::gradcheck::draw;
use crate::gradcheck::{Case, probed};
use crate::layer::Activation;

pub(super) fn cases() -> Vec<Case> {
    let one_layer = || prop::collection::vec((1usize..=3, draw::odd_kernel()), 1);
    let layers = || prop::collection::vec((1usize..=2, draw::odd_kernel()), 2..=3);
    let case = Drawn {
        bias: true,
        given: true,
        input: true,
        reset: ResetGate::Before,
        input_kernel: None,
        lengths: false,
        gate: Activation::Sigmoid,
        candidate: Activation::Tanh,
        dilation: [1, 1],
        input_dilation: None,
        form: Form::Step,
    };
    let after = Drawn { reset: ResetGate::After, ..case };
    let mut cases = vec![
        case.of("cell", one_layer(), draw::image_size()),
        Drawn { given: false, ..case }.of("cell from no state", one_layer(), draw::image_size()),
        Drawn { bias: false, ..case }.of("cell without bias", one_layer(), draw::image_size()),
        case.of("cell on one pixel", one_layer(), draw::one_pixel()),
        Drawn { form: Form::Top, ..case }.of("cell over a sequence", one_layer(), draw::image_size()),
        case.of("stack", layers(), draw::image_size()),
        Drawn { given: false, ..case }.of("stack from no states", layers(), draw::image_size()),
        Drawn { form: Form::Everything, ..case }.of("sequence, every state", layers(), draw::image_size()),
        Drawn { form: Form::Everything, given: false, ..case }.of(
            "sequence from no states",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, bias: false, ..case }.of(
            "sequence without bias",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, input: false, ..case }.of(
            "sequence without input",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Top, ..case }.of("sequence, top states", layers(), draw::image_size()),
        Drawn { form: Form::Last, ..case }.of("sequence, last states", layers(), draw::image_size()),
        Drawn { form: Form::Everything, ..case }.of("sequence on one pixel", layers(), draw::one_pixel()),
        Drawn { input_kernel: Some([3, 5]), ..case }.of(
            "cell, kernels of two sizes",
            one_layer(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, input_kernel: Some([5, 1]), ..case }.of(
            "sequence, kernels of two sizes",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, input_kernel: Some([1, 3]), ..after }.of(
            "sequence, kernels of two sizes, reset after",
            layers(),
            draw::image_size(),
        ),
        after.of("cell, reset after", one_layer(), draw::image_size()),
        Drawn { given: false, ..after }.of(
            "cell from no state, reset after",
            one_layer(),
            draw::image_size(),
        ),
        Drawn { bias: false, ..after }.of("cell without bias, reset after", one_layer(), draw::image_size()),
        Drawn { form: Form::Top, ..after }.of(
            "cell over a sequence, reset after",
            one_layer(),
            draw::image_size(),
        ),
        after.of("stack, reset after", layers(), draw::image_size()),
        Drawn { form: Form::Everything, ..after }.of(
            "sequence, every state, reset after",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, given: false, ..after }.of(
            "sequence from no states, reset after",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, bias: false, ..after }.of(
            "sequence without bias, reset after",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, input: false, ..after }.of(
            "sequence without input, reset after",
            layers(),
            draw::image_size(),
        ),
        Drawn { form: Form::Everything, ..after }.of(
            "sequence on one pixel, reset after",
            layers(),
            draw::one_pixel(),
        ),
    ];
    cases.extend(kinds::cases(case));
    cases.extend(cases_of_lengths(case, after));
    cases
}

/// Samples of different lengths.
fn cases_of_lengths(before: Drawn, after: Drawn) -> Vec<Case> {
    let layers = || prop::collection::vec((1usize..=2, draw::odd_kernel()), 1..=3);
    let all = [(before, ""), (after, ", reset after")].map(|(case, reset)| {
        let of = |form: Form, given: bool, name: &str| {
            let case = Drawn { form, given, lengths: true, ..case };
            case.of(&format!("lengths{name}{reset}"), layers(), draw::image_size())
        };
        [
            of(Form::Everything, true, ", every state"),
            of(Form::Everything, false, " from no states"),
            of(Form::Top, true, ", top states"),
            of(Form::Last, true, ", last states"),
            of(Form::Last, false, " from no states, last states"),
        ]
    });
    let without_input = Drawn { form: Form::Everything, lengths: true, input: false, ..before };
    let without_input = without_input.of("lengths without input", layers(), draw::image_size());
    all.into_iter().flatten().chain([without_input]).collect()
}

impl Drawn {
    fn of(
        self,
        name: &str,
        layers: impl Strategy<Value = Vec<(usize, [usize; 2])>> + Clone + Send + Sync + 'static,
        size: impl Strategy<Value = [usize; 2]> + Clone + Send + Sync + 'static,
    ) -> Case {
        let unequal =
            (1usize..=3, layers).prop_filter("in != hidden", |(inputs, layers)| *inputs != layers[0].0);
        let drawn = (unequal, size, draw::batch(), draw::steps(), draw::seed());
        Case::new(name, drawn, move |((inputs, layers), size, batch, steps, seed)| {
            let kernels = layers.iter().map(|(_, kernel)| *kernel);
            let config = ConvGruConfig {
                kernel_size: KernelSizes::PerLayer(kernels.collect()),
                input_kernel_size: self
                    .input_kernel
                    .map(|kernel| KernelSizes::PerLayer(vec![kernel; layers.len()])),
                dilation: self.dilation,
                input_dilation: self.input_dilation,
                bias: self.bias,
                gate_activation: self.gate,
                candidate_activation: self.candidate,
                reset: self.reset,
                ..ConvGruConfig::new(
                    if self.input { inputs } else { 0 },
                    &layers.iter().map(|(hidden, _)| *hidden).collect::<Vec<_>>(),
                )
            };
            // What has kinks is drawn until nothing is near one, which many gates would make long.
            let (steps, batch) = if self.has_kinks() { (steps.min(3), batch.min(2)) } else { (steps, batch) };
            let steps = if self.form == Form::Step { 1 } else { steps };
            probed(Stack::run(self, config, [steps, batch, size[0], size[1]], seed)?, seed ^ 1)
        })
    }
}
