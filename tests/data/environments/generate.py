"""Writes cartpole.json, acrobot.json, mountain_car.json and deep_sea.json: trajectories of Gymnasium's CartPole-v1,
Acrobot-v1 and MountainCar-v0, and of bsuite's DeepSea.

    pip install gymnasium==1.4.0 bsuite==0.3.6 && python generate.py
"""

import json
import warnings
from pathlib import Path

import gymnasium
import numpy as np
from bsuite.environments.deep_sea import DeepSea

# States are kept at every so many steps: long enough for an error of the equations to show, too short for the
# instability of the pole or of the links to blow up a rounding.
EVERY = 20


def trajectory(id, name, seed, policy, start=None):
    environment = gymnasium.make(id)
    environment.reset(seed=seed)
    inner = environment.unwrapped
    if start is not None:
        inner.state = np.array(start, dtype=np.float64)
    random = np.random.default_rng(seed)
    states, actions, rewards = [list(map(float, inner.state))], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action = int(policy(inner.state, len(actions), random))
        _, reward, terminated, truncated, _ = environment.step(action)
        actions.append(action)
        rewards.append(float(reward))
        if len(actions) % EVERY == 0 or terminated or truncated:
            states.append(list(map(float, inner.state)))
    assert len(set(rewards[:-1])) == 1, name
    return {
        "name": name,
        "actions": "".join(map(str, actions)),
        "reward": rewards[0],
        "last_reward": rewards[-1],
        "states": states,
        "terminated": bool(terminated),
        "truncated": bool(truncated),
    }


def balance(state, step, random):
    x, v, a, w = state
    return 0.1 * x + 0.3 * v + 4 * a + w > 0


def drift(state, step, random):
    x, v, a, w = state
    return 4 * a + w > 0.3 * (1 - v)


CARTPOLE = [
    ("left", 0, lambda state, step, random: 0, None),
    ("right", 1, lambda state, step, random: 1, None),
    ("alternating", 2, lambda state, step, random: step % 2, None),
    ("random", 3, lambda state, step, random: random.integers(2), None),
    ("random again", 4, lambda state, step, random: random.integers(2), None),
    ("balanced to the end", 5, balance, None),
    ("drifting off", 6, drift, None),
    ("fast", 7, balance, [0.0, 1.5, 0.1, -1.0]),
]

ACROBOT = [
    ("no torque", 0, lambda state, step, random: 1, None),
    ("random", 1, lambda state, step, random: random.integers(3), None),
    ("swinging", 2, lambda state, step, random: 2 if state[2] < 0 else 0, None),
    ("fast", 3, lambda state, step, random: random.integers(3), [0.2, -2.0, 3.0, -20.0]),
    ("faster than the limits", 4, lambda state, step, random: 0, [0.8, -1.4, -12.5, -28.0]),
]

MOUNTAIN_CAR = [
    ("no push", 0, lambda state, step, random: 1, None),
    ("random", 1, lambda state, step, random: random.integers(3), None),
    ("swinging", 2, lambda state, step, random: 2 if state[1] >= 0 else 0, None),
    ("into the left end", 3, lambda state, step, random: 0, [-1.1, -0.06]),
    ("over the goal", 4, lambda state, step, random: 2, [0.3, 0.06]),
]


class Recorder:
    """Hands on the draws of a generator, and keeps those of the current step."""

    def __init__(self, generator):
        self.generator = generator
        self.draws = {}

    def rand(self):
        self.draws["uniform"] = float(self.generator.rand())
        return self.draws["uniform"]

    def randn(self):
        self.draws["normal"] = float(self.generator.randn())
        return self.draws["normal"]


def deep_sea(size, mapping_seed, seed, deterministic, right, episodes):
    """Episodes that move right with probability `right`."""
    environment = DeepSea(size, deterministic=deterministic, seed=seed, mapping_seed=mapping_seed)
    environment._rng = Recorder(environment._rng)
    random = np.random.default_rng(seed)
    steps = []
    for _ in range(episodes):
        timestep = environment.reset()
        while not timestep.last():
            row, column = environment._row, environment._column
            rightwards = int(environment._action_mapping[row, column])
            action = rightwards if random.random() < right else 1 - rightwards
            environment._rng.draws = {}
            timestep = environment.step(action)
            seen = timestep.observation.ravel().nonzero()[0].tolist()
            assert timestep.observation.sum() == len(seen) <= 1
            draws = environment._rng.draws
            step = {
                "action": action,
                "reward": float(timestep.reward),
                "cell": seen[0] if seen else None,
                "last": timestep.last(),
            }
            if not deterministic:
                # A move that draws nothing cannot fail.
                step["fails"] = draws.get("uniform", 1.0) <= 1 / size
                step["noise"] = draws.get("normal", 0.0)
            steps.append(step)
    info = environment.bsuite_info()
    return {
        "size": size,
        "mapping_seed": mapping_seed,
        "deterministic": deterministic,
        "mapping": mapping(environment),
        "optimal_return": float(environment._optimal_return),
        "steps": steps,
        "total_bad_episodes": int(info["total_bad_episodes"]),
        "denoised_return": float(info["denoised_return"]),
    }


def mapping(environment):
    return "".join(str(int(one)) for one in environment._action_mapping.ravel())


def write(name, rows):
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (Path(__file__).parent / name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for id, file, cases in [
        ("CartPole-v1", "cartpole.json", CARTPOLE),
        ("Acrobot-v1", "acrobot.json", ACROBOT),
        ("MountainCar-v0", "mountain_car.json", MOUNTAIN_CAR),
    ]:
        write(file, [trajectory(id, *case) for case in cases])
    runs = [
        deep_sea(size, mapping_seed, size, deterministic, right, episodes)
        for deterministic in (True, False)
        for size, mapping_seed, right, episodes in [
            (1, 0, 0.5, 4),
            (2, 1, 0.5, 6),
            (5, 42, 0.9, 8),
            (10, 42, 1.0, 2),
            (10, 7, 0.8, 3),
        ]
    ]
    # The largest mapping of bsuite's experiments.
    runs.append(deep_sea(50, 42, 0, True, 1.0, 0))
    write("deep_sea.json", runs)
