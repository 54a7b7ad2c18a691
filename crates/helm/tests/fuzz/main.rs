//! The short form of the fuzzers: a fixed number of mutations of the seeds, the same each time. `make fuzz` runs the
//! same targets guided by coverage.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Mutations of each target.
const EXECUTIONS: usize = 2_000;

/// The largest input.
const MAX_BYTES: usize = 16 << 10;

/// Numbers that are the same in every run: xorshift64*.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Words that the grammars know.
fn words() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/words.dict");
    let text = std::fs::read_to_string(path).unwrap();
    let words = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    words
        .map(|line| {
            let word: String = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            word.into_bytes()
        })
        .collect()
}

fn mutate(numbers: &mut Numbers, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
    let mut input = numbers.pick(seeds).clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(input.len() + 1);
        let end = at + numbers.below(input.len() - at + 1).min(40);
        match numbers.below(7) {
            0 => {
                input.drain(at..end);
            }
            1 => {
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            2 | 3 => {
                let word = numbers.pick(words).clone();
                input.splice(at..at, word);
            }
            4 => {
                let other = numbers.pick(seeds);
                let from = numbers.below(other.len() + 1);
                let to = from + numbers.below(other.len() - from + 1).min(200);
                input.splice(at..end, other[from..to].iter().copied());
            }
            5 if at < input.len() => input[at] = numbers.next() as u8,
            _ => {
                if at < input.len() {
                    input[at] ^= 1 << numbers.below(8);
                }
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}

#[test]
fn mutated_seeds_are_survived() {
    let words = words();
    let mut failed = Vec::new();
    for (name, target) in targets::TARGETS {
        let seeds = seeds_of(name);
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
        for seed in &seeds {
            target(seed);
        }
        for n in 0..EXECUTIONS {
            let input = mutate(&mut numbers, &seeds, &words);
            if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                failed.push(format!("{name}, mutation {n}: {}", input.escape_ascii()));
            }
        }
        println!("fuzz {name}: {EXECUTIONS} mutations of {} seeds", seeds.len());
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
