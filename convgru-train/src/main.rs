//! The program `convgru`: trains, evaluates and uses convolutional GRUs.
#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
