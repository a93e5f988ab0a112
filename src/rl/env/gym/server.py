"""Steps Gymnasium environments for the process that started this one.

Requests arrive on standard input, replies leave on standard output; all numbers are little-endian. A reply is a header,
its kind in one byte, three zero bytes and the length of the rest in 32 bits, and the rest.

First request: length in 32 bits, JSON (`Request` in protocol.rs). Reply "H": JSON (`Handshake`).
Request "R", one seed (u32) for each environment: begins an episode in each. Reply "O".
Request "S", the actions ([environments, dimensions], indices as u32 or the values of a Box as f32): one step of each.
Reply "O".
Reply "O": observations (f32, [environments, size]), rewards (f64), flags (u8: 1 terminated, 2 truncated), and the final
observations of the environments with a flag. A new episode has begun in those (autoreset in the same step).
Reply "E": JSON with a `message`, and if an environment failed, its `traceback`.
"""

import json
import os
import platform
import select
import signal
import struct
import sys
import threading
import time
import traceback

PROTOCOL = 1
MAX_OBSERVATION_SIZE = 65536
SERVED = (
    "served are actions in Discrete, MultiDiscrete and bounded Box spaces, and observations in Box spaces of at most "
    f"{MAX_OBSERVATION_SIZE} components and in Discrete spaces"
)


class Refused(Exception):
    """An environment that cannot be served, with a message for the user."""


def take_pipes():
    """Returns the pipes of the protocol. What environments print goes to standard error, and they read nothing."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    # A process that an environment forks must not keep the pipe open.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: os.close(replies))
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def end_with_parent(requests):
    """Ends this process if the one that started it is killed while an environment hangs."""
    if sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent of this process may be a script that found Python.
    if hasattr(select, "poll"):
        pipe = select.poll()
        pipe.register(requests, 0)

        def watch():
            pipe.poll()
            time.sleep(5)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def ignore_signals():
    """Signals that stop a whole job reach this process too, but the run is saved first. A handler of Python, unlike
    SIG_IGN, is not inherited by the programs that an environment starts."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: None)


def send(replies, kind, *parts):
    replies.write(struct.pack("<cxxxI", kind, sum(map(len, parts))))
    for part in parts:
        replies.write(part)
    replies.flush()


def send_json(replies, kind, value):
    send(replies, kind, json.dumps(value).encode())


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def formatted(error):
    """Returns the traceback, from the first frame outside of this script on."""
    frames = error.__traceback__
    while frames.tb_next and frames.tb_frame.f_code.co_filename == main.__code__.co_filename:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def make(request):
    """Creates the environments."""
    try:
        import gymnasium
    except ImportError as error:
        raise Refused(
            f"{sys.executable} cannot import gymnasium ({one_line(error)}): "
            f"install it with `{sys.executable} -m pip install \"gymnasium[mujoco]\"`, or choose another --python"
        )
    name = request["id"]
    try:
        return [gymnasium.make(name, **request["arguments"]) for _ in range(request["environments"])]
    except gymnasium.error.Error as error:
        raise Refused(f"Gymnasium cannot make {name!r}: {one_line(error)}")
    except ImportError as error:
        raise Refused(
            f"Gymnasium cannot make {name!r}: {one_line(error)}; install the missing package for {sys.executable}"
        )
    except Exception as error:
        given = f" with {json.dumps(request['arguments'])}" if request["arguments"] else ""
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise Refused(
            f"Gymnasium cannot make {name!r}{given}: {type(error).__name__}: {one_line(error)} "
            f"(line {last.lineno} of {last.filename})"
        )


def actions_of(space):
    """Returns a description of the actions, their data type in a request, and a function from that data to actions."""
    import numpy
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return {"sizes": [int(space.n)]}, "<u4", lambda data: [index + start for index in data.ravel().tolist()]
    if isinstance(space, spaces.MultiDiscrete):
        start = getattr(space, "start", 0)
        shape = (-1, *space.shape)
        return (
            {"sizes": space.nvec.ravel().tolist()},
            "<u4",
            lambda data: (data.reshape(shape) + start).astype(space.dtype),
        )
    if isinstance(space, spaces.Box):
        low, high = space.low.astype(numpy.float32), space.high.astype(numpy.float32)
        if not (numpy.isfinite(low).all() and numpy.isfinite(high).all()):
            raise Refused(f"its actions are {space}, and bins need finite bounds; {SERVED}")
        shape = (-1, *space.shape)
        whole = numpy.issubdtype(space.dtype, numpy.integer)

        def decode(data):
            values = data.reshape(shape).astype(numpy.float64)
            values = numpy.rint(values) if whole else values
            return numpy.clip(values, space.low, space.high).astype(space.dtype)

        return {"low": low.ravel().tolist(), "high": high.ravel().tolist()}, "<f4", decode
    raise Refused(f"its actions are {space}; {SERVED}")


def observation_shape(space):
    """Returns the shape of an observation, and whether it is the index of a one-hot vector."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        shape, one_hot = (int(space.n),), True
    elif isinstance(space, spaces.Box):
        shape, one_hot = space.shape, False
    else:
        raise Refused(f"its observations are {space}; {SERVED}")
    size = 1
    for length in shape:
        size *= length
    if size > MAX_OBSERVATION_SIZE:
        raise Refused(f"its observations have {size} components; {SERVED}")
    return shape, one_hot


def versions(environment):
    """Returns the versions of everything that may change the returns."""
    import gymnasium

    package = type(environment.unwrapped).__module__.split(".")[0]
    found = {"python": platform.python_version(), "gymnasium": gymnasium.__version__}
    for name in ("numpy", "mujoco", "ale_py", "Box2D", package):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            found[name] = str(version)
    return found


class Server:
    def __init__(self, request, replies):
        # Python may lack Gymnasium, which brings NumPy.
        self.environments = make(request)
        import numpy

        self.numpy = numpy
        self.replies = replies
        first = self.environments[0]
        try:
            actions, self.action_type, self.decode = actions_of(first.action_space)
            self.shape, self.one_hot = observation_shape(first.observation_space)
        except Refused as refused:
            raise Refused(f"{request['id']!r} cannot be trained: {refused}")
        self.dimensions = len(actions.get("sizes") or actions["low"])
        self.start = int(getattr(first.observation_space, "start", 0))
        size, count = 1, len(self.environments)
        for length in self.shape:
            size *= length
        self.size = size
        # The rest of a reply "O", with room for all final observations.
        observations, rewards = 8, 8 + 4 * count * size
        self.flags_begin, self.finals_begin = rewards + 8 * count, rewards + 9 * count
        self.reply = bytearray(self.finals_begin + 4 * count * size)

        def view(dtype, shape, offset):
            length = numpy.prod(shape, dtype=int)
            return numpy.frombuffer(self.reply, dtype, length, offset).reshape(shape)

        self.observations = view("<f4", (count, *self.shape), observations)
        self.finals = view("<f4", (count, *self.shape), self.finals_begin)
        self.rewards = view("<f8", (count,), rewards)
        send_json(
            replies,
            b"H",
            {
                "protocol": PROTOCOL,
                "versions": versions(first),
                "autoreset": "SameStep",
                "environments": count,
                "observation_size": size,
                "solved_return": first.spec and first.spec.reward_threshold,
                "actions": actions,
            },
        )

    def write(self, rows, i, observation):
        """Writes an observation into row `i`."""
        if self.one_hot:
            rows[i] = 0
            rows[i, int(observation) - self.start] = 1
            return
        if getattr(observation, "shape", None) != self.shape:
            found = self.numpy.shape(observation)
            if found != self.shape:
                raise ValueError(f"an observation has the shape {found} instead of {self.shape}")
        rows[i] = observation

    def send(self, ended):
        end = self.finals_begin + 4 * ended * self.size
        struct.pack_into("<cxxxI", self.reply, 0, b"O", end - 8)
        self.replies.write(memoryview(self.reply)[:end])
        self.replies.flush()

    def reset(self, seeds):
        for i, environment in enumerate(self.environments):
            observation, _ = environment.reset(seed=int(seeds[i]))
            self.write(self.observations, i, observation)
        self.rewards[:] = 0
        self.reply[self.flags_begin : self.finals_begin] = bytes(len(self.environments))
        self.send(0)

    def step(self, data):
        rewards, ended = [], 0
        for i, (environment, action) in enumerate(zip(self.environments, self.decode(data))):
            observation, reward, terminated, truncated, _ = environment.step(action)
            rewards.append(reward)
            flag = (1 if terminated else 0) + (2 if truncated else 0)
            self.reply[self.flags_begin + i] = flag
            if flag:
                self.write(self.finals, ended, observation)
                ended += 1
                observation, _ = environment.reset()
            self.write(self.observations, i, observation)
        self.rewards[:] = rewards
        self.send(ended)

    def serve(self, requests):
        count, dimensions = len(self.environments), self.dimensions
        while True:
            kind = requests.read(1)
            if kind == b"S":
                data = requests.read(4 * count * dimensions)
                self.step(self.numpy.frombuffer(data, self.action_type))
            elif kind == b"R":
                self.reset(self.numpy.frombuffer(requests.read(4 * count), "<u4"))
            else:
                # The other process has closed the pipe.
                break
        for environment in self.environments:
            environment.close()


def main():
    ignore_signals()
    requests, replies = take_pipes()
    end_with_parent(requests)
    try:
        length = struct.unpack("<I", requests.read(4))[0]
        request = json.loads(requests.read(length))
        if request["protocol"] != PROTOCOL:
            raise Refused(f"protocol {request['protocol']} was asked of a server of protocol {PROTOCOL}")
        Server(request, replies).serve(requests)
    except Refused as refused:
        send_json(replies, b"E", {"message": str(refused)})
    except BaseException as error:
        message = f"{type(error).__name__}: {one_line(error)}"
        send_json(replies, b"E", {"message": message, "traceback": formatted(error)})
    sys.stderr.flush()
    os._exit(0)


main()
