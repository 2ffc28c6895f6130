"""How one answer is marked, in a process that runs no other student's code: the check comes from the course, and what it finds goes to a parent.

An answer and its check run in one process of Python, which has no walls inside. What an answer changes around itself is put back after each call and
named, as far as it is of the kinds that `Guard` knows. Code that looks for its marker in frames, in memory or by `ctypes` will find it: that is for
the eye of a teacher."""
import ast
import builtins
import json
import os
import sys
import types

from guard import Guard

CHECK, ANSWER = '<check>', '<answer'
RAISES = 'AssertionError('


def statements_of(check):
    "The statements of a check at its top level, each with whether it asserts something; one that asserts in a loop or block is one."
    for node in ast.parse(check).body:
        asserts = not isinstance(node, ast.FunctionDef | ast.ClassDef) and any(
            isinstance(each, ast.Assert) or isinstance(each, ast.Raise) and each.exc and ast.unparse(each.exc).startswith(RAISES)
            for each in ast.walk(node))
        yield node, asserts


def gives(node):
    "The names that a statement would have bound."
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def words_of(error):
    "What an error says, if it can be asked; and whether it is the check that says it."
    frames, trace = [], error.__traceback__
    while trace:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    try:
        text = ''.join(sign if sign.isprintable() else '?' for sign in ' '.join(str(error).split())[:400])
    except BaseException:  # it is the student's, and may be anything
        text = ''
    if type(error) is AssertionError and frames and frames[-1][0] == CHECK:
        return text, True
    lines = [(name[len(ANSWER) + 1:-1], line) for name, line in frames if name.startswith(ANSWER)]
    place = f' ({lines[-1][0]}{", " if lines[-1][0] else ""}line {lines[-1][1]})' if lines else ''
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return f'calls exit(), which ends the program that uses it{place}', False
    if isinstance(error, MemoryError) or 'DefaultCPUAllocator' in text:
        return f'asks for more memory than there is{place}', False
    return f'{type(error).__name__}: {text}{place}', False


def mark(job, lesson, tell):
    """Run the check of one exercise on one answer. `tell(part, passed, text, by_check)` is called for each of its statements that fails or asserts
    something, and `tell('note', text)` for what the answer did besides."""
    space = dict(lesson)
    exec(compile(job['prefix'], '<prefix>', 'exec'), space)
    own, broken = {**space, '__name__': '__answer__'}, ''
    guard = Guard([lesson, space])
    for where, code in job['code']:
        kept = guard.look()
        try:
            exec(compile(code, f'{ANSWER} {where}>', 'exec'), own)
        except BaseException as error:
            broken = broken or words_of(error)[0]
        finally:
            guard.put_back(kept)
    answer = own.get(job['name'])
    if not callable(answer):
        tell(-1, False, broken or f'{job["name"]} is not a function', False)
        return
    if broken:
        tell(-1, False, broken, False)
    space[job['name']] = guard.around(answer)
    for number, (node, asserts) in enumerate(statements_of(job['check'])):
        try:
            exec(compile(ast.Module([node], []), CHECK, 'exec'), space)
        except BaseException as error:
            for name in gives(node) if not asserts else ():
                space.pop(name, None)  # or what the lesson calls so would be checked
            tell(number, False, *words_of(error))
        else:
            if asserts:
                tell(number, True, '', True)
        for text in guard.found[:5]:
            tell('note', text)
        guard.found = []
    tell('returned', guard.returned)


def run_child(pipe, token, jobs, setup, lesson, limit):
    "Mark answers one after the other, within limits once the lesson is set up. What is told bears a token, without which the parent does not listen."
    for number in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)

    def tell(*what):
        pipe.send_bytes(json.dumps([token, *what]).encode()[:100_000])
    lesson = set_up(setup) if lesson is None else lesson
    before = chance()
    limit()
    tell('ready')
    for job in jobs:
        set_chance(before)
        start = sum(os.times()[:4])  # of the processor: this process, and what it has waited for
        mark(job, lesson, tell)
        tell('end', sum(os.times()[:4]) - start)


def set_up(cells):
    "Run the cells of the lesson that its exercises need. Returns its names."
    lesson = types.ModuleType('__lesson__')
    sys.modules['__lesson__'] = lesson
    vars(lesson)['__builtins__'] = builtins
    for number, code in enumerate(cells):
        exec(compile(code, f'<set-up {number}>', 'exec'), vars(lesson))
    return vars(lesson)


def chance():
    "The state of the random numbers."
    import random
    numpy, torch = sys.modules.get('numpy'), sys.modules.get('torch')
    return random.getstate(), numpy and numpy.random.get_state(), torch and torch.get_rng_state()


def set_chance(state):
    "Put the random numbers back to where they were, so that no answer depends on those before it."
    import random
    random.setstate(state[0])
    if state[1]:
        sys.modules['numpy'].random.set_state(state[1])
    if state[2] is not None:
        sys.modules['torch'].set_rng_state(state[2])
