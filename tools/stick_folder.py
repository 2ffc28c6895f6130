"""The folder that becomes a stick: whether it is one of ours, and what in it somebody else has put there or changed."""
import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from wheels import sha256

MARK = '.stick'  # in a folder of ours, so that no other is touched
RECORD = '.made-here.json'  # in course/: the files as they were made, by which a change is seen
OF_SYSTEMS = 'System Volume Information', '$RECYCLE.BIN', 'lost+found'  # what Windows and Linux put onto a stick; macOS begins such names with a dot


def ours(path):
    "Whether a path in the folder has no part that a system puts there by itself, and none that is hidden."
    return not any(part.startswith('.') or part in OF_SYSTEMS for part in path.parts)


def files_in(folder):
    "The files in a folder by their names in it, without those of systems."
    found = {path.relative_to(folder): path for path in sorted(folder.rglob('*'))}
    return {name.as_posix(): path for name, path in found.items() if ours(name) and path.is_file()}


def check(course):
    "Raises a `ValueError` if the course on the stick has a file that was not made here or was changed since."
    record = json.loads((course / RECORD).read_text(encoding='utf-8')) if (course / RECORD).is_file() else {}
    for name, path in files_in(course).items():
        if record.get(name) != sha256(path):
            raise ValueError(f'{path} was not made here or was changed since, so nothing in {course} is touched: '
                             'move it to another place, or name another folder with --out')


def begin(out):
    "Mark the folder as a stick that is not complete: without its manifest, it says so itself."
    if out.exists() and any(ours(path.relative_to(out)) for path in out.iterdir()) and not (out / MARK).exists():
        raise ValueError(f'{out} exists and is no stick: name another folder with --out, or clear it')
    check(out / 'course')
    (out / 'wheels').mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()
    (out / 'manifest.json').unlink(missing_ok=True)
    for left in [*out.glob('part-*'), *out.glob('wheels/part-*')]:  # by a run that was ended
        shutil.rmtree(left)


@contextmanager
def new_course(out):
    "An empty folder to write the course into, which takes the place of the one on the stick once all is there."
    with TemporaryDirectory(dir=out, prefix='part-') as part:
        new, old = Path(part) / 'course', Path(part) / 'old'
        new.mkdir()
        yield new
        record = {name: sha256(path) for name, path in files_in(new).items()}
        (new / RECORD).write_text(json.dumps(record, indent=1), encoding='utf-8')
        check(out / 'course')  # making it took a while
        if (out / 'course').exists():
            (out / 'course').rename(old)
        new.rename(out / 'course')
