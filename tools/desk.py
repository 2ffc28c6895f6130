"""The program that keeps the processes in which answers are marked, as tools/grade.py sees it: started with what walls the system has, and again if it ends."""
import json
import os
import subprocess
import sys
import tempfile
import threading

import psutil

from notebooks import ROOT

KEPT = ('PATH', 'LANG', 'LC_ALL', 'SYSTEMROOT', 'TEMP', 'TMP', 'TMPDIR', 'HOME', 'USERPROFILE', 'LOCALAPPDATA', 'APPDATA', 'XDG_CACHE_HOME',
        'DENOISE_AE_HOME', 'VIRTUAL_ENV')  # of the variables of the environment, in which secrets may stand
WALLS = {'with no network, and unable to see or end other programs': ['unshare', '-rnpf', '--mount-proc', '--kill-child'],
         'with no network': ['unshare', '-rn'],
         'with the network of this machine, since this system offers no easy way to take it off': []}


def walls():
    "What keeps the code of students from others, as far as the system has it: what it does, and the beginning of a command."
    for what, command in WALLS.items():
        try:
            if not command or subprocess.run([*command, sys.executable, '-c', ''], capture_output=True, timeout=60).returncode == 0:
                return what, command
        except (OSError, subprocess.TimeoutExpired):
            pass


def kill(process):
    "End a process with all that it has started."
    try:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
    except (psutil.Error, OSError):
        process.kill()


class Desk:
    "One process that keeps those in which answers are marked. It is started again whenever it has been ended."
    forks = sys.platform == 'linux'  # macOS can fork, too, and its own libraries break in what comes of it

    def __init__(self, course, command):
        self.course, self.command, self.process, self.closed, self.lock = course, command, None, False, threading.Lock()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115

    def start(self):
        threads = {name: '1' for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'TQDM_DISABLE', 'PYTHONUNBUFFERED')}
        env = {name: os.environ[name] for name in KEPT if name in os.environ} | threads | {
            'CUDA_VISIBLE_DEVICES': '', 'MPLBACKEND': 'Agg', 'OMP_WAIT_POLICY': 'PASSIVE', 'PYTHONIOENCODING': 'utf-8', 'PYTHONUTF8': '1'}
        with self.lock:
            if self.closed:
                raise RuntimeError('marking was stopped')
            self.process = subprocess.Popen([*self.command, sys.executable, str(ROOT / 'tools' / 'keeper.py')], env=env, cwd=self.course.path.parent,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, encoding='utf-8')
        said = self.ask({'setup': self.course.setup, 'forks': self.forks}, 600)
        if said != 'ready':
            self.log.seek(0)
            why = said['error'] if said else self.log.read().decode(errors='replace')
            raise ValueError(f'{self.course.path.name} cannot be set up here; run `make test` to see whether the course itself works:\n{why[-2000:]}')

    def ask(self, what, seconds):
        "The answer to a question, or None if the process has ended or does not answer in so many seconds."
        process = self.process
        if not process:  # closed meanwhile
            return None
        timer = threading.Timer(seconds, kill, [process])
        timer.start()
        try:
            print(json.dumps(what), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline() or 'null')
        except (OSError, ValueError):
            return None
        finally:
            timer.cancel()

    def run(self, jobs):
        "Mark the answers of one student."
        if not self.process:
            self.start()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            results = self.ask({'jobs': jobs, 'folder': folder}, sum(job['patience'] for job in jobs) + 400)
        if results is None:
            self.end()
            if self.closed:
                raise RuntimeError('marking was stopped')
            if len(jobs) > 1:  # one by one, so that only the one that did it suffers
                return [result for job in jobs for result in self.run([job])]
            results = [{'told': [], 'ended': 'ends the program that marks it', 'seconds': 0, 'work': 0}]
        return results

    def end(self):
        "End the process, until there is something to mark again."
        with self.lock:
            process, self.process = self.process, None
        if process:
            kill(process)
            process.communicate()

    def close(self):
        "End the process for good, even while another thread waits for its answer."
        with self.lock:
            self.closed = True
        self.end()
