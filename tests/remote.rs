//! The portable path over Burn's remote device, with a server on the loopback address.

use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{DType, Device};
use burn_tsallis::conformance::{Bounds, Case, OnDevice, built_in, compare, vectors};
use burn_tsallis::math::Solver;
use burn_tsallis::{KernelPath, kernel_path};
use std::net::TcpListener;

/// A port that nobody listens on.
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
        .expect("the server answers within five seconds");
    assert_eq!(kernel_path(&device), KernelPath::Portable);

    let dtype = DType::F32;
    let file = vectors(dtype).expect("the file of the repository");
    // Every operation of the portable path is a message, and Newton's method, from 0 to 2, takes a fifth of them.
    let cases: Vec<Case> = file
        .into_iter()
        .filter(|case| (0.0..=2.0).contains(&case.alpha))
        .step_by(30)
        .chain(built_in(dtype).into_iter().step_by(60))
        .collect();
    let on_device = OnDevice {
        device,
        dtype,
        solver: Solver::Newton,
    };
    for quantity in compare(&on_device, &cases, &Bounds::of(dtype)) {
        assert!(quantity.ratio() <= 1.0, "{quantity:?}");
    }
}
