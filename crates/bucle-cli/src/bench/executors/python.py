"""The chapter's benchmark in Python: run by `bucle bench executors` with
WORKERS TASKS TERMS WAIT, where 0 terms or a wait of 0 leave that part out."""

import asyncio
import json
import math
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


def cpu_bound_task(n):
    s = 0.0
    for i in range(n):
        s += math.sin(i) / (i + 1)
    return s


def io_bound_task(wait):
    time.sleep(wait)
    return 0.0


def timed(run):
    start = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - start


def in_pool(pool, workers, task, argument, tasks):
    def run():
        with pool(max_workers=workers) as executor:
            list(executor.map(task, [argument] * tasks))

    return timed(run)


async def sleeps(wait, tasks):
    await asyncio.gather(*(asyncio.sleep(wait) for _ in range(tasks)))


def loop_of_a_million():
    for i in range(1_000_000):
        _ = i * 2


def main():
    workers, tasks, terms = map(int, sys.argv[1:4])
    wait = float(sys.argv[4])
    times = {}
    if terms:
        times["cpu sequential"] = timed(lambda: [cpu_bound_task(terms) for _ in range(tasks)])
        times["cpu threads"] = in_pool(ThreadPoolExecutor, workers, cpu_bound_task, terms, tasks)
        times["cpu processes"] = in_pool(ProcessPoolExecutor, workers, cpu_bound_task, terms, tasks)
        times["loop of 1,000,000"] = timed(loop_of_a_million)
    if wait:
        times["io threads"] = in_pool(ThreadPoolExecutor, workers, io_bound_task, wait, tasks)
        times["io processes"] = in_pool(ProcessPoolExecutor, workers, io_bound_task, wait, tasks)
        times["io asyncio"] = timed(lambda: asyncio.run(sleeps(wait, tasks)))
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(json.dumps({
        "version": sys.version.split()[0],
        "implementation": sys.implementation.name,
        "gil": has_gil,
        "switch_interval": sys.getswitchinterval(),
        "start_method": multiprocessing.get_start_method(),
        "times": times,
    }))


if __name__ == "__main__":
    main()
