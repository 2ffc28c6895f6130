"""Keeps the processes in which answers are marked: one for each student, with limits of time and memory, ended with all that they have started.

It is started by tools/grade.py, without a network where the system allows it, reads jobs as lines of JSON and answers each with a line. Where
processes fork safely, the set-up of a lesson runs here once, and each exercise of each student gets a copy of it; elsewhere each student's process
sets the lesson up anew."""
import ctypes
import json
import multiprocessing
import os
import queue
import secrets
import signal
import sys
import threading
import time
import traceback
from multiprocessing import resource_tracker

import psutil
from tqdm import tqdm

import marking
from ending import LIMIT, end, everyone, excess, worked

SETTING_UP = 300  # seconds
GONE = ['gone']  # the process will tell nothing more
DEAD = 5  # seconds in which what a process has told before it died is heard
LOOP = 'a loop without end'
FILES = 200 * 1024 ** 2  # bytes in a file that it writes
REAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux: processes whose parent has died become children of this one, and can be ended


def limited():
    "Limits that the system holds for the process of an answer."
    try:
        import resource
    except ImportError:  # Windows has none: there the keeper looks at the memory by itself
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILES, FILES))
    if sys.platform == 'linux':  # what macOS counts here is not what is used
        most = psutil.Process().memory_info().vms + LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def child(pipe, token, jobs, setup, lesson, folder, private):
    for number in private:
        os.close(number)
    if hasattr(os, 'setsid'):
        os.setsid()
    os.chdir(folder)
    try:
        marking.run_child(pipe, token, jobs, setup, lesson, limited)
    finally:
        pipe.close()
        os._exit(0)  # without what an answer may have left to be done at the end


def how(code):
    "How a process has ended by itself."
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f'crashes Python ({name})'
    return f'ends the process in the middle of its check (exit code {code})'


class Ear(threading.Thread):
    "Listens to a process, in a thread since what an answer writes into the pipe may have a beginning and no end."
    def __init__(self, pipe, token):
        super().__init__(daemon=True)
        self.pipe, self.token, self.heard = pipe, token, queue.Queue(100)
        self.start()

    def run(self):
        while True:
            try:
                what = json.loads(self.pipe.recv_bytes(1_000_000))
            except (EOFError, OSError):
                self.heard.put(GONE)
                return
            except (ValueError, RecursionError):
                continue
            if isinstance(what, list) and what[:1] == [self.token]:  # or it is not from what marks
                self.heard.put(what[1:])

    def next(self):
        "What is told, or None if nothing is for a moment."
        try:
            return self.heard.get(timeout=.05)
        except queue.Empty:
            return None

    def close(self):
        for _ in range(100):  # on systems where a process can get away, it may hold the other end of the pipe
            if self.is_alive():
                self.next()
        self.pipe.close()


class Keeper:
    def __init__(self, setup, forks, private=()):
        self.setup, self.private, self.lesson = setup, private, None
        if forks:
            tqdm.monitor_interval = 0  # its first bar would start a thread that looks after bars, even where they are switched off
            self.lesson = marking.set_up(setup)
            forks = psutil.Process().num_threads() == 1  # a thread of a library would be missing in a copy, and be waited for without end
            self.lesson = self.lesson if forks else None
        self.forks = forks
        self.context = multiprocessing.get_context('fork' if forks else 'spawn')
        if not forks and os.name == 'posix':
            resource_tracker.ensure_running()  # a process that Python keeps beside those it spawns
        self.mine = {each.pid for each in psutil.Process().children()}

    def run(self, jobs, folder):
        """Mark the answers of one student. Returns for each what was told, how it ended if not by itself, and the seconds it took.

        What works is limited by the processor's seconds, however busy the machine is, and what waits by those of the clock."""
        results = []
        while len(results) < len(jobs):
            left = jobs[len(results):]
            results += self.some(left[:1] if self.forks else left, folder)
        return results

    def some(self, jobs, folder):
        "Mark answers in one process, as far as it comes. At least the first of them has a result."
        here, there = self.context.Pipe(duplex=False)
        token = secrets.token_hex(16)
        private = self.private if self.forks else ()
        process = self.context.Process(target=child, args=(there, token, jobs, self.setup, self.lesson, folder, private))
        before = psutil.Process().memory_info().rss if self.forks else 0
        process.start()
        there.close()
        ear = Ear(here, token)
        done, told, ready, why, spent, died = [], [], False, '', 0., 0.
        start = looked = time.monotonic()
        try:
            while True:
                what = ear.next()
                if what is None and not process.is_alive():  # and what it has started holds the other end of the pipe
                    died = died or time.monotonic()
                    what = GONE if time.monotonic() - died > DEAD else None
                if what == GONE:
                    process.join(5)
                    why = how(process.exitcode) if ready else 'cannot be marked: the set-up of the lesson fails'
                elif what == ['ready']:
                    start, ready = time.monotonic(), True
                    before, spent = before or psutil.Process(process.pid).memory_info().rss, worked(everyone(process))
                elif what and what[0] == 'end':
                    done.append({'told': told, 'ended': '', 'seconds': time.monotonic() - start, 'work': what[1]})
                    told, start, spent = [], time.monotonic(), worked(everyone(process))
                elif what and len(told) < 1000:
                    told.append(what)
                if why or len(done) == len(jobs):
                    break
                job, seconds = jobs[len(done)], time.monotonic() - start
                if seconds > (job['patience'] if ready else SETTING_UP):
                    idle = worked(everyone(process)) - spent < 1
                    why = f'is not done after {seconds:.0f} s, and was stopped: {"does it wait for something" if idle else LOOP}?'
                elif ready and time.monotonic() - looked > .1:
                    looked, others = time.monotonic(), everyone(process)
                    why = excess(others, before)
                    if not why and worked(others) - spent > job['limit']:
                        why = f'is not done after {job["limit"]:.0f} s, and was stopped: {LOOP}?'
            if why:
                done.append({'told': told, 'ended': why, 'seconds': time.monotonic() - start, 'work': worked(everyone(process)) - spent})
        finally:
            end(process, self.mine)
            ear.close()
        return done


def serve():
    "Read the set-up of a lesson and then jobs, one in each line, and answer each with a line."
    private = os.dup(1)
    os.dup2(2, 1)  # what the set-up prints is no answer
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(REAPER, 1, 0, 0, 0)
    with os.fdopen(private, 'w', encoding='utf-8') as out:
        def answer(what):
            print(json.dumps(what), file=out, flush=True)
        lines = iter(sys.stdin.readline, '')
        first = json.loads(next(lines))
        try:
            keeper = Keeper(first['setup'], first['forks'], (private,))
        except BaseException:
            answer({'error': traceback.format_exc()})
            return
        answer('ready')
        for line in lines:
            job = json.loads(line)
            answer(keeper.run(job['jobs'], job['folder']))


if __name__ == '__main__':
    serve()
