"""What an exercise asks, in words: for slides and for paper."""
import re
from dataclasses import dataclass, field

from markup import blocks
from notebooks import source
from teaching import EXERCISE, RUN, folds, without_folds


@dataclass
class Task:
    "The paragraphs before the stub, those after it, and what is folded: the solution and what is said about it."
    before: list = field(default_factory=list)
    after: list = field(default_factory=list)
    solution: str = ''


def tasks(notebook):
    "For the heading of each exercise its task. A fold belongs to the exercise that is open where its cell begins."
    found, title, stub_seen = {}, None, False
    for cell in notebook['cells']:
        if cell['cell_type'] != 'markdown':
            stub_seen = True
            continue
        if title and folds(source(cell)) and not found[title].solution:  # later folds are the answers of the quiz
            found[title].solution = folds(source(cell))[0]
        for kind, block in blocks(without_folds(source(cell))):
            if kind == 'heading':
                asked, stub_seen = EXERCISE.match(block), False
                title = asked and asked[1].strip()
                if title:
                    found[title] = Task()
            elif title:
                (found[title].after if stub_seen else found[title].before).append(block)
    for task in found.values():
        task.after = [said for said in (re.sub(rf'^{RUN}[.:]\s*', '', block) for block in task.after) if said]
    return found
