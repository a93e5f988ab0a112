"""PyTorch's softmax on the CPU, on the shapes of `cargo bench --bench softargmax`.

python benches/softmax.py [SHAPE ...] prints medians in milliseconds: the softmax, and the softmax with its gradient for a
given cotangent. A shape is written as 4096x1024; without one, all are timed.
"""

import sys
import time
from statistics import median

import torch

SHAPES = [(65536, 2), (65536, 18), (32768, 128), (4096, 1024), (256, 32000), (8, 131072)]
SAMPLES = 15

torch.set_num_threads(1)
for rows, columns in SHAPES:
    name = f"{rows}x{columns}"
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        continue
    logits, cotangent = 2 * torch.randn(rows, columns), torch.randn(rows, columns)
    forward, both = [], []
    with torch.no_grad():
        for _ in range(SAMPLES):
            start = time.perf_counter()
            torch.softmax(logits, 1)
            forward.append(time.perf_counter() - start)
            start = time.perf_counter()
            p = torch.softmax(logits, 1)
            torch._softmax_backward_data(cotangent, p, 1, logits.dtype)
            both.append(time.perf_counter() - start)
    print(f"{name} {1e3 * median(forward):.2f} {1e3 * median(both):.2f}", flush=True)
