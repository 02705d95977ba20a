//! Whatever call to the file system fails, and wherever the power is cut: the next start goes on to the bits of a run
//! that nothing happened to, and nothing is left over.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use super::*;
use crate::checkpoint::{Checkpoint, CheckpointStore, NamedTensor};
use crate::config::RunConfig;
use crate::interrupt::Interrupt;
use crate::storage::faults::{Errno, Failing};
use crate::storage::power_cut::{Call, Recording, leave};
use crate::storage::{Disk, Storage};

/// Three steps on very small frames, each of which is saved and validated; the two best are kept.
fn config() -> RunConfig {
    let text = "name = \"tiny\"\n[data]\nsize = 16\ndigit_size = 8\nmin_speed = 1.0\nmax_speed = 2.0\ninput_frames = 1\n\
                output_frames = 1\ntrain_sequences = 4\nvalidation_sequences = 1\ntest_sequences = 1\nprefetch = 0\n\
                [model]\npatch = 4\nhidden_channels = [1]\noutput_activation = \"sigmoid\"\n[training]\nsteps = 3\n\
                batch_size = 1\nvalidate_every = 1\nmonitor = \"ssim\"\nkeep_best = 2\ncheckpoint_every = 1\nthreads = 1";
    RunConfig::from_toml(text).unwrap()
}

/// Tells a recording which steps are said to be safe.
struct Told(Recording);

impl Observer for Told {
    fn observe(&mut self, event: &TrainerEvent<'_>) {
        if let TrainerEvent::Saved { path } = event {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let step = name.strip_prefix("step_").unwrap().parse().unwrap();
            self.0.note(|_| Call::Saved(step));
        }
    }
}

/// A run in `out` from its beginning to its end; its folder.
fn begin(storage: Arc<dyn Storage>, out: &Path, observer: &mut dyn Observer) -> Result<PathBuf> {
    let interrupt = Interrupt::manual();
    let trainer = Trainer::start_on(storage, config(), out, &interrupt)?;
    let folder = trainer.folder().path().to_path_buf();
    finish(trainer, observer).map(|()| folder)
}

/// The run in `out` from where it stands to its end.
fn resume(storage: Arc<dyn Storage>, out: &Path, observer: &mut dyn Observer) -> Result<()> {
    let interrupt = Interrupt::manual();
    let folder = RunFolder::open(&out.join("tiny"))?.on(storage);
    finish(Trainer::resume(config(), folder, &interrupt, observer)?, observer)
}

fn finish(trainer: Trainer<'_>, observer: &mut dyn Observer) -> Result<()> {
    let Outcome::Finished(trained) = trainer.fit(observer)? else { panic!("no signal was sent") };
    trained.write_artifacts(&[], &Interrupt::manual(), observer).map(|_| ())
}

/// Goes on with whatever is in `out` as a user does: with the run if it can be resumed, and otherwise with a new one.
/// The step it went on from, and the folder of the run.
fn next_start(out: &Path) -> (u64, PathBuf) {
    match RunFolder::latest(out, None) {
        Ok(LatestRun { folder, .. }) => {
            let store = CheckpointStore::new(folder.checkpoints(), 2);
            let step = store.load_latest().unwrap().checkpoint.cursor.step;
            resume(Arc::new(Disk), out, &mut Silent).unwrap();
            (step, folder.path().to_path_buf())
        }
        Err(Error::Checkpoint { .. }) => {
            fs::create_dir_all(out).unwrap();
            (0, begin(Arc::new(Disk), out, &mut Silent).unwrap())
        }
        Err(error) => panic!("{error}"),
    }
}

/// The bits that a run leads to, and its log without times.
#[derive(Debug, PartialEq)]
struct Bits {
    weights: Vec<u8>,
    test: Vec<u8>,
    /// Names and parameters of the best checkpoints.
    best: Vec<(String, Vec<NamedTensor>)>,
    log: Vec<serde_json::Value>,
}

impl Bits {
    fn of(run: &Path) -> Self {
        let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let parse = |line| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            let fields = value.as_object_mut().unwrap();
            assert!(fields.remove("seconds").is_some_and(|seconds| seconds.is_number()), "{line}");
            fields.remove("data_wait");
            value
        };
        let best = fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path());
        let best = best.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("best"));
        let mut best: Vec<_> = best
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, Checkpoint::read(&path).unwrap().parameters)
            })
            .collect();
        best.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(best.len(), 3, "best.ckpt and the two best");
        Self {
            best,
            weights: fs::read(run.join("model.safetensors")).unwrap(),
            test: fs::read(run.join("test.json")).unwrap(),
            log: log.lines().map(parse).collect(),
        }
    }
}

/// The files in a folder and the folders in it that are temporary or set aside as damaged.
fn left_over(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(left_over(&path));
        } else if path.extension().is_some_and(|e| e == "tmp") || path.to_string_lossy().contains(".damaged")
        {
            found.push(path);
        }
    }
    found
}

/// Checks that the next start in `out` leads to the result of an uninterrupted run; the step that it went on from.
fn check(out: &Path, what: &str) -> u64 {
    let (step, run) = next_start(out);
    let expected = &*UNINTERRUPTED;
    assert!(Bits::of(&run) == *expected, "{what}: {:?} instead of {expected:?}", Bits::of(&run));
    assert_eq!(left_over(&run), Vec::<PathBuf>::new(), "{what}");
    step
}

/// What the run leads to when nothing happens to it.
static UNINTERRUPTED: LazyLock<Bits> = LazyLock::new(|| {
    let out = tempfile::tempdir().unwrap();
    begin(Arc::new(Disk), out.path(), &mut Silent).unwrap();
    Bits::of(&out.path().join("tiny"))
});

#[test]
fn a_power_cut_after_any_call_costs_no_step_that_was_said_to_be_safe() {
    let out = tempfile::tempdir().unwrap();
    let recorded = out.path().join("recorded");
    let recording = Recording::default();
    begin(Arc::new(recording.clone()), &recorded, &mut Told(recording.clone())).unwrap();
    assert!(Bits::of(&recorded.join("tiny")) == *UNINTERRUPTED);
    let calls = recording.calls();
    assert!(calls.len() > 100, "only {} calls", calls.len());
    let mut went_on = 0;
    for end in 0..=calls.len() {
        // All, nothing and a part of what was not synced, another one each time.
        for seed in [0, 1, 2 + end as u64] {
            let after = tempfile::tempdir().unwrap();
            leave(&calls[..end], &recorded, seed, after.path());
            let safe = calls[..end].iter().filter_map(|call| match call {
                Call::Saved(step) => Some(*step),
                _ => None,
            });
            let what = format!("after call {end} ({:?}), seed {seed}", calls.get(end));
            let step = check(after.path(), &what);
            assert!(step >= safe.max().unwrap_or(0), "{what}: went on from step {step}");
            went_on += u64::from(step > 0);
        }
    }
    assert!(went_on > 100, "{went_on} starts went on with a run");
}

#[test]
fn without_a_sync_a_power_cut_costs_steps() {
    let out = tempfile::tempdir().unwrap();
    let recording = Recording::default();
    begin(Arc::new(recording.clone()), out.path(), &mut Told(recording.clone())).unwrap();
    let calls = recording.calls();
    for lost in [
        |call: &Call| matches!(call, Call::Sync(_)),
        |call: &Call| matches!(call, Call::SyncFolder(folder) if folder.ends_with("checkpoints")),
        |call: &Call| matches!(call, Call::SyncFolder(folder) if folder.ends_with("tiny")),
        |call: &Call| matches!(call, Call::SyncFolder(folder) if !folder.ends_with("checkpoints") && !folder.ends_with("tiny")),
    ] {
        let calls: Vec<_> = calls.iter().filter(|call| !lost(call)).cloned().collect();
        let after = tempfile::tempdir().unwrap();
        leave(&calls, out.path(), 0, after.path());
        let loaded = CheckpointStore::new(after.path().join("tiny/checkpoints"), 2).load_latest();
        assert!(loaded.is_err(), "what is not synced is not safe");
    }
}

#[test]
fn any_call_that_fails_leaves_a_run_that_goes_on() {
    let out = tempfile::tempdir().unwrap();
    let counting = Failing::once(usize::MAX, Errno::Device);
    begin(Arc::new(counting.clone()), &out.path().join("counted"), &mut Silent).unwrap();
    assert!(counting.calls() > 100, "only {} calls", counting.calls());
    let mut failed = 0;
    for at in 0..counting.calls() {
        let errno = Errno::ALL[at % Errno::ALL.len()];
        for failing in [Failing::once(at, errno), Failing::from(at, errno)] {
            let folder = out.path().join("failed");
            let outcome = begin(Arc::new(failing.clone()), &folder, &mut Silent);
            if let Err(error) = outcome {
                failed += 1;
                assert!(matches!(error, Error::Io { .. }), "{failing:?}: {error}");
            }
            check(&folder, &format!("{failing:?}"));
            assert_eq!(
                fs::read_dir(&folder).unwrap().count(),
                1,
                "{failing:?}: a run that never began is in the way"
            );
            assert_eq!(left_over(&folder), Vec::<PathBuf>::new(), "{failing:?}");
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    assert!(failed > 200, "{failed} runs met an error");
}

#[test]
fn any_call_that_fails_while_a_run_is_resumed_is_no_damage() {
    let out = tempfile::tempdir().unwrap();
    // A run that was killed after its second step, with a file that was being written.
    let recording = Recording::default();
    let recorded = out.path().join("recorded");
    begin(Arc::new(recording.clone()), &recorded, &mut Told(recording.clone())).unwrap();
    let calls = recording.calls();
    let second = calls.iter().position(|call| matches!(call, Call::Saved(2))).unwrap();
    let half = |folder: &Path| {
        leave(&calls[..second], &recorded, 1, folder);
        fs::write(folder.join("tiny/checkpoints/.step_00000003.ckpt.A1b2C3d4E5f6.tmp"), "half").unwrap();
        fs::write(folder.join("tiny/.report.html.tmp"), "half").unwrap();
    };
    let counting = Failing::once(usize::MAX, Errno::Device);
    let folder = out.path().join("resumed");
    half(&folder);
    resume(Arc::new(counting.clone()), &folder, &mut Silent).unwrap();
    assert!(Bits::of(&folder.join("tiny")) == *UNINTERRUPTED);
    for at in 0..counting.calls() {
        let errno = Errno::ALL[at % Errno::ALL.len()];
        fs::remove_dir_all(&folder).unwrap();
        half(&folder);
        let failing = Failing::once(at, errno);
        let failed = resume(Arc::new(failing), &folder, &mut Silent);
        if let Err(error) = &failed {
            assert!(matches!(error, Error::Io { .. }), "{errno:?} at {at}: {error}");
        }
        let step = check(&folder, &format!("{errno:?} at {at}: {:?}", failed.err()));
        assert!(step >= 2, "{errno:?} at {at}: went on from step {step}");
    }
}
