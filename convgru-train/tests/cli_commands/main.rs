//! The program as a user meets it: every command run, with good input and bad.

#[cfg(test)]
mod arguments;
#[cfg(test)]
mod attacked;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod display;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod export;
#[cfg(test)]
mod forecasts;
#[cfg(test)]
mod frame_by_frame;
#[cfg(test)]
mod import;
#[cfg(test)]
mod init_from;
#[cfg(test)]
mod input_frames;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod mask;
#[cfg(test)]
mod mlcast;
#[cfg(test)]
mod mlcast_rain;
#[cfg(test)]
mod names;
#[cfg(test)]
mod netcdf;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod program;
#[cfg(test)]
mod radar_input;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod train;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod use_model;
#[cfg(test)]
mod watching;
