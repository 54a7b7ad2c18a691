//! `helmapp completion`.

use clap_complete::Shell;

use super::output;

/// Print the completion script of a shell
///
/// In bash: source <(helmapp completion bash)
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, mut command: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "helmapp", &mut script);
    output::write(&String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands() {
        use clap::ValueEnum as _;
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut super::super::command(None), "helmapp", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("rollback"), "{shell}");
        }
    }
}
