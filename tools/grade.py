"""Mark what students have handed in for a lesson: python tools/grade.py FOLDER --lesson 01 [--out FOLDER] [--anonymous] [--jobs N]

FOLDER holds a notebook or a Python file for each student, or a folder for each. The code in them RUNS on this machine, with limits of time and
memory, and without a network where the system allows it. That keeps mistakes from doing harm. It is no wall against someone who means harm: such code
can read and write what you can. So mark on a machine, or as a user, with nothing on it that matters. Marks are for learning: the solutions stand in
the lessons for everyone to read."""
import argparse
import os
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from class_page import write
from desk import Desk, walls
from folders import check, replaced
from marks import Course
from notebooks import ROOT
from submissions import submissions


def mark_all(course, found, jobs, command):
    "The marks of all students, in their order."
    desks, free, lock = [Desk(course, command) for _ in range(min(jobs, len(found)))], [], threading.Lock()
    free += desks

    def mark(submission):
        try:
            answers = course.answers(submission)
        except Exception as error:  # whatever it is, the others are marked
            submission.notes.append(f'cannot be taken apart: {type(error).__name__}: {error}')
            answers = [(None, []) for _ in course.tasks]
        with lock:
            desk = free.pop()
        try:
            results = iter(desk.run([task.job(answer.code) for task, (answer, _) in zip(course.tasks, answers) if answer]))
        finally:
            with lock:
                free.append(desk)
        return [course.judge(task, submission.student, next(results) if answer else None, told)
                for task, (answer, told) in zip(course.tasks, answers)]

    with ThreadPoolExecutor(len(desks)) as pool:
        try:
            print(f'{course.title}: measuring the solutions of the course')
            for started in [pool.submit(desk.start) for desk in desks]:
                started.result()
            course.measure(desks[0].run)
            tasks = {pool.submit(mark, each): number for number, each in enumerate(found)}
            for _ in tqdm(as_completed(tasks), total=len(tasks), desc='marking', unit=' students'):
                pass
            marks = [mark for task in sorted(tasks, key=tasks.get) for mark in task.result()]
            course.compare(marks, desks[0].run)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for desk in desks:
                desk.close()
    return marks


def pseudonyms(found):
    "A number for each student, in an order that says nothing about the name."
    order = random.SystemRandom().sample(range(1, len(found) + 1), len(found))
    return {each.student: f'student {number:02}' for each, number in zip(found, order)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='what was handed in')
    parser.add_argument('--lesson', required=True, help='its number, such as 01')
    parser.add_argument('--out', type=Path, help='where the pages go, by default _marks/LESSON')
    parser.add_argument('--anonymous', action='store_true', help='numbers for names; who is who stands in a file of its own')
    parser.add_argument('--jobs', type=int, default=min(4, os.cpu_count() or 1),
                        help='students that are marked at once, by default one for each core, at most 4')
    args = parser.parse_args()
    try:
        course = Course(args.lesson)
        out = (args.out or ROOT / '_marks' / course.path.stem).resolve()
        if not args.folder.is_dir():
            raise ValueError(f'{args.folder} is no folder: name the one that holds what was handed in')
        handed_in = args.folder.resolve()
        if out.is_relative_to(handed_in):
            raise ValueError(f'{out} is in {handed_in}, where its pages would count as handed in the next time: name a folder outside of it with --out')
        check(out)
        found = submissions(handed_in, {task.name: task.stub for task in course.tasks})
        if not found:
            raise ValueError(f'nothing was handed in: {args.folder} holds no file that is not hidden')
        what, command = walls()
        print(f'The code of {len(found)} students now runs on this machine, {what}. See --help for where to run it.')
        marks = mark_all(course, found, max(1, args.jobs), command)
        names = pseudonyms(found) if args.anonymous else {}
        with replaced(out) as folder:
            write(folder, course, found, marks, names, what)
    except SyntaxError as error:  # what students wrote is caught before
        sys.exit(f'lesson {args.lesson} itself holds code that is no Python, which makes its answers unmarkable: {error}: {error.text}')
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit('stopped; nothing was written')
    solved = sum(mark.solved for mark in marks)
    print(f'{len(found)} students, {len(course.tasks)} exercises, {solved} of {len(marks)} answers solve theirs. Open {out / "class.html"}')


if __name__ == '__main__':
    main()
