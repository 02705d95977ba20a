//! Cases: a family of subjects, drawn at random.

use std::error::Error as StdError;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::check::{DIFFERENCE_TOLERANCE, DUAL_TOLERANCE, check, noticeable};
use super::report::Row;
use super::subject::{Broken, Subject};

type Run = dyn Fn(&str, &mut TestRunner) -> Row + Send + Sync;
type Control = dyn Fn(&mut TestRunner) -> bool + Send + Sync;

/// A family of subjects of one kind, such as "a cell without bias": a strategy
/// that draws shapes, and what builds a subject of them.
pub struct Case {
    name: String,
    run: Box<Run>,
    control: Box<Control>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Case {
    /// A case of the given name: `strategy` draws what `build` makes a subject of.
    pub fn new<D, S, B>(name: &str, strategy: D, build: B) -> Self
    where
        D: Strategy + Clone + Send + Sync + 'static,
        S: Subject,
        S::Error: StdError + 'static,
        B: Fn(D::Value) -> Result<S, S::Error> + Clone + Send + Sync + 'static,
    {
        let (control_strategy, control_build) = (strategy.clone(), build.clone());
        Self {
            name: name.to_owned(),
            run: Box::new(move |name, runner| {
                let row = draw(&strategy, &build, runner)
                    .and_then(|subject| check(name, &subject).map_err(|error| error.to_string()));
                row.unwrap_or_else(|note| Row::failure(name, note))
            }),
            control: Box::new(move |runner| {
                draw(&control_strategy, &control_build, runner).is_ok_and(|subject| {
                    let inputs = subject.inputs();
                    // The middle of the largest input.
                    let largest = (0..inputs.len()).max_by_key(|&i| inputs[i].1.len()).unwrap_or(0);
                    let element = inputs.get(largest).map_or(0, |(_, tensor)| tensor.len() / 2);
                    noticeable(&subject, largest).is_ok_and(|amount| {
                        let broken = Broken { subject, input: largest, element, amount };
                        check("negative control", &broken).is_ok_and(|row| {
                            !row.passed
                                && row.worst_dual.is_none_or(|error| error > DUAL_TOLERANCE)
                                && row.worst_difference.is_some_and(|error| error > DIFFERENCE_TOLERANCE)
                        })
                    })
                })
            }),
        }
    }

    /// What is checked.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Draws one subject and checks it. The draw depends on the name of the case,
    /// on `seed` and on `draw` alone; a subject that cannot be built or computed
    /// is a failed row.
    pub fn run(&self, seed: u64, draw: u64) -> Row {
        (self.run)(&self.name, &mut self.runner(seed, draw))
    }

    /// Draws one subject, breaks one element of its gradient and checks it: whether
    /// dual numbers (if the subject has a reference) and differences both notice.
    pub fn catches_broken_gradient(&self, seed: u64) -> bool {
        (self.control)(&mut self.runner(seed, 0))
    }

    fn runner(&self, seed: u64, draw: u64) -> TestRunner {
        // FNV-1a (Fowler, Noll, Vo), 64 bits.
        let name = self.name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let words = [seed, draw, name, 0];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let config = Config { failure_persistence: None, ..Config::default() };
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }
}

fn draw<D: Strategy, S: Subject>(
    strategy: &D,
    build: &impl Fn(D::Value) -> Result<S, S::Error>,
    runner: &mut TestRunner,
) -> Result<S, String>
where
    S::Error: StdError,
{
    let tree = strategy.new_tree(runner).map_err(|reason| format!("nothing could be drawn: {reason}"))?;
    build(tree.current()).map_err(|error| error.to_string())
}
