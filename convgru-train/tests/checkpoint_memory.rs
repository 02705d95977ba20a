//! What reading a checkpoint takes is bounded by its bytes, whatever lengths stand in it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use convgru_train::checkpoint::{
    Checkpoint, Cursor, History, NamedTensor, SkipReason, SkippedRecord, StepRecord, Timing, Timings,
    VERSION, ValidationRecord,
};
use convgru_train::dataset::{DataConfig, Fingerprint};
use convgru_train::metric::{EventMeans, Metrics};
use convgru_train::optimizer::OptimizerState;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        NOW.with(|now| {
            now.set(now.get() + layout.size());
            PEAK.with(|peak| peak.set(peak.get().max(now.get())));
        });
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.with(|now| now.set(now.get().saturating_sub(layout.size())));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whether bytes are a checkpoint, and the most memory that finding out took besides them.
fn read(bytes: &[u8]) -> (bool, usize) {
    let before = NOW.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let is_read = Checkpoint::from_bytes(bytes).is_ok();
    (is_read, PEAK.with(Cell::get) - before)
}

fn checkpoint() -> Checkpoint {
    let tensor = |values: Vec<f32>| NamedTensor { name: "w".into(), shape: vec![1, 4], values };
    let step = StepRecord {
        step: 1,
        epoch: 0,
        loss: 0.1,
        learning_rate: 0.2,
        gradient_norm: 0.3,
        teacher_forcing: 0.4,
    };
    let mut data = Fingerprint::of(&DataConfig::default(), None).expect("drawn digits need no file");
    let file =
        convgru_train::dataset::FileFingerprint { name: "a".into(), size: 1, modified: 2, samples: [3; 16] };
    data.files.push(file);
    Checkpoint {
        saved: Some(5),
        instruction_set: "avx2".into(),
        config_toml: "name = \"x\"".into(),
        config_hash: "ab".into(),
        seed: 7,
        cursor: Cursor::at(1, 3),
        data: Some(data),
        parameters: vec![tensor(vec![1.0; 4])],
        optimizer: OptimizerState { step: 1, moments: vec![vec![vec![0.5; 4]]] },
        average: Some(vec![tensor(vec![2.0; 4])]),
        history: History {
            steps: vec![step],
            timings: Timings { steps: vec![Timing::UNKNOWN], ..Timings::default() },
            ..History::default()
        },
    }
}

/// Timings of some steps and skipped steps.
fn times(steps: usize, skipped: usize) -> Timings {
    Timings {
        steps: vec![Timing::UNKNOWN; steps],
        skipped: vec![Timing::UNKNOWN; skipped],
        ..Timings::default()
    }
}

/// A payload in an intact envelope.
fn seal(version: u32, payload: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.to_le_bytes());
    let hash = hasher.update(payload).finalize();
    let length = (payload.len() as u64).to_le_bytes();
    [&b"CGRUCKPT"[..], &version.to_le_bytes(), &length, hash.as_bytes(), payload].concat()
}

#[test]
fn a_length_that_is_not_true_takes_no_memory() {
    let files = [
        checkpoint().to_bytes().unwrap(),
        include_bytes!("../src/checkpoint/version5/step_00000002.ckpt").to_vec(),
        include_bytes!("../src/checkpoint/version4/step_00000002.ckpt").to_vec(),
        include_bytes!("../src/checkpoint/version3/step_00000002.ckpt").to_vec(),
    ];
    for (bytes, version) in files.into_iter().zip([VERSION, 5, 4, 3]) {
        let payload = &bytes[52..];
        assert_eq!(seal(version, payload), bytes, "the file is of version {version}");
        assert!(read(&bytes).0);
        let (mut places, mut refused) = (0, 0);
        // Every place where eight bytes could be the length of a text or a list.
        for at in 0..payload.len() - 8 {
            let number = u64::from_le_bytes(payload[at..at + 8].try_into().unwrap());
            if number > payload.len() as u64 {
                continue;
            }
            places += 1;
            for length in [(1 << 33) + 7, u64::MAX >> 8] {
                let mut changed = payload.to_vec();
                changed[at..at + 8].copy_from_slice(&u64::to_le_bytes(length));
                let (is_read, peak) = read(&seal(version, &changed));
                refused += usize::from(!is_read);
                assert!(peak < 8 << 20, "version {version}, {length} at {at}: {peak} bytes");
            }
        }
        assert!(places > 20 && refused > 20, "version {version}: {places} places, {refused} refused");
    }
}

#[test]
fn many_empty_elements_take_no_more_memory_than_their_bytes_allow() {
    let base = checkpoint();
    let empty = NamedTensor { name: String::new(), shape: Vec::new(), values: Vec::new() };
    for count in [1 << 16, (1 << 16) + 1, 1 << 20] {
        for changed in [
            Checkpoint { parameters: vec![empty.clone(); count], ..base.clone() },
            Checkpoint { average: Some(vec![empty.clone(); count]), ..base.clone() },
            Checkpoint {
                optimizer: OptimizerState { step: 1, moments: vec![vec![vec![]; count]] },
                ..base.clone()
            },
        ] {
            let bytes = changed.to_bytes().unwrap();
            let (is_read, peak) = read(&bytes);
            assert_eq!(is_read, count <= 1 << 16);
            assert!(peak <= 3 * bytes.len() + (64 << 20), "{count}: {peak} bytes of {}", bytes.len());
        }
    }
    // Lists of any length, about 64 MiB each; the timings are refused, for there are no such records.
    let history = base.history.clone();
    let skipped = SkippedRecord { step: 1, epoch: 0, reason: SkipReason::Loss };
    let timings = |timings| History { timings, ..history.clone() };
    let validation = |events| ValidationRecord {
        step: 1,
        loss: 0.5,
        metrics: Metrics::default(),
        mse_copy_last: 1.0,
        mse_mean: 1.0,
        ensemble: None,
        events,
    };
    let event = EventMeans { threshold: 2.0, scores: [0.5; 5] };
    let validated = |count, events| History {
        validations: vec![validation(events); count],
        ..timings(Timings { validations: vec![Timing::UNKNOWN; count], ..times(1, 0) })
    };
    for (history, is_good) in [
        (History { skipped: vec![skipped; 3_000_001], ..timings(times(1, 3_000_001)) }, true),
        (History { steps: vec![history.steps[0]; 1_100_001], ..timings(times(1_100_001, 0)) }, true),
        (validated(700_001, Vec::new()), true),
        (validated(500_001, vec![event]), true),
        (timings(times(4_200_001, 0)), false),
        (timings(times(1, 4_200_001)), false),
    ] {
        let bytes = Checkpoint { history, ..base.clone() }.to_bytes().unwrap();
        let (is_read, peak) = read(&bytes);
        assert_eq!(is_read, is_good);
        assert!(peak <= 3 * bytes.len(), "{peak} bytes of {}", bytes.len());
    }
    let values = vec![1.0; (1 << 24) + 1];
    let tensor = NamedTensor { name: String::new(), shape: Vec::new(), values };
    let bytes = Checkpoint { parameters: vec![tensor], ..base.clone() }.to_bytes().unwrap();
    let (is_read, peak) = read(&bytes);
    assert!(is_read && peak <= 3 * bytes.len(), "{peak} bytes of {}", bytes.len());
    let moments = vec![vec![]; 1 << 20];
    let many = Checkpoint { optimizer: OptimizerState { step: 1, moments }, ..base };
    assert!(!read(&many.to_bytes().unwrap()).0);
}
