//! Control planes: the shared one, and one for a test that would disturb it.

use helmapp::local::{ControlPlane, Options};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// How many control planes of their own tests may have at once; each takes
/// some 400 MB and starts in seconds of two cores.
const OWN_PLANES: usize = 1;

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
static OWN: Semaphore = Semaphore::const_new(OWN_PLANES);

fn options() -> Options {
    // Clients need a provider of TLS; whichever test comes first sets it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Options {
        progress: |line| eprintln!("{line}"),
        ..Options::default()
    }
}

/// The control plane of this test binary, which ends with the process. Without
/// it no test of the binary can say anything, so there is no way on.
pub async fn shared() -> &'static ControlPlane {
    SHARED
        .get_or_init(|| async {
            match ControlPlane::start(options()).await {
                Ok(plane) => plane,
                Err(error) => panic!("tests on a control plane can't run: {error}"),
            }
        })
        .await
}

/// A client of the shared control plane's administrator.
pub async fn client() -> kube::Client {
    shared().await.client().await.expect("a client")
}

/// A control plane for one test; it ends when this is dropped.
pub struct OwnPlane {
    pub plane: ControlPlane,
    _permit: SemaphorePermit<'static>,
}

/// The right to start one more control plane, until it is dropped.
pub async fn turn() -> SemaphorePermit<'static> {
    OWN.acquire().await.expect("never closed")
}

/// One more control plane for a test that has its own already.
pub async fn another(_: &OwnPlane) -> ControlPlane {
    match ControlPlane::start(options()).await {
        Ok(plane) => plane,
        Err(error) => panic!("tests on a control plane can't run: {error}"),
    }
}

pub async fn own() -> OwnPlane {
    own_with(|_| ()).await
}

/// A control plane of its own, with other options.
pub async fn own_with(change: impl FnOnce(&mut Options)) -> OwnPlane {
    let permit = turn().await;
    let mut options = options();
    change(&mut options);
    match ControlPlane::start(options).await {
        Ok(plane) => OwnPlane {
            plane,
            _permit: permit,
        },
        Err(error) => panic!("tests on a control plane can't run: {error}"),
    }
}
