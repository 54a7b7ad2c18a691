//! A compiled pattern, and how a text is searched for it: with an automaton that is built while it is used, in linear
//! time, and that counts what it reads and what it builds.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use regex_automata::dfa::onepass;
use regex_automata::hybrid::{CacheError, dfa};
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::{primitives::NonMaxUsize, syntax};
use regex_automata::{Anchored, Input, MatchError, MatchKind};

use super::{Groups, MAX_DEPTH, MAX_PROGRAM_SIZE};
use crate::error::Error as Limited;
use crate::limits::Limit;
use crate::meter;

/// What the states of a search may take up; beyond this they are forgotten and built again.
const STATES_BYTES: usize = 1 << 20;

/// What the states of finished searches may take up that a thread keeps for the next ones.
const KEPT_BYTES: usize = 4 << 20;

/// Programs whose states a thread keeps.
const KEPT: usize = 64;

/// Bytes between two looks at the limits.
const CHUNK: usize = 4096;

/// Bytes that are read in one step, where their states are known.
const BYTES_OF_A_STEP: usize = 16;

/// Bytes of new states that a step builds for a program without instructions; as many more steps as the program has
/// instructions for each of these.
const BUILT_OF_A_STEP: usize = 4;
const INSTRUCTIONS: usize = 16;

/// What the tries for groups may take up.
const TRIES_BYTES: usize = 4 << 20;

/// Instructions that a step carries out to find the groups of a match that has not one way only.
const TRIED_OF_A_STEP: usize = 8;

/// Why a pattern has no program.
#[derive(Debug)]
pub(super) enum NoProgram {
    TooLarge,
    Broken,
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    /// Tells it from all others of the process.
    id: u64,
    nfa: NFA,
    forward: dfa::DFA,
    reverse: dfa::DFA,
    /// Finds groups where there is but one way to match at each byte; made when groups are asked for.
    one_way: OnceLock<Option<onepass::DFA>>,
    /// Finds groups by trying all ways; the second is for long matches.
    tries: BoundedBacktracker,
    long_tries: PikeVM,
}

impl Program {
    pub(super) fn new(pattern: &str) -> Result<Program, NoProgram> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let broken = |_| NoProgram::Broken;
        let syntax = syntax::Config::new().utf8(false).nest_limit(8 * MAX_DEPTH as u32);
        let parsed = syntax::parse_with(pattern, &syntax).map_err(|_| NoProgram::Broken)?;
        let compile = |config: thompson::Config| {
            let config = config.utf8(false).nfa_size_limit(Some(MAX_PROGRAM_SIZE));
            let built = thompson::Compiler::new()
                .configure(config)
                .build_from_hir(&parsed);
            built.map_err(|e| e.size_limit().map_or(NoProgram::Broken, |_| NoProgram::TooLarge))
        };
        let automaton = |nfa: NFA, kind| {
            let config = dfa::Config::new()
                .match_kind(kind)
                .cache_capacity(STATES_BYTES)
                .skip_cache_capacity_check(true)
                .minimum_cache_clear_count(None);
            let built = dfa::Builder::new().configure(config).build_from_nfa(nfa);
            built.map_err(|_| NoProgram::Broken)
        };
        let nfa = compile(thompson::Config::new())?;
        let backwards = thompson::Config::new()
            .reverse(true)
            .which_captures(WhichCaptures::None);
        let tries = BoundedBacktracker::builder()
            .configure(backtrack::Config::new().visited_capacity(TRIES_BYTES))
            .build_from_nfa(nfa.clone())
            .map_err(broken)?;
        Ok(Program {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            forward: automaton(nfa.clone(), MatchKind::LeftmostFirst)?,
            reverse: automaton(compile(backwards)?, MatchKind::All)?,
            one_way: OnceLock::new(),
            tries,
            long_tries: PikeVM::builder().build_from_nfa(nfa.clone()).map_err(broken)?,
            nfa,
        })
    }

    /// Bytes of the program, without what searches build.
    pub(super) fn size(&self) -> usize {
        self.nfa.memory_usage()
    }

    /// A search, or several in a row.
    pub(super) fn search(&self) -> Search<'_> {
        let kept = KEPT_STATES.with_borrow_mut(|all| {
            let at = all.iter().position(|states| states.program == self.id)?;
            Some(all.remove(at))
        });
        Search {
            program: self,
            states: Some(kept.unwrap_or_else(|| States::new(self))),
        }
    }

    fn instructions(&self) -> usize {
        self.nfa.states().len()
    }

    fn one_way(&self) -> Option<&onepass::DFA> {
        let build = || {
            let config = onepass::Config::new().size_limit(Some(STATES_BYTES));
            let builder = onepass::Builder::new().configure(config).clone();
            builder.build_from_nfa(self.nfa.clone()).ok()
        };
        self.one_way.get_or_init(build).as_ref()
    }
}

/// What searches for one program build and use again.
struct States {
    program: u64,
    forward: dfa::Cache,
    reverse: dfa::Cache,
}

thread_local! {
    /// The states of the programs that were used last, the latest at the end.
    static KEPT_STATES: RefCell<Vec<States>> = const { RefCell::new(Vec::new()) };
}

impl States {
    fn new(program: &Program) -> States {
        States {
            program: program.id,
            forward: program.forward.create_cache(),
            reverse: program.reverse.create_cache(),
        }
    }

    fn bytes(&self) -> usize {
        self.forward.memory_usage() + self.reverse.memory_usage()
    }

    /// Keeps them for the thread's next search.
    fn keep(self) {
        // A thread that ends keeps nothing.
        let _ = KEPT_STATES.try_with(|all| {
            let mut all = all.borrow_mut();
            all.push(self);
            let mut bytes: usize = all.iter().map(States::bytes).sum();
            while bytes > KEPT_BYTES || all.len() > KEPT {
                bytes -= all.remove(0).bytes();
            }
        });
    }
}

/// Searches of a text for a program.
pub(super) struct Search<'p> {
    program: &'p Program,
    /// Nothing only while it is dropped.
    states: Option<States>,
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        if let Some(states) = self.states.take() {
            states.keep();
        }
    }
}

impl Search<'_> {
    /// Whether there is a match that begins at the place or behind it.
    ///
    /// Errors, here and below: the limits of the render at work.
    pub(super) fn is_match(&mut self, text: &[u8], at: usize) -> Result<bool, Limited> {
        Ok(self.end(text, at, true)?.is_some())
    }

    /// The ends of the leftmost match that begins at the place or behind it.
    pub(super) fn find(&mut self, text: &[u8], at: usize) -> Result<Option<(usize, usize)>, Limited> {
        let Some(end) = self.end(text, at, false)? else {
            return Ok(None);
        };
        Ok(Some((self.start(text, at, end)?, end)))
    }

    /// Where the leftmost match ends, or where any is sure to have been met.
    fn end(&mut self, text: &[u8], at: usize, any: bool) -> Result<Option<usize>, Limited> {
        let automaton = &self.program.forward;
        let Some(States { forward: cache, .. }) = &mut self.states else {
            return Ok(None);
        };
        let mut count = Count::new(cache, self.program.instructions());
        let mut state = automaton
            .start_state_forward(cache, &Input::new(text).range(at..))
            .map_err(no_start)?;
        let (mut found, mut chunk_at) = (None, at);
        for chunk in text.get(at..).unwrap_or_default().chunks(CHUNK) {
            for (i, byte) in chunk.iter().enumerate() {
                state = automaton.next_state(cache, state, *byte).map_err(no_state)?;
                if state.is_tagged() {
                    if state.is_match() {
                        found = Some(chunk_at + i);
                    }
                    if state.is_dead() || any && found.is_some() {
                        count.read(cache, i)?;
                        return Ok(found);
                    }
                }
            }
            count.read(cache, chunk.len())?;
            chunk_at += chunk.len();
        }
        state = automaton.next_eoi_state(cache, state).map_err(no_state)?;
        count.read(cache, 1)?;
        Ok(if state.is_match() { Some(text.len()) } else { found })
    }

    /// Where the match begins that ends there.
    fn start(&mut self, text: &[u8], at: usize, end: usize) -> Result<usize, Limited> {
        let automaton = &self.program.reverse;
        let Some(States { reverse: cache, .. }) = &mut self.states else {
            return Ok(end);
        };
        let mut count = Count::new(cache, self.program.instructions());
        let input = Input::new(text).range(at..end).anchored(Anchored::Yes);
        let mut state = automaton.start_state_reverse(cache, &input).map_err(no_start)?;
        let (mut found, mut chunk_end) = (end, end);
        for chunk in text.get(at..end).unwrap_or_default().rchunks(CHUNK) {
            for (i, byte) in chunk.iter().rev().enumerate() {
                state = automaton.next_state(cache, state, *byte).map_err(no_state)?;
                if state.is_tagged() {
                    if state.is_match() {
                        found = chunk_end - i;
                    } else if state.is_dead() {
                        count.read(cache, i)?;
                        return Ok(found);
                    }
                }
            }
            count.read(cache, chunk.len())?;
            chunk_end -= chunk.len();
        }
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        state = match before {
            Some(byte) => automaton.next_state(cache, state, *byte),
            None => automaton.next_eoi_state(cache, state),
        }
        .map_err(no_state)?;
        count.read(cache, 1)?;
        Ok(if state.is_match() { at } else { found })
    }

    /// The groups of a match with these ends; the first is the match.
    pub(super) fn groups(&self, text: &[u8], start: usize, end: usize) -> Result<Groups, Limited> {
        let program = self.program;
        let mut slots = vec![None; program.nfa.group_info().slot_len()];
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        let length = end - start + 1;
        meter::work((slots.len() + length / BYTES_OF_A_STEP) as u64)?;
        if let Some(one_way) = program.one_way() {
            let found = one_way.try_search_slots(&mut one_way.create_cache(), &input, &mut slots);
            found.map_err(no_start)?;
        } else {
            let tried = length.saturating_mul(program.instructions());
            meter::work((tried / TRIED_OF_A_STEP) as u64)?;
            self.try_all(&input, &mut slots)?;
        }
        let ends = slots.chunks(2).map(|ends| match ends {
            [Some(start), Some(end)] => Some((start.get(), end.get())),
            _ => None,
        });
        Ok(ends.collect())
    }

    fn try_all(&self, input: &Input<'_>, slots: &mut [Option<NonMaxUsize>]) -> Result<(), Limited> {
        let Program {
            tries, long_tries, ..
        } = self.program;
        if input.get_span().len() <= tries.max_haystack_len() {
            let found = tries.try_search_slots(&mut tries.create_cache(), input, slots);
            return found.map(drop).map_err(no_start);
        }
        // Every instruction has a copy of all groups' ends.
        let table = slots.len().saturating_mul(self.program.instructions());
        if table > TRIES_BYTES / size_of::<usize>() {
            return Err(too_much("a match with too many groups"));
        }
        long_tries.search_slots(&mut long_tries.create_cache(), input, slots);
        Ok(())
    }
}

/// What a search has counted.
struct Count {
    /// Of the states, when they were last looked at.
    bytes: usize,
    clears: usize,
    instructions: usize,
}

impl Count {
    fn new(cache: &dfa::Cache, instructions: usize) -> Count {
        Count {
            bytes: cache.memory_usage(),
            clears: cache.clear_count(),
            instructions,
        }
    }

    /// Counts so many bytes that were read, and the states that were built for them.
    fn read(&mut self, cache: &dfa::Cache, read: usize) -> Result<(), Limited> {
        let (bytes, clears) = (cache.memory_usage(), cache.clear_count());
        let built = match clears - self.clears {
            0 => bytes.saturating_sub(self.bytes),
            more => (bytes + more * STATES_BYTES).saturating_sub(self.bytes),
        };
        (self.bytes, self.clears) = (bytes, clears);
        let weight = 1 + self.instructions / INSTRUCTIONS;
        meter::work((1 + read / BYTES_OF_A_STEP + built / BUILT_OF_A_STEP * weight) as u64)
    }
}

fn no_state(_: CacheError) -> Limited {
    too_much("a search with too many states")
}

fn no_start(_: MatchError) -> Limited {
    too_much("a search with too many states")
}

fn too_much(what: &str) -> Limited {
    Limited::limited(Limit::Regex, format!("regex size limit exceeded: {what}"))
}
