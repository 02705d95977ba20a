//! `convgru-bench`: compares convgru with other libraries. `cargo xtask bench` builds and
//! starts it.
#![forbid(unsafe_code)]

mod accuracy;
mod child;
mod cli;
mod compare;
mod compare_pysteps;
mod compare_pytorch;
#[cfg(unix)]
mod crash;
mod data_memory;
mod determinism;
mod engine;
mod engines;
mod forecasts;
mod growth;
mod inputs;
mod install;
mod latency;
mod machine;
mod measurement;
mod onnx;
mod peers;
mod plan;
mod progress;
mod protocol;
mod python;
mod readers;
mod record;
mod report;
mod revision;
mod rounds;
mod statistics;
mod synthetic_data;
mod verdict;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use convgru_model::MemoryBudget;

use cli::{Action, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Action::Engine { memory_budget }) => {
            let budget = memory_budget.map_or(MemoryBudget::Unlimited, MemoryBudget::Bytes);
            engine::serve(budget, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())
        }
        Some(Action::Report) => report::write(),
        Some(Action::Gradcheck(options)) => verify::gradcheck(&options),
        Some(Action::Parity(options)) => verify::parity(&options),
        Some(Action::Onnx(options)) => onnx::run(&options),
        Some(Action::ComparePytorch(options)) => compare_pytorch::run(&options),
        Some(Action::ComparePysteps(options)) => compare_pysteps::run(&options),
        Some(Action::CheckForecasts(options)) => forecasts::run(&options),
        Some(Action::CheckReaders(options)) => readers::run(&options),
        Some(Action::DataMemory(options)) => data_memory::run(&options),
        Some(Action::Determinism(options)) => determinism::run(&options),
        Some(Action::Quantities(options)) => determinism::compute(&options),
        #[cfg(unix)]
        Some(Action::CrashTest(options)) => crash::run(&options),
        None if cli.options.install_peers => install::run(),
        None if cli.options.growth => growth::run(&cli.options),
        None if cli.options.latency => latency::run(cli.options.json),
        None if cli.options.plan.is_some() => plan::run(cli.options.plan.as_deref().unwrap_or_default()),
        None => compare::run(&cli.options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
