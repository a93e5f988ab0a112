//! Tests of the portable path on Burn's remote device, with a server on the loopback address.

use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{DType, Device};
use burn_tsallis::conformance::{
    AlphaKind, Batch, Bounds, Case, Gradients, Grouping, Implementation, OnDevice, compare, vectors,
};
use burn_tsallis::math::{Output, RowReference, Solver};
use burn_tsallis::{KernelPath, kernel_path};
use std::net::TcpListener;

/// Returns a port that no process listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback address");
    listener.local_addr().expect("an address").port()
}

#[test]
fn every_output_and_gradient_over_the_loopback_address() {
    let port = free_port();
    std::thread::spawn(move || {
        RemoteServer::new([Device::flex()])
            .serve(WebSocketTransport::new(port))
            .expect("the server runs");
    });
    let host = RemoteHost::websocket(&format!("ws://127.0.0.1:{port}"));
    let device = (0..50)
        .find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            Device::remote_options(&host).init().ok()
        })
        .expect("the server accepts connections within five seconds");
    assert_eq!(kernel_path(&device), KernelPath::Portable);

    let dtype = DType::F32;
    // Every operation of the portable path is one message for any number of rows, and a tensor of alphas takes
    // several times as many steps as a number.
    let grouping = |alpha| Grouping {
        alpha,
        padded: true,
        min_rows: 1,
    };
    let mut cases = vectors(dtype).expect("the file of the repository");
    cases.retain(|case| case.logits.len() <= 16);
    let given = |case: &Case| matches!(case.reference, RowReference::Values(_));
    let tensors: Vec<_> = cases.iter().filter(|case| given(case)).cloned().collect();
    cases.retain(|case| [0.5, 1.5].contains(&case.alpha));
    let on_device = OnDevice {
        device,
        dtype,
        solver: Solver::Newton,
    };
    let numbers = Batch::group(&cases, grouping(AlphaKind::Number));
    let tensors = Batch::group(&tensors, grouping(AlphaKind::Tensor));
    let bounds = Bounds::for_dtype(dtype);
    let quantities = compare(&on_device, &numbers, &bounds)
        .into_iter()
        .chain(compare(&Probabilities(on_device), &tensors, &bounds));
    for quantity in quantities {
        assert!(quantity.ratio() <= 1.0, "{quantity:?}");
    }
}

/// The probabilities of a device and nothing else.
struct Probabilities(OnDevice);

impl Implementation for Probabilities {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        (output == Output::Probabilities).then(|| self.0.output(batch, output))?
    }

    fn gradients(&self, _batch: &Batch, _output: Output) -> Gradients {
        Gradients::default()
    }
}
