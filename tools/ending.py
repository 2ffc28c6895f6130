"""End a process with all that it has started, and see whether it takes too much."""
import os
import signal
import sys

import psutil

LIMIT = 2 * 1024 ** 3  # bytes that an answer may take beyond the set-up
MOST = 30  # processes and threads that it may start


def family(process):
    "What a process has started, and what these have."
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def end(process, mine):
    "End a process with all that it has started, also what has left its group or outlived its parent. `mine`: processes to leave alone."
    for _ in range(50):
        others = family(process) if process.is_alive() else []
        if hasattr(os, 'killpg'):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        process.kill()
        process.join(10)
        left = others + [each for each in psutil.Process().children(recursive=True)
                         if sys.platform == 'linux' and each.pid not in {process.pid, *mine}]
        for each in left:
            try:
                each.kill()
            except psutil.Error:
                pass
        psutil.wait_procs(left, timeout=1)
        if not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in left):
            return


def everyone(process):
    "A process and what it has started."
    try:
        return [psutil.Process(process.pid), *family(process)]
    except psutil.Error:
        return []


def worked(processes):
    "The seconds of a processor that they took, with those of what has ended since."
    total = 0.
    for each in processes:
        try:
            taken = each.cpu_times()
        except psutil.Error:
            continue
        total += sum(getattr(taken, name, 0.) for name in ('user', 'system', 'children_user', 'children_system'))
    return total


def excess(processes, before):
    "Why a process has to be ended now, with those it has started: it takes too much memory or has started too many others."
    try:
        taken = sum(each.memory_info().rss for each in processes) - before
        if taken > LIMIT:
            return f'takes more than {LIMIT / 1024 ** 3:.0f} GB of memory, and was ended'
        if len(processes) > MOST or processes and processes[0].num_threads() > MOST:
            return f'starts more than {MOST} processes, and was ended'
    except psutil.Error:
        pass
    return ''
