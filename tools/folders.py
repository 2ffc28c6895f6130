"""A folder that is made anew each time, and never at the price of what somebody else has put into it or changed in it."""
import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager
from itertools import count
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
    record = {}
    if (folder / RECORD).is_file():
        try:
            record = json.loads((folder / RECORD).read_text(encoding='utf-8'))
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ValueError(f'{folder / RECORD} is damaged, and without it nobody knows what in {folder} was made here, so nothing in it is touched: '
                             'move the folder to another place, or name another one with --out')
    for path in files(folder) if folder.is_dir() else [folder]:
        if record.get(path.relative_to(folder).as_posix()) != fingerprint(path):
            raise ValueError(f'{path} was not made here or was changed since, so nothing in {folder} is touched: '
                             'move it to another place, or name another folder with --out')


@contextmanager
def replaced(folder):
    """An empty folder to write into, which takes the place of `folder` at the end if all went well. It is given a record by which it is known again.

    Where it cannot take its place, what was made is kept beside it."""
    check(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f'{folder.name}-') as beside:
        new, old = Path(beside) / 'new', Path(beside) / 'old'
        new.mkdir()
        yield new
        record = {path.relative_to(new).as_posix(): fingerprint(path) for path in files(new)}
        (new / RECORD).write_text(json.dumps(record, indent=1), encoding='utf-8')
        try:
            check(folder)  # making it took a while
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        except (ValueError, OSError) as error:
            free = next(path for number in count(2) if not (path := folder.with_name(f'{folder.name}-{number}')).exists())
            new.rename(free)
            why = f'{folder} could not be replaced ({error}): close what has one of its files open' if isinstance(error, OSError) else error
            raise ValueError(f'{why}. What was made now is in {free}') from error
        finally:
            if old.exists() and not folder.exists():
                old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
