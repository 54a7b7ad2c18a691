//! `helmapp completion`, and the answers that its scripts ask for while a person types.

mod cluster;
mod words;

use std::ffi::OsString;

use clap::ValueEnum;
use clap_complete::Shell;

use super::output;
use words::{Wanted, wanted};

/// Print the completion script of a shell
///
/// Subcommands, flags and the names of HelmApps are completed. In bash: source <(helmapp completion bash). For
/// `kubectl helmapp`: helmapp completion kubectl > /usr/local/bin/kubectl_complete-helmapp, and make the file executable.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell, or kubectl for the file that kubectl completes its plugin with
    #[arg(value_enum, value_name = "SHELL")]
    script: Script,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Script {
    Bash,
    Zsh,
    Fish,
    Kubectl,
    /// Without the names of HelmApps
    Elvish,
    /// Without the names of HelmApps
    Powershell,
}

pub(super) fn run(arguments: &Arguments, command: clap::Command) -> anyhow::Result<()> {
    output::write(&script(arguments.script, command)?)
}

fn script(script: Script, mut command: clap::Command) -> anyhow::Result<String> {
    let shell = match script {
        Script::Bash => return Ok(include_str!("helmapp.bash").to_owned()),
        Script::Zsh => return Ok(include_str!("helmapp.zsh").to_owned()),
        Script::Fish => return Ok(include_str!("helmapp.fish").to_owned()),
        Script::Kubectl => return Ok(include_str!("kubectl_complete-helmapp").to_owned()),
        Script::Elvish => Shell::Elvish,
        Script::Powershell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "helmapp", &mut script);
    Ok(String::from_utf8(script)?)
}

/// Say what the last of the words can become
///
/// A line a candidate, with what it means after a tab, and a last line as kubectl takes it: `:0` when files are
/// candidates, too, `:4` when not.
#[derive(Debug, clap::Args)]
pub(super) struct Question {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Completion never fails: where the cluster does not answer, there are no names.
pub(super) fn answer(question: Question, mut command: clap::Command) -> anyhow::Result<()> {
    command.build();
    let words: Vec<String> = question
        .words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let Wanted {
        prefix,
        mut candidates,
        names,
        files,
    } = wanted(&command, &words);
    if let Some(names) = names {
        candidates.extend(cluster::names(names));
    }
    candidates.retain(|candidate| candidate.value.starts_with(&prefix));
    let lines: String = candidates.iter().map(words::Candidate::line).collect();
    output::write(&format!("{lines}:{}\n", if files { 0 } else { 4 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script() {
        for kind in Script::value_variants() {
            let script = script(*kind, super::super::command(None)).unwrap();
            let asks = script.contains("helmapp __complete -- ");
            let knows = script.contains("rollback");
            assert!(asks != knows, "{kind:?}");
        }
    }
}
