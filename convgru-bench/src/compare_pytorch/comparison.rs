//! Two trainings side by side.

use serde::Serialize;

use crate::statistics::{median, ratios};

/// A step of both.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    pub(super) step: u64,
    pub(super) loss: f64,
    pub(super) loss_pytorch: f64,
    pub(super) gradient_norm: f64,
    pub(super) gradient_norm_pytorch: f64,
    pub(super) ms: f64,
    pub(super) ms_pytorch: f64,
}

/// How many steps have to agree; further on, what is rounded another way may drive any two trainings apart.
const FIRST_STEPS: u64 = 10;

/// How far apart losses may be there, as a share of the larger.
const ACCEPTED: f64 = 1e-4;

/// The same for norms of gradients. Where a frame is black, rectifiers read little more than their bias, which begins
/// as zero: the rounding of Winograd's filtering chooses a side of their kink, 3e-4 of the first gradient of a small pyramid.
const ACCEPTED_OF_GRADIENTS: f64 = 1e-2;

impl Step {
    /// Fails where this is one of the first steps and loss or gradient differ: the two do not train the same then.
    pub(super) fn expect_agreement(&self) -> anyhow::Result<()> {
        for (what, ours, theirs, accepted) in [
            ("loss", self.loss, self.loss_pytorch, ACCEPTED),
            ("norm of the gradient", self.gradient_norm, self.gradient_norm_pytorch, ACCEPTED_OF_GRADIENTS),
        ] {
            let apart = apart(ours, theirs);
            // Written so that NaN is no agreement.
            let agrees = self.step > FIRST_STEPS || apart <= accepted;
            anyhow::ensure!(
                agrees,
                "convgru and PyTorch do not train the same: the {what} of step {} is {ours:.8} and {theirs:.8}, {apart:.1e} \
                 apart, and {accepted:.0e} is accepted in the first {FIRST_STEPS} steps; the comparison ends here",
                self.step
            );
        }
        Ok(())
    }
}

/// All steps, and the results.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) threads: usize,
    pub(super) steps: Vec<Step>,
    pub(super) validation_mse: f64,
    pub(super) validation_mse_pytorch: f64,
}

/// Steps at which both warm up and which no time is taken of.
const WARM_UP: usize = 3;

impl Comparison {
    /// Losses at 1, 2, 5, 10, 20, ... and the last step, times, results.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:>6}  {:>12}  {:>12}  {:>10}  {:>12}  {:>12}",
            "step", "loss", "PyTorch", "apart", "|gradient|", "PyTorch"
        );
        let last = self.steps.len() as u64;
        for step in self.steps.iter().filter(|step| is_shown(step.step) || step.step == last) {
            text += &format!(
                "\n{:>6}  {:>12.8}  {:>12.8}  {:>10.1e}  {:>12.6}  {:>12.6}",
                step.step,
                step.loss,
                step.loss_pytorch,
                apart(step.loss, step.loss_pytorch),
                step.gradient_norm,
                step.gradient_norm_pytorch
            );
        }
        let timed = &self.steps[WARM_UP.min(self.steps.len() - 1)..];
        let (ours, theirs): (Vec<f64>, Vec<f64>) =
            timed.iter().map(|step| (step.ms, step.ms_pytorch)).unzip();
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let (furthest, at) = self.furthest_apart();
        text += &format!("\n\nlosses of all steps: at most {furthest:.1e} apart, in step {at}");
        text += &format!(
            "\nmean loss of the last tenth: {:.8} and {:.8}, {:.1e} apart",
            self.mean_of_last(|step| step.loss),
            self.mean_of_last(|step| step.loss_pytorch),
            apart(self.mean_of_last(|step| step.loss), self.mean_of_last(|step| step.loss_pytorch))
        );
        text += &format!(
            "\nMSE of the validation sequences: {:.4} and {:.4}",
            self.validation_mse, self.validation_mse_pytorch
        );
        text += &format!(
            "\na step with {} threads: {:.1} and {:.1} ms (medians), PyTorch / convgru {:.2}; all steps {:.1} and {:.1} s",
            self.threads,
            number(median(&ours)),
            number(median(&theirs)),
            number(median(&ratios(&theirs, &ours))),
            self.steps.iter().map(|step| step.ms).sum::<f64>() / 1e3,
            self.steps.iter().map(|step| step.ms_pytorch).sum::<f64>() / 1e3
        );
        text
    }

    /// The largest difference of two losses, and its step.
    fn furthest_apart(&self) -> (f64, u64) {
        let differences = self.steps.iter().map(|step| (apart(step.loss, step.loss_pytorch), step.step));
        differences.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::NAN, 0))
    }

    fn mean_of_last(&self, value: fn(&Step) -> f64) -> f64 {
        let count = self.steps.len().div_ceil(10);
        self.steps[self.steps.len() - count..].iter().map(value).sum::<f64>() / count as f64
    }
}

fn is_shown(step: u64) -> bool {
    let power = 10u64.pow(step.max(1).ilog10());
    step.is_multiple_of(power) && [1, 2, 5].contains(&(step / power))
}

/// The difference as a share of the larger.
fn apart(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_shown_at_one_two_and_five() {
        let shown: Vec<_> = (1..=1000).filter(|&step| is_shown(step)).collect();
        assert_eq!(shown, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]);
    }

    fn step(step: u64) -> Step {
        Step {
            step,
            loss: 0.5,
            loss_pytorch: 0.25,
            gradient_norm: 1.0,
            gradient_norm_pytorch: 1.0,
            ms: 10.0,
            ms_pytorch: 25.0,
        }
    }

    #[test]
    fn the_first_steps_have_to_agree() {
        let error = |step: Step| step.expect_agreement().unwrap_err().to_string();
        let said = error(step(1));
        assert!(said.contains("the loss of step 1 is 0.50000000 and 0.25000000, 5.0e-1 apart"), "{said}");
        assert!(said.contains("1e-4 is accepted in the first 10 steps"), "{said}");
        let agreeing = |number| Step { loss_pytorch: 0.50004, ..step(number) };
        agreeing(1).expect_agreement().unwrap();
        step(11).expect_agreement().unwrap();
        let said = error(Step { gradient_norm_pytorch: 1.02, ..agreeing(10) });
        assert!(said.contains("norm of the gradient of step 10"), "{said}");
        assert!(error(Step { loss: f64::NAN, ..agreeing(2) }).contains("NaN"));
    }

    #[test]
    fn the_table_has_losses_ratios_and_results() {
        let mut steps: Vec<_> = (1..=12).map(step).collect();
        steps[2].loss_pytorch = 0.05;
        let comparison = Comparison { threads: 2, steps, validation_mse: 3.0, validation_mse_pytorch: 4.0 };
        let table = comparison.table();
        assert!(table.contains("PyTorch / convgru 2.50"), "{table}");
        assert!(table.contains("3.0000 and 4.0000"), "{table}");
        assert!(table.contains("5.0e-1"), "{table}");
        assert!(table.contains("at most 9.0e-1 apart, in step 3"), "{table}");
        assert_eq!(table.lines().filter(|line| line.trim_start().starts_with("12 ")).count(), 1, "{table}");
    }
}
