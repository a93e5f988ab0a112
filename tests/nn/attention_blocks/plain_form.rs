//! Every alpha, option, shape, mask and dtype against the plain form.

use super::*;

#[test]
fn every_alpha_and_option_matches_the_plain_form() {
    for device in devices() {
        for alpha in ALPHAS {
            check("plain", &Case::new(alpha), &device, DType::F64, 1e-10);
            check("full", &Case::full(alpha), &device, DType::F64, 1e-10);
        }
        let alphas = per_head(&[0.5, 1.0, 1.5, 2.5]);
        let case = Case::full(alphas);
        check("alpha of each head", &case, &device, DType::F64, 1e-10);
        let rows = TensorData::new(
            pseudo_random(10, 0.5)
                .iter()
                .map(|x| 1.3 + x)
                .collect::<Vec<_>>(),
            [2, 1, 5, 1],
        );
        let rows = Tensor::<4>::from_data(rows, (&crate::support::device(), DType::F64));
        check(
            "alpha of each row",
            &Case::new(rows),
            &device,
            DType::F64,
            1e-10,
        );
    }
}

#[test]
fn shapes_and_masks_match_the_plain_form() {
    let case = || Case::new(1.5);
    let block_mask = |size, masked| {
        Some(BlockMask {
            batch: 2,
            heads: 2,
            size,
            masked,
        })
    };
    let cases = [
        (
            "one query",
            Case {
                queries: 1,
                ..case()
            },
        ),
        (
            "one key",
            Case {
                keys: 1,
                causal: true,
                ..case()
            },
        ),
        (
            "one key head",
            Case {
                heads: 6,
                key_heads: 1,
                ..case()
            },
        ),
        (
            "grouped heads",
            Case {
                heads: 6,
                key_heads: 3,
                ..case()
            },
        ),
        (
            "several blocks",
            Case {
                queries: 150,
                keys: 40,
                causal: true,
                ..case()
            },
        ),
        (
            "several blocks of grouped heads",
            Case {
                heads: 4,
                queries: 130,
                keys: 140,
                window: Some(9),
                bias: Some([1, 1, 130, 140]),
                ..case()
            },
        ),
        (
            "causal, more queries than keys",
            Case {
                queries: 9,
                keys: 4,
                causal: true,
                ..case()
            },
        ),
        (
            "causal, more keys than queries",
            Case {
                queries: 3,
                keys: 9,
                causal: true,
                ..case()
            },
        ),
        (
            "a window on both sides",
            Case {
                queries: 9,
                keys: 9,
                window: Some(2),
                ..case()
            },
        ),
        (
            "a window of one key",
            Case {
                keys: 5,
                window: Some(1),
                causal: true,
                ..case()
            },
        ),
        (
            "a window beyond the keys",
            Case {
                window: Some(usize::MAX),
                ..case()
            },
        ),
        (
            "an empty sequence",
            Case {
                lengths: Some(vec![0, 7]),
                ..case()
            },
        ),
        (
            "a null score for an empty sequence",
            Case {
                lengths: Some(vec![0, 7]),
                null_score: Some(-0.5),
                ..case()
            },
        ),
        (
            "a block mask",
            Case {
                block_mask: block_mask([3, 2], 0.4),
                ..case()
            },
        ),
        (
            "a block mask of one entry",
            Case {
                block_mask: block_mask([100, usize::MAX], 0.0),
                ..case()
            },
        ),
        (
            "a block mask that masks everything",
            Case {
                block_mask: block_mask([2, 4], 1.0),
                ..case()
            },
        ),
        (
            "a null score beside masked blocks",
            Case {
                block_mask: block_mask([2, 4], 1.0),
                null_score: Some(-0.5),
                ..case()
            },
        ),
        (
            // Several blocks of keys are left out between others.
            "a block mask with gaps",
            Case {
                heads: 4,
                queries: 101,
                keys: 210,
                block_mask: block_mask([37, 41], 0.5).map(|blocks| BlockMask {
                    batch: 1,
                    heads: 4,
                    ..blocks
                }),
                bias: Some([1, 4, 101, 210]),
                null_score: Some(0.1),
                ..case()
            },
        ),
        (
            "a causal block mask with gaps and lengths",
            Case {
                queries: 90,
                keys: 200,
                block_mask: block_mask([8, 33], 0.6),
                causal: true,
                lengths: Some(vec![200, 117]),
                mask: Some([1, 1, 90, 200]),
                softcap: Some(2.0),
                ..case()
            },
        ),
        (
            "odd sizes",
            Case {
                size: 41,
                value_size: 73,
                ..case()
            },
        ),
        (
            "a bias of each key",
            Case {
                bias: Some([1, 2, 1, 7]),
                ..case()
            },
        ),
        (
            "a bias of each query",
            Case {
                bias: Some([2, 1, 5, 1]),
                ..case()
            },
        ),
        (
            "one bias",
            Case {
                bias: Some([1; 4]),
                ..case()
            },
        ),
        (
            "a full bias and mask",
            Case {
                bias: Some([2, 2, 5, 7]),
                mask: Some([2, 2, 5, 7]),
                ..case()
            },
        ),
        (
            "a mask of queries",
            Case {
                mask: Some([2, 1, 5, 1]),
                ..case()
            },
        ),
    ];
    for device in devices() {
        for (name, case) in &cases {
            check(name, case, &device, DType::F64, 1e-10);
            check(name, case, &device, DType::F32, 2e-5);
        }
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_matches_the_plain_form() {
    let Some(device) = burn_tsallis::conformance::wgpu_device() else {
        return;
    };
    check(
        "full",
        &Case::full(per_head(&[0.5, 1.0, 1.5, 2.0])),
        &device,
        DType::F32,
        1e-4,
    );
    check("plain", &Case::new(1.5), &device, DType::F32, 1e-4);
}

#[cfg(feature = "flex")]
#[test]
fn half_precision_is_one_rounding_away() {
    let device = Device::flex().autodiff();
    for (dtype, bound) in [(DType::F16, 2e-3), (DType::BF16, 2e-2)] {
        for case in [Case::new(1.5), Case::full(0.7)] {
            let case = Case { bias: None, ..case };
            let inputs = Inputs::new(&case, &device, dtype);
            let exact = Inputs {
                query: inputs.query.clone().cast(FloatDType::F64),
                key: inputs.key.clone().cast(FloatDType::F64),
                value: inputs.value.clone().cast(FloatDType::F64),
                ..inputs.clone()
            }
            .tracked();
            let inputs = inputs.tracked();
            let (got, want) = (case.blocks(&inputs), case.plain(&exact));
            assert_eq!(got.dtype(), dtype);
            close(&values(got.clone()), &values(want.clone()), bound);
            let cotangent = cotangent(&got);
            let exact_cotangent = cotangent.clone().cast(FloatDType::F64);
            let got = (got * cotangent).sum().backward();
            let want = (want * exact_cotangent).sum().backward();
            for ((name, x), (_, exact)) in inputs.tensors().into_iter().zip(exact.tensors()) {
                let (got, want) = (x.grad(&got), exact.grad(&want));
                let got = got.expect("tracked");
                assert_eq!(got.dtype(), dtype);
                let (got, want) = (values(got), values(want.expect("tracked")));
                compare(&format!("{dtype:?}, {name}"), &got, &want, bound);
            }
        }
    }
}

#[test]
fn every_head_size_matches_the_plain_form() {
    for device in devices() {
        for size in [1, 8, 16, 40, 64, 72, 80, 96, 127, 128] {
            let case = Case {
                batch: 1,
                queries: 3,
                size,
                value_size: size,
                causal: true,
                ..Case::new(1.5)
            };
            check(&format!("size {size}"), &case, &device, DType::F32, 2e-5);
        }
    }
}
