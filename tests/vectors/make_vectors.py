#!/usr/bin/env python3
"""Writes reference values of the Tsallis softargmax, computed by mpmath with 60 digits.

usage: make_vectors.py SEED OUT [ROWS]

README.md describes the fields. Every input is exactly representable in f32, so that f32 and f64
implementations see the same numbers.
"""

import json
import random
import struct
import sys

from mpmath import exp, log, mp, mpf, power

mp.dps = 60

ALPHAS = [
    -1.0, -0.5, 0.0, 0.05, 0.1, 0.25, 0.3, 0.5, 0.625, 0.7, 0.75, 0.9,
    0.99, 0.999, 0.99999, 1.0, 1.00001, 1.001, 1.05, 1.25, 1.5, 1.75, 2.0,
]  # fmt: skip

# Bisections that leave less than 60 digits of the widest bracket.
BISECTIONS = 260


def f32(x):
    """x rounded to f32."""
    return struct.unpack("f", struct.pack("f", x))[0]


def generator(u, alpha):
    """f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1)), with 0^alpha = 0."""
    if alpha == 1:
        return (u * log(u) if u > 0 else mpf(0)) - u + 1
    if alpha == 0:
        return -log(u) + u - 1
    power_of_u = power(u, alpha) if u > 0 else mpf(0)
    return (power_of_u - alpha * u + alpha - 1) / (alpha * (alpha - 1))


def derivative(u, alpha):
    """f'(u)."""
    return log(u) if alpha == 1 else (power(u, alpha - 1) - 1) / (alpha - 1)


def inverse_derivative(y, alpha):
    """(f')^-1(y) = [1 + (alpha - 1) y]_+^(1 / (alpha - 1))."""
    if alpha == 1:
        return exp(y)
    base = 1 + (alpha - 1) * y
    if base <= 0:
        return mpf(0) if alpha > 1 else mp.inf
    return power(base, 1 / (alpha - 1))


def inverse_derivative_alpha(y, u, alpha):
    """The derivative of u = (f')^-1(y) in alpha at a fixed y."""
    if u == 0:
        return mpf(0)
    if alpha == 1:
        return -u * y * y / 2
    base = 1 + (alpha - 1) * y
    return u * (y / ((alpha - 1) * base) - log(base) / (alpha - 1) ** 2)


def root(x, q, alpha):
    """mu with sum_i q_i (f')^-1(x_i - mu) = 1, by bisection."""
    low = max(xi - derivative(1 / qi, alpha) for xi, qi in zip(x, q))
    high = max(x) - derivative(1 / sum(q), alpha)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        mass = sum(qi * inverse_derivative(xi - middle, alpha) for xi, qi in zip(x, q))
        if mass >= 1:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def answers(logits, reference, alpha, cotangent):
    """All outputs of a row, and the gradients of <cotangent, p>."""
    columns = len(logits)
    allowed = [i for i in range(columns) if logits[i] is not None and reference[i] > 0]
    x = [mpf(logits[i]) for i in allowed]
    q = [mpf(reference[i]) for i in allowed]
    c = [mpf(cotangent[i]) for i in allowed]
    alpha = mpf(alpha)

    mu = root(x, q, alpha)
    u = [inverse_derivative(xi - mu, alpha) for xi in x]
    p = [qi * ui for qi, ui in zip(q, u)]
    divergence = sum(qi * generator(ui, alpha) for qi, ui in zip(q, u))
    value = sum(xi * pi for xi, pi in zip(x, p)) - divergence

    # f''(u) = u^(alpha - 2), and with it dp/dx = diag(k) - k k^T / W.
    k = [qi * (power(ui, 2 - alpha) if ui > 0 else mpf(0)) for qi, ui in zip(q, u)]
    total = sum(k)
    mean = sum(ci * ki for ci, ki in zip(c, k)) / total
    grad_logits = [ki * (ci - mean) for ki, ci in zip(k, c)]
    grad_reference = [ui * (ci - mean) for ui, ci in zip(u, c)]
    direct = [qi * inverse_derivative_alpha(xi - mu, ui, alpha) for qi, xi, ui in zip(q, x, u)]
    dmu = sum(direct) / total
    grad_alpha = sum(ci * (di - ki * dmu) for ci, di, ki in zip(c, direct, k))

    def everywhere(values, elsewhere):
        """The values of the allowed entries in their columns."""
        row = [elsewhere] * columns
        for i, value in zip(allowed, values):
            row[i] = value
        return row

    def rounded(value):
        return None if value is None else float(value)

    return dict(
        p=[rounded(v) for v in everywhere(p, mpf(0))],
        mu=float(mu),
        value=float(value),
        divergence=float(divergence),
        grad_logits=[rounded(v) for v in everywhere(grad_logits, mpf(0))],
        grad_alpha=float(grad_alpha),
        grad_reference=[rounded(v) for v in everywhere(grad_reference, None)],
        log_p=[float(log(v)) if v > 0 else None for v in everywhere(p, mpf(0))],
    )


def inputs(r, alpha):
    """A row: offsets and scales up to 1000, ties, masked entries, and every kind of reference."""
    columns = r.choice([1, 2, 2, 3, 4, 5, 8, 17, 32, 33, 64, 100])
    scale = r.choice([0.01, 1, 1, 3, 10, 30, 100, 1000])
    offset = r.choice([0, 0, 0, 5, -100, 1000])
    x = [f32(r.gauss(0, 1) * scale + offset) for _ in range(columns)]
    if r.random() < 0.15:
        x = [f32(round(v)) for v in x]
    if r.random() < 0.2 and columns > 1:
        for i in r.sample(range(columns), max(1, columns // 4)):
            x[i] = None
        if all(v is None for v in x):
            x[0] = 0.0
    kind = r.choice(["uniform", "ones", "list", "list"])
    if kind == "uniform":
        q = [mpf(1) / sum(v is not None for v in x)] * columns
        reference = kind
    elif kind == "ones":
        q = [1.0] * columns
        reference = kind
    else:
        weights = [r.expovariate(1) + 1e-3 for _ in range(columns)]
        total = sum(weights)
        q = [f32(w / total) for w in weights]
        reference = q
    cotangent = [f32(r.gauss(0, 1)) for _ in range(columns)]
    named = dict(alpha=alpha, reference=reference, logits=x, cotangent=cotangent)
    return named, q


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    r = random.Random(int(sys.argv[1]))
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 230
    with open(sys.argv[2], "w") as file:
        for i in range(rows):
            alpha = f32(ALPHAS[i % len(ALPHAS)])
            row, q = inputs(r, alpha)
            row.update(answers(row["logits"], q, alpha, row["cotangent"]))
            file.write(json.dumps(dict(id=i, **row)) + "\n")


if __name__ == "__main__":
    main()
