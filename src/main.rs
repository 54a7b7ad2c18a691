//! The `helmapp` binary.

fn main() {}
