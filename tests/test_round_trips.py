"""Assignments go out and come back through nbgrader and otter-grader. Optional: the programs of their environments must be on the PATH."""
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import classroom
import pytest
from conftest import LESSONS
from copies import filled
from notebooks import read, source
from teaching import exercises, notes

LESSON = next(path for path in LESSONS if path.stem == '01_noise')
EXERCISES = list(exercises(read(LESSON)))
pytestmark = pytest.mark.round_trip


@pytest.fixture
def start_with(tmp_path, monkeypatch):
    "A function that lets whatever starts a kernel of Python start this one."
    def choose(python):
        spec = {'argv': [str(python), '-m', 'ipykernel_launcher', '-f', '{connection_file}'], 'display_name': 'python3', 'language': 'python'}
        folder = tmp_path / 'jupyter' / 'kernels' / 'python3'
        folder.mkdir(parents=True)
        (folder / 'kernel.json').write_text(json.dumps(spec), encoding='utf-8')
        monkeypatch.setenv('JUPYTER_PATH', str(tmp_path / 'jupyter'))
    return choose


def needs(name):
    return pytest.mark.skipif(not shutil.which(name), reason=f'{name} is not on the PATH: it is tried in an environment of its own')


def called(*command, cwd):
    run = subprocess.run([str(each) for each in command], cwd=cwd, capture_output=True, text=True, env=os.environ)
    print(f'$ {" ".join(map(str, command))}\n{run.stdout}{run.stderr}')  # -s shows it
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    return run.stdout + run.stderr


def students():
    "Who hands in what, and for which exercises there should be a point."
    told = notes(LESSON.stem)
    solutions, wrong = [each.solution for each in EXERCISES], [told[each.title].wrong[0]['code'] for each in EXERCISES]
    return {'all': (solutions, [1, 1, 1, 1]), 'none': ([None] * 4, [0, 0, 0, 0]), 'wrong': (wrong, [0, 0, 0, 0]),
            'half': ([solutions[0], wrong[1], solutions[2], None], [1, 0, 1, 0])}


@needs('nbgrader')
def test_nbgrader(tmp_path, start_with):
    "Its environment has nothing of the course in it: the notebooks run in the course's own."
    start_with(sys.executable)
    classroom.write_assignments(tmp_path / 'kit', [LESSON])
    course, name = tmp_path / 'kit' / 'nbgrader', LESSON.stem
    called('nbgrader', 'generate_assignment', name, '--create', cwd=course)
    released = read(course / 'release' / name / f'{name}.ipynb')
    codes = [source(cell) for cell in released['cells']]
    for exercise in EXERCISES:
        assert exercise.stub in codes and exercise.check in codes and not any(exercise.solution.strip() in code for code in codes)
    for student, (answers, _) in students().items():
        place = course / 'submitted' / student / name / f'{name}.ipynb'
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(filled(released, answers, EXERCISES)), encoding='utf-8')
    called('nbgrader', 'autograde', name, '--create', cwd=course)
    called('nbgrader', 'export', '--to', 'grades.csv', cwd=course)
    called('nbgrader', 'generate_feedback', name, cwd=course)
    with open(course / 'grades.csv', encoding='utf-8') as file:
        grades = {row['student_id']: float(row['score']) for row in csv.DictReader(file)}
    print(grades)
    assert grades == {student: sum(points) for student, (_, points) in students().items()}
    page = (course / 'feedback' / 'wrong' / name / f'{name}.html').read_text(encoding='utf-8')
    for title in (exercise.title for exercise in EXERCISES):
        assert notes(name)[title].wrong[0]['fails'] in page, 'a student reads why'


@needs('otter')
def test_otter(tmp_path, start_with):
    "Its environment must see the course's packages too, because the checks run inside the student's notebook, by otter itself."
    start_with(Path(shutil.which('otter')).parent / 'python')
    classroom.write_assignments(tmp_path / 'kit', [LESSON])
    folder, name = tmp_path / 'kit' / 'otter', LESSON.stem
    called('otter', 'assign', f'{name}.ipynb', 'dist', cwd=folder)
    student = folder / 'dist' / 'student' / f'{name}.ipynb'
    codes = [source(cell) for cell in read(student)['cells']]
    for exercise in EXERCISES:
        assert exercise.stub.strip() in [code.strip() for code in codes]
        assert not any(exercise.solution.strip() in code for code in codes)
    (package,) = (folder / 'dist' / 'autograder').glob('*.zip')
    for who, (answers, points) in students().items():
        place = folder / f'{who}.ipynb'
        place.write_text(json.dumps(filled(read(student), answers, EXERCISES)), encoding='utf-8')
        (folder / who).mkdir()
        called('otter', 'run', '-a', package, place, '-o', folder / who, cwd=folder)
        results = json.loads((folder / who / 'results.json').read_text(encoding='utf-8'))
        scores = {each['name'].split(' ')[0]: each['score'] for each in results['tests'] if each['name'].startswith('exercise')}
        print(who, scores)
        assert list(scores.values()) == points, results
        if who == 'wrong':
            for title in (exercise.title for exercise in EXERCISES):
                assert notes(name)[title].wrong[0]['fails'] in json.dumps(results, ensure_ascii=False), 'a student reads why'
