"""The authors' JAX code beside `cargo bench --bench learner`, in turn, on one core.

python benches/jax_learner.py FOLDER [CORE]

FOLDER is a clone of github.com/Labbi-Safwan/f-regularised-policy-gradient, and can also be given as JAX_LEARNER. Python
needs jax, flax, optax, distrax, gymnax below 1 and tqdm. Each line has the medians of steps per second of three rounds,
and their ratio. The time of JAX does not include the compilation, which is printed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROUNDS = 3
# As many updates as the benchmark measures, without its warm-up.
UPDATES = 60
# The environments, steps, epochs and minibatches of the lines of the benchmark.
CONFIGURATIONS = {
    "16 x 32 steps, 16 epochs of 4 minibatches": (16, 32, 16, 4),
    "8 x 256 steps, 10 epochs of 32 minibatches": (8, 256, 10, 32),
}

folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("JAX_LEARNER")
if folder is None:
    sys.exit("error: name the folder of the authors' code: python benches/jax_learner.py FOLDER, or JAX_LEARNER=FOLDER")
code = Path(folder) / "DeepRL"
if not (code / "ppo_cartpool_noise.py").is_file():
    sys.exit(f"error: {folder} does not hold the authors' code: DeepRL/ppo_cartpool_noise.py is missing")
ROOT = Path(__file__).resolve().parent.parent
BENCH = ["cargo", "bench", "--quiet", "--bench", "learner"]
# Compiled on all cores.
if subprocess.run([*BENCH, "--no-run"], cwd=ROOT).returncode != 0:
    sys.exit("error: the benchmark does not compile")
# Before JAX starts its threads. The benchmark inherits it.
os.sched_setaffinity(0, {int(sys.argv[2]) if len(sys.argv) > 2 else min(os.sched_getaffinity(0))})
os.environ["JAX_PLATFORMS"] = "cpu"
sys.path.insert(0, str(code))

import jax  # noqa: E402
from ppo_cartpool_noise import make_train  # noqa: E402


def ours():
    """Returns the steps per second of each configuration."""
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(BENCH, capture_output=True, text=True, env=environment, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(BENCH)} failed: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    rows = {name: line for name in CONFIGURATIONS for line in lines if line.startswith(name)}
    return {name: float(row[len(name) :].split()[0]) for name, row in rows.items()}


def theirs(environments, steps, epochs, minibatches):
    """Returns a function that trains and returns the steps per second, and the seconds of compilation."""
    total = environments * steps * UPDATES
    train = make_train({
        "NUM_ENVS": environments, "NUM_STEPS": steps, "TOTAL_TIMESTEPS": total, "UPDATE_EPOCHS": epochs,
        "NUM_MINIBATCHES": minibatches, "GAMMA": 0.99, "GAE_LAMBDA": 0.95, "CLIP_EPS": 0.2, "VF_COEF": 0.5,
        "MAX_GRAD_NORM": 0.5, "ACTIVATION": "tanh", "ANNEAL_LR": True, "ENV_NAME": "CartPole-v1", "NOISE_SCALE": 0.5,
    })  # fmt: skip

    def speed(seed):
        start = time.perf_counter()
        jax.block_until_ready(train(0.01, 0.5, 0.5, 1e-3, jax.random.PRNGKey(seed)))
        return total / (time.perf_counter() - start)

    compiled = total / speed(0)
    return speed, compiled - total / speed(0)


trains = {}
for name, configuration in CONFIGURATIONS.items():
    trains[name], seconds = theirs(*configuration)
    print(f"{name}: JAX compiles in {seconds:.1f} s", flush=True)
speeds = {name: ([], []) for name in CONFIGURATIONS}
for seed in range(ROUNDS):
    for name, speed in ours().items():
        speeds[name][0].append(speed)
    for name, train in trains.items():
        speeds[name][1].append(train(seed))
for name, (mine, jaxs) in speeds.items():
    mine, jaxs = median(mine), median(jaxs)
    print(f"{name}: ours {mine:.0f}, JAX {jaxs:.0f} steps/s, ratio {mine / jaxs:.2f}")
