"""A folder that is made anew each time, and never at the price of what somebody else has put into it or changed in it."""
import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

RECORD = '.made-here.json'


def files(folder):
    "What is in a folder, but for its record and for what Jupyter keeps beside a notebook that was opened."
    return [path for path in sorted(folder.rglob('*')) if path.is_file() and path.name != RECORD and '.ipynb_checkpoints' not in path.parts]


def fingerprint(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(folder):
    "Raises a `ValueError` if a folder holds anything that was not made here, or was changed since."
    if not folder.exists():
        return
    record = json.loads((folder / RECORD).read_text(encoding='utf-8')) if (folder / RECORD).is_file() else {}
    for path in files(folder) if folder.is_dir() else [folder]:
        if record.get(path.relative_to(folder).as_posix()) != fingerprint(path):
            raise ValueError(f'{path} was not made here or was changed since, so nothing in {folder} is touched: '
                             'move it to another place, or name another folder with --out')


@contextmanager
def replaced(folder):
    "An empty folder to write into, which takes the place of `folder` at the end if all went well. It is given a record by which it is known again."
    check(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f'{folder.name}-') as beside:
        new, old = Path(beside) / 'new', Path(beside) / 'old'
        new.mkdir()
        yield new
        record = {path.relative_to(new).as_posix(): fingerprint(path) for path in files(new)}
        (new / RECORD).write_text(json.dumps(record, indent=1), encoding='utf-8')
        check(folder)  # making it took a while
        try:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        except OSError as error:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise ValueError(f'{folder} could not be replaced ({error}): close what has one of its files open, and try again') from error
        shutil.rmtree(old, ignore_errors=True)
