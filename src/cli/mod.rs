//! The command line: one file a subcommand. What is typed becomes validated settings here; nothing below
//! knows clap.

mod cluster;
mod completion;
mod crd;
mod dev;
mod diff;
mod explain;
mod get;
mod health;
mod history;
mod limits;
mod list;
mod output;
mod progress;
mod rollback;
mod run;
mod status;
pub mod template;
mod test;
mod uninstall;
mod version;

use std::{
    ffi::OsString,
    future::Future,
    io::{IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Exit code of `diff --exit-code` when something would change.
const DIFFERENT: u8 = 3;

/// Run applications from Helm charts.
///
/// Exit codes: 0 done; 1 it failed, and the error says why; 2 the command was not understood; 3 `diff --exit-code`
/// found something that would change.
#[derive(Debug, Parser)]
#[command(name = "helmapp", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Arguments>),
    List(list::Arguments),
    Status(status::Arguments),
    History(history::Arguments),
    Get(get::Arguments),
    Diff(diff::Arguments),
    Rollback(rollback::Arguments),
    Test(test::Arguments),
    Uninstall(uninstall::Arguments),
    Crd(crd::Arguments),
    Template(Box<template::Arguments>),
    Version(version::Arguments),
    Dev(dev::Arguments),
    Completion(completion::Arguments),
    #[command(name = "__complete", hide = true)]
    Complete(completion::Question),
}

impl Command {
    fn run(self, command: &clap::Command) -> anyhow::Result<ExitCode> {
        let done = match self {
            Self::Diff(arguments) => {
                let differs = run::runtime()?.block_on(diff::run(arguments))?;
                return Ok(if differs {
                    ExitCode::from(DIFFERENT)
                } else {
                    ExitCode::SUCCESS
                });
            }
            Self::Test(arguments) => return block_on(test::run(arguments)),
            Self::Run(arguments) => on_threads(run::run(*arguments)),
            Self::List(arguments) => block_on(list::run(arguments)),
            Self::Status(arguments) => block_on(status::run(arguments)),
            Self::History(arguments) => block_on(history::run(arguments)),
            Self::Get(arguments) => block_on(get::run(arguments)),
            Self::Rollback(arguments) => block_on(rollback::run(arguments)),
            Self::Uninstall(arguments) => block_on(uninstall::run(arguments)),
            Self::Crd(arguments) => crd::run(&arguments),
            Self::Template(arguments) => template::run(*arguments),
            Self::Version(arguments) => version::run(&arguments),
            Self::Dev(arguments) => on_threads(dev::run(arguments)),
            Self::Completion(arguments) => completion::run(&arguments, command.clone()),
            Self::Complete(question) => completion::answer(question, command.clone()),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// Parses `arguments` (the program's name first), runs what they ask for and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = command(arguments.first().map(Path::new));
    let parsed = command
        .clone()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes: clap says which stream and code each one has.
            let printed = error.print().is_ok();
            return if printed && !error.use_stderr() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            };
        }
    };
    match cli.command.run(&command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            let mut text = explain::explain(&error);
            if stderr.is_terminal() {
                text = output::printable(&text);
            }
            // There is nowhere left to report a closed stderr to.
            let _ = writeln!(stderr, "Error: {text}");
            ExitCode::FAILURE
        }
    }
}

/// The whole command line; as a kubectl plugin (`kubectl-helmapp`) it calls itself `kubectl helmapp`.
fn command(program: Option<&Path>) -> clap::Command {
    let plugin = program
        .and_then(Path::file_stem)
        .is_some_and(|stem| stem.to_string_lossy().starts_with("kubectl-"));
    let command = Cli::command();
    if plugin {
        command.bin_name("kubectl helmapp")
    } else {
        command
    }
}

/// The definition of the whole command line, for documents that are made from it.
pub fn command_line() -> clap::Command {
    command(None)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Work that was cut short, such as a rendering that waits for an answer, does not keep the process.
fn on_threads(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = run::runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command(None).debug_assert();
    }

    #[test]
    fn a_kubectl_plugin_says_how_it_is_called() {
        for (program, expected) in [
            ("/usr/local/bin/helmapp", "Usage: helmapp <COMMAND>"),
            (
                "/usr/local/bin/kubectl-helmapp",
                "Usage: kubectl helmapp <COMMAND>",
            ),
        ] {
            let usage = command(Some(Path::new(program))).render_usage().to_string();
            assert_eq!(usage, expected);
        }
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
