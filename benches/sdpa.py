"""PyTorch's scaled_dot_product_attention on the CPU, in the lines of `cargo bench --bench attention`.

python benches/sdpa.py THREADS KEYS [KEYS ...] prints processor times, like `cargo bench --bench attention -- cpu`.
"""

import sys
import time
from statistics import median

import torch
from torch.nn.functional import scaled_dot_product_attention as attention

SAMPLES = {512: 7, 2048: 5, 8192: 3, 32768: 1}

torch.set_num_threads(int(sys.argv[1]))
for keys in map(int, sys.argv[2:]):
    batch = 8 if keys == 512 else 1
    query, key, value = (torch.randn(batch, 8, keys, 64) for _ in range(3))
    tracked = [x.clone().requires_grad_() for x in (query, key, value)]
    cotangent = torch.ones_like(query)
    for causal in (False, True):
        forward, both = [], []
        for _ in range(SAMPLES[keys]):
            with torch.no_grad():
                start = time.process_time()
                attention(query, key, value, is_causal=causal)
                forward.append(time.process_time() - start)
            start = time.process_time()
            context = attention(*tracked, is_causal=causal)
            torch.autograd.grad(context, tracked, cotangent)
            both.append(time.process_time() - start)
        name = "sdpa-causal" if causal else "sdpa"
        print(f"{name} {batch}x8x{keys}x64 1 {1e3 * median(forward):.2f} {1e3 * median(both):.2f} -", flush=True)
