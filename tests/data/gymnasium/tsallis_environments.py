"""Environments for the tests of the Python process."""

import ctypes
import os
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class FromStates(gymnasium.Env):
    """Takes each step of an environment of Gymnasium from the next of the given states, and observes the result."""

    def __init__(self, name, states):
        self.environment = gymnasium.make(name).unwrapped
        self.observation_space = self.environment.observation_space
        self.action_space = self.environment.action_space
        self.states = iter(states)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.environment.reset(seed=seed)

    def step(self, action):
        self.environment.state = np.array(next(self.states))
        observation, reward, terminated, _, info = self.environment.step(action)
        # CartPole refuses steps after the end of an episode.
        self.environment.steps_beyond_terminated = None
        return observation, reward, terminated, False, info


class Spaces(gymnasium.Env):
    """Observes its last action. An episode has three steps; its last one observes the seed."""

    SPACES = {
        "discrete": spaces.Discrete(4, start=-1),
        "multi": spaces.MultiDiscrete([4, 3, 2]),
        "grid": spaces.MultiDiscrete([[4, 3], [2, 5]]),
        "box": spaces.Box(np.array([[-1.0, 0.0]], np.float32), np.array([[1.0, 3.0]], np.float32)),
        "double": spaces.Box(-0.1, 0.1, (2,), np.float64),
        "whole": spaces.Box(0, 3, (2,), np.int64),
        "image": spaces.Box(0, 255, (8, 8, 3), np.uint8),
        "large": spaces.Box(0, 255, (210, 160, 3), np.uint8),
        "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
        "dict": spaces.Dict({"a": spaces.Discrete(2)}),
        "tuple": spaces.Tuple([spaces.Discrete(2)]),
        "text": spaces.Text(5),
    }

    def __init__(self, action="discrete", observation=None):
        self.action_space = self.SPACES[action]
        size = int(np.prod(self.action_space.shape or (1,)))
        self.observation_space = self.SPACES.get(observation, spaces.Box(-9, 2**31, (2, size), np.float64))
        self.fixed = observation is not None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seed = seed if seed is not None else self.seed + 1
        self.steps = 0
        return self.observed(self.seed), {}

    def observed(self, value):
        if self.fixed:
            self.observation_space.seed(0)
            return self.observation_space.sample()
        return np.stack([np.ravel(value) + np.zeros(self.observation_space.shape[1]), np.full(self.observation_space.shape[1], self.steps)])

    def step(self, action):
        assert self.action_space.contains(action), action
        self.steps += 1
        return self.observed(action), 0.5 * self.steps, self.steps == 3, False, {}


class Faulty(gymnasium.Env):
    """Does what it should not do at the given step, and writes the id of its process to a file before."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, fault=None, at=40, file=None):
        if fault == "constructor":
            raise KeyError("level 1")
        self.fault, self.at, self.file, self.steps = fault, at, file, 0
        if fault == "prints":
            print("hello from the environment")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        observation, reward = np.zeros(2, np.float32), float(action)
        if self.fault == "prints" and self.steps < 20:
            print("a print of step", self.steps)
            os.write(1, b"a write of a library\n")
            sys.stdin.read()
        elif self.steps == self.at and not (self.fault == "once" and os.path.exists(self.file)):
            if self.file is not None:
                with open(self.file + ".partial", "w") as file:
                    file.write(str(os.getpid()))
                os.replace(self.file + ".partial", self.file)
            if self.fault in ("raises", "once"):
                raise ValueError("the car left the road")
            if self.fault == "exits":
                sys.exit(4)
            if self.fault == "dies":
                print("a last word", file=sys.stderr)
                os._exit(5)
            if self.fault == "pauses":
                time.sleep(1)
            if self.fault == "hangs":
                print("thinking", flush=True)
                time.sleep(1000)
            if self.fault == "spins":
                while True:
                    pass
            if self.fault == "holds":
                ctypes.PyDLL(None).sleep(1000)
            if self.fault == "shape":
                observation = np.zeros(1, np.float32)
            if self.fault == "infinite":
                observation[1] = np.inf
            if self.fault == "nan":
                reward = np.nan
            if self.fault == "none":
                reward = None
        return observation, reward, self.steps % 10 == 0, False, {}


for environment in (FromStates, Spaces, Faulty):
    gymnasium.register(
        f"{environment.__name__}-v0",
        environment,
        disable_env_checker=True,
        order_enforce=False,
    )
