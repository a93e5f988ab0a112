//! Tests of the portable path on Burn's remote device, with a server on the loopback address.

use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{DType, Device, Tensor, Tolerance};
use burn_tsallis::conformance::{AlphaKind, Batch, Bounds, Grouping, OnDevice, compare, vectors};
use burn_tsallis::math::{RowReference, Solver};
use burn_tsallis::{
    KernelPath, Reference, TsallisOptions, kernel_path, tsallis_divergence_from_probabilities,
};
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
    // Every operation of the portable path is one message for any number of rows.
    let numbers = Grouping {
        alpha: AlphaKind::Number,
        padded: true,
        min_rows: 1,
    };
    let mut cases = vectors(dtype).expect("the file of the repository");
    cases.retain(|case| match case.reference {
        RowReference::Uniform => case.alpha == 0.5 && case.logits.len() <= 16,
        RowReference::Ones => false,
        RowReference::Values(_) => case.alpha == 1.5 && case.logits.len() <= 16,
    });
    tensors_of_alphas_and_references(&device);
    let on_device = OnDevice {
        device,
        dtype,
        solver: Solver::Newton,
    };
    let batches = Batch::group(&cases, numbers);
    for quantity in compare(&on_device, &batches, &Bounds::for_dtype(dtype)) {
        assert!(quantity.ratio() <= 1.0, "{quantity:?}");
    }
}

/// The divergence of given probabilities takes both tensors, and no root, whose steps would be some thousand messages.
fn tensors_of_alphas_and_references(remote: &Device) {
    let divergence = |device: &Device| {
        let p = Tensor::<2>::from_floats([[0.5, 0.3, 0.2], [0.1, 0.0, 0.9]], device);
        let q = Tensor::<2>::from_floats([[0.2, 0.2, 0.6], [0.3, 0.3, 0.4]], device);
        let alpha = Tensor::<2>::from_floats([[0.5], [1.7]], device);
        let options = TsallisOptions::new(alpha).with_reference(Reference::Tensor(q));
        tsallis_divergence_from_probabilities(p, options, 1).into_data()
    };
    let tolerance = Tolerance::<f32>::absolute(1e-6);
    divergence(remote).assert_approx_eq(&divergence(&Device::flex()), tolerance);
}
