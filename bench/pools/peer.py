"""Python's pools, one case each: peer.py PEER CASE COUNT [STEPS] prints nanoseconds an operation."""

import statistics
import sys
import time
from collections import deque

import numpy

OUTSTANDING = 1000
PAUSE = 0.002
PAYLOAD = (64 << 20) // 8
CHUNK = 100


def nothing():
    pass


def same(number):
    return number


def renewed(numbers):
    return numbers + 1.0


def work(steps):
    from math import sin

    total = 0.0
    for step in range(steps):
        total += sin(step) / (step + 1)
    return total


class Futures:
    """`concurrent.futures` and loky, which has the same face."""

    def __init__(self, make):
        self.pool = make()
        self.submit = self.pool.submit

    def get(self, future):
        return future.result()

    def map(self, numbers):
        return list(self.pool.map(same, numbers, chunksize=CHUNK))

    def close(self):
        self.pool.shutdown()


class Multiprocessing:
    def __init__(self, workers):
        from multiprocessing import Pool

        self.pool = Pool(workers)

    def submit(self, function, *arguments):
        return self.pool.apply_async(function, arguments)

    def get(self, result):
        return result.get()

    def map(self, numbers):
        return self.pool.map(same, numbers, chunksize=CHUNK)

    def close(self):
        self.pool.terminate()
        self.pool.join()


class Joblib:
    """Has no single submits: a call is a batch of its own. With one worker it would use none."""

    def __init__(self, workers):
        from joblib import Parallel

        self.parallel = Parallel(n_jobs=max(2, workers), batch_size=1).__enter__()

    def submit(self, function, *arguments):
        from joblib import delayed

        return self.parallel([delayed(function)(*arguments)])

    def get(self, result):
        return result[0]

    def single(self, numbers):
        from joblib import delayed

        return self.parallel(delayed(same)(number) for number in numbers)

    def map(self, numbers):
        from joblib import Parallel, delayed

        parallel = Parallel(n_jobs=2, batch_size=CHUNK)
        return parallel(delayed(same)(number) for number in numbers)

    def close(self):
        self.parallel.__exit__(None, None, None)


def make(peer, workers):
    if peer == "concurrent.futures":
        from concurrent.futures import ProcessPoolExecutor

        return Futures(lambda: ProcessPoolExecutor(workers))
    if peer == "loky":
        import loky

        return Futures(lambda: loky.get_reusable_executor(max_workers=workers))
    if peer == "multiprocessing":
        return Multiprocessing(workers)
    if peer == "joblib":
        return Joblib(workers)
    sys.exit(f"no peer `{peer}`")


def rate(pool, count):
    if hasattr(pool, "single"):
        pool.single(range(count))
        return
    outstanding = deque()
    for number in range(count):
        if len(outstanding) == OUTSTANDING:
            pool.get(outstanding.popleft())
        outstanding.append(pool.submit(same, number))
    for task in outstanding:
        pool.get(task)


def main():
    peer, case, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    workers = 1 if case in ("trip", "trip-asleep", "payload") else 2
    clock = time.perf_counter_ns
    begun = clock()
    pool = make(peer, workers)
    if case == "first":
        pool.get(pool.submit(nothing))
        print(clock() - begun)
        pool.close()
        return
    for _ in range(workers * 20):
        pool.get(pool.submit(nothing))
    times = []
    if case in ("trip", "trip-asleep"):
        for _ in range(count):
            if case == "trip-asleep":
                time.sleep(PAUSE)
            begun = clock()
            pool.get(pool.submit(nothing))
            times.append(clock() - begun)
        print(statistics.median(times))
    elif case == "payload":
        numbers = numpy.ones(PAYLOAD)
        for _ in range(count):
            begun = clock()
            new = pool.get(pool.submit(renewed, numbers))
            times.append(clock() - begun)
            assert len(new) == PAYLOAD and new[-1] == 2.0
        print(statistics.median(times))
    else:
        begun = clock()
        if case == "rate":
            rate(pool, count)
        elif case == "map":
            assert list(pool.map(range(count))) == list(range(count))
        else:
            sys.exit(f"no case `{case}`")
        print((clock() - begun) / count)
    pool.close()


if __name__ == "__main__":
    main()
