//! What the machine is and what it can do at most.

use std::fs;
use std::process::Command;

/// The most arithmetic and memory traffic of a number of threads, measured in this run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peak {
    /// Multiplications and additions in 32 bits, two operations each, in 10^9 a second.
    pub(crate) fma_gflops: Option<f64>,
    /// Memory read, in 10^9 bytes a second.
    pub(crate) read_gb_per_s: Option<f64>,
}

impl Peak {
    /// Measures it; takes a second or two.
    pub(crate) fn measure(threads: usize) -> Self {
        Self {
            fma_gflops: Some(convgru_kernels::peak::fma_gflops(threads)),
            read_gb_per_s: Some(convgru_kernels::peak::read_gb_per_s(threads)),
        }
    }
}

/// The share of the machine's cores that was at work during something; nothing where the
/// system does not say.
pub(crate) fn busy_while(something: impl FnOnce()) -> Option<f64> {
    let before = core_time();
    something();
    let ((idle_before, all_before), (idle, all)) = (before?, core_time()?);
    let all = all.checked_sub(all_before).filter(|ticks| *ticks > 0)?;
    Some(1.0 - idle.saturating_sub(idle_before) as f64 / all as f64)
}

/// Idle time and all time of all cores so far, in the clock's ticks.
fn core_time() -> Option<(u64, u64)> {
    let line = first_line("/proc/stat");
    let fields: Option<Vec<u64>> = line.split_whitespace().skip(1).map(|field| field.parse().ok()).collect();
    let fields = fields.filter(|fields| fields.len() >= 8)?;
    // user, nice, system, idle, waiting for disks, ...; guests are counted in user.
    Some((fields[3] + fields[4], fields[..8].iter().sum()))
}

/// Facts about the machine and the programs, in the order they are printed.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        ("cpu", cpu_model()),
        ("cores", cores.to_string()),
        ("caches", caches()),
        ("instruction sets", instruction_sets()),
        ("memory", memory()),
        ("kernel", format!("{} {}", std::env::consts::OS, first_line("/proc/sys/kernel/osrelease"))),
        ("rustc", output_of("rustc", &["--version"])),
        ("convgru", format!("{} ({})", env!("CARGO_PKG_VERSION"), revision())),
        ("command", command()),
    ]
}

/// The CPU as it calls itself.
pub(crate) fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    match (field("model name"), field("cpu family"), field("model")) {
        // Hypervisors shorten the name; family and model tell one generation from another.
        (Some(name), Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        (Some(name), ..) => name,
        _ => format!("unknown {}", std::env::consts::ARCH),
    }
}

/// A folder's name for a CPU.
pub(crate) fn slug(cpu: &str) -> String {
    let words = cpu.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn caches() -> String {
    let mut found = Vec::new();
    for index in 0..8 {
        let read =
            |file: &str| first_line(&format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}"));
        let (level, kind, size) = (read("level"), read("type"), read("size"));
        if kind == "Data" || kind == "Unified" {
            found.push(format!("L{level} {size}"));
        }
    }
    if found.is_empty() { "unknown".into() } else { found.join(", ") }
}

fn instruction_sets() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line =
        info.lines().find(|line| line.starts_with("flags") || line.starts_with("Features")).unwrap_or("");
    let wanted =
        |flag: &&str| ["avx", "fma", "amx", "sve", "asimd"].iter().any(|start| flag.starts_with(start));
    let flags: Vec<_> = line.split_whitespace().filter(wanted).collect();
    if flags.is_empty() { "unknown".into() } else { flags.join(" ") }
}

fn memory() -> String {
    let line = first_line("/proc/meminfo");
    let kib = line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    kib.map_or("unknown".into(), |kib| format!("{:.1} GiB", kib / 1_048_576.0))
}

fn revision() -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    let commit = output_of("git", &["-C", folder, "rev-parse", "--short", "HEAD"]);
    let changed = output_of("git", &["-C", folder, "status", "--porcelain", "--untracked-files=no"]);
    if changed.is_empty() || changed == "unknown" { commit } else { format!("{commit} with changes") }
}

fn command() -> String {
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    format!("cargo xtask bench {}", arguments.join(" ")).trim_end().to_owned()
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".into(),
    }
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_busy_cores_is_a_share() {
        let pause = || std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(busy_while(pause).is_none_or(|share| (0.0..=1.0).contains(&share)));
    }

    #[test]
    fn a_folder_is_named_for_a_cpu() {
        assert_eq!(slug("AMD EPYC (family 25, model 1)"), "amd-epyc-family-25-model-1");
        assert!(!slug(&cpu_model()).is_empty());
        assert!(facts().iter().all(|(_, value)| !value.is_empty()));
    }
}
