//! Files that are made from the code are as the code makes them. `make generate` writes them anew.
#![allow(clippy::expect_used, clippy::panic)]

use std::{env, fs, path::Path};

fn same_as_committed(path: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("HELMAPP_BLESS").is_some() {
        fs::create_dir_all(file.parent().expect("a directory")).expect("the directory can be made");
        fs::write(&file, generated).expect("the file can be written");
        return;
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differs = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        committed == generated,
        "{path} is not what the code makes (first difference in line {}): run `make generate`",
        differs.unwrap_or(committed.lines().count().min(generated.lines().count())) + 1,
    );
}

#[test]
fn crd() {
    let generated = helmapp::api::crd_yaml().expect("the CRD can be written");
    same_as_committed("crds/helmapp.io_helmapps.yaml", &generated);
    same_as_committed("charts/helmapp/crds/helmapp.io_helmapps.yaml", &generated);
}
