"""The rule by which a lesson becomes slides: each heading begins a column, a question gets a slide of its own, and so does each figure,
table, result, formula, list, exercise and question of the quiz. The prose is what is said, in the notes. Solutions, answers and checks are
left out."""
import html
import re
from dataclasses import dataclass, field

from cells import slides_of
from layout import code_block, split_list, split_text, taken
from markup import blocks, coloured, items, sentences
from notebooks import read, source
from phrases import QUESTION, above, asking, context, shown, spoken
from tasks import tasks
from teaching import EXERCISES, QUIZ, exercises, misconceptions, notes, when_lost, without_folds

KEY = re.compile(r'\*\*(.{40,}[.])\*\*', re.S)  # whole sentences in bold


@dataclass
class Slide:
    "One slide: its kind (a class in slides.css), what stands above it, what is on it, what is said."
    kind: str
    where: str
    body: str
    notes: list = field(default_factory=list)
    number: int = 0


class Deck:
    "Takes the cells of a lesson in their order and makes its columns of slides."
    def __init__(self, path, for_teachers=False):
        notebook = read(path)
        self.lost, self.believed = (when_lost(path.stem), misconceptions(path.stem)) if for_teachers else ('', [])
        self.columns, self.title, self.section, self.subsection = [], '', '', ''
        self.lead = ''  # the last sentence, or question, before what comes next
        self.last = ''  # the last sentence of the paragraph before
        self.ahead = []  # what is to be said with the next slide
        self.opening = None  # the slide of a heading, as long as nothing has come after it
        self.proof = self.exercise = False  # are we inside one?
        self.stubs, self.tasks = {each.title: each.stub.strip('\n') for each in exercises(notebook)}, tasks(notebook)
        self.minutes = {title: each.minutes for title, each in notes(path.stem).items()}
        for cell in notebook['cells']:
            if cell['cell_type'] == 'markdown':
                self.text(without_folds(source(cell)))
            elif cell['cell_type'] == 'code' and not self.exercise:
                self.code(cell)
        for number, slide in enumerate(self.slides(), 1):
            slide.number = number

    def slides(self):
        return [slide for column in self.columns for slide in column]

    @property
    def here(self):
        "The slide that was made last."
        return self.columns[-1][-1]

    def add(self, kind, body, *, told=(), column=False):
        "A slide at the end of the last column, or of a new one, and what is said with it."
        if column:
            self.columns.append([])
        where = ' › '.join(filter(None, [self.section, self.subsection])) if kind not in ('section', 'title') else ''
        self.columns[-1].append(Slide(kind, where, body, [*self.ahead, *told]))
        self.ahead, self.lead = [], ''

    def say(self, markdown):
        "Put prose into the notes: of the next slide, where it ends in a colon, or of the last one."
        (self.ahead if markdown.endswith(':') else self.here.notes).append(spoken(markdown))

    def text(self, markdown):
        for kind, block in blocks(markdown):
            if kind == 'html_block':
                self.proof = '</details>' not in block if '<details>' in block else self.proof and '</details>' not in block
                if summary := re.search(r'<summary>(.*?)</summary>', block):
                    self.say(f'**{summary[1]}**')
            elif kind == 'heading':
                self.heading(block)
            elif self.proof:
                self.say(block)
            elif not self.exercise:
                getattr(self, kind, self.say)(block)
                self.opening = None

    def heading(self, block):
        level, title = len(block) - len(block.lstrip('#')), block.lstrip('# ').strip()
        self.last, self.exercise = '', title in self.tasks
        head = f'<h{level}>{shown(title)}</h{level}>'
        if level == 1:
            self.title = title
            self.add('title', head, told=[spoken(f'**When half the class is lost:** {self.lost}')] * bool(self.lost), column=True)
        elif self.exercise:
            self.subsection = ''
            self.task(title, head)
        else:
            self.section, self.subsection = (shown(title), '') if level == 2 else (self.section, shown(title))
            told = [spoken(f'**Often believed:** {text}') for heading, text in self.believed if heading == title]
            total = f'{len(self.tasks)} exercises, {sum(map(self.minutes.get, self.tasks))} minutes' if title == EXERCISES else ''
            self.add('section', head + above(total), told=told, column=level == 2)
            self.opening = None if total else self.here

    def task(self, title, head):
        "The slides of an exercise: heading, minutes, task and stub. What is asked after the check is for the notes."
        stub, told = self.stubs[title], self.tasks[title]
        pieces = split_text(told.before, stub.count('\n') + 1)
        for n, piece in enumerate(pieces):
            body = head + above(f'{self.minutes[title]} minutes') if n == 0 else ''
            body += f'<div class="task">{spoken(chr(10).join(f"{block}{chr(10)}" for block in piece))}</div>'
            body += code_block(coloured(stub), stub) if n == len(pieces) - 1 else ''
            self.add('exercise', body)
        self.here.notes += map(spoken, told.after)

    def blockquote(self, block):
        self.here.body += above(re.sub(r'^> ?', '', block, flags=re.M))

    def paragraph(self, block):
        if block.startswith('**After this lesson you can**'):
            self.add('goals', f'<p class="key" style="--size: 36px" data-floor="28">{shown(block)}</p>')
        elif block.startswith('**You need**'):
            self.here.body += above(block)
        elif not block.startswith('Next: ['):
            self.prose(sentences(block))

    def prose(self, pieces):
        "A paragraph. Its questions, and sentences that are bold as a whole, get slides; all of it is said."
        told, asked, before, self.lead = [], [], [], ''  # not said yet, not asked yet, what stood before
        if self.here.kind == 'formula' and re.match('where |with ', pieces[0]):  # what its letters mean
            self.here.body += f'<p>{shown(pieces[0])}</p>'
            self.say(pieces.pop(0))
        first = pieces[0] if pieces else ''
        for piece in [*pieces, '']:
            if QUESTION.search(piece):
                asked.append(piece)
                continue
            if asked:
                question = ' '.join(asked)
                about = context(question, before, self.last)
                first = '' if first in about else first
                body = (f'<p class="context">{shown(about)}</p>' if about else '') + asking(question)
                self.add('ask', body, told=[spoken(' '.join([*told, *asked]))])
                told, asked, before, self.lead = [], [], [], question
            if piece:
                told.append(piece)
                before.append(piece)
                self.lead = self.lead if piece == 'Guess first:' else f'{self.lead} {piece}'.strip() if len(piece) < 20 else piece
            if key := KEY.fullmatch(piece):
                self.add('statement', f'<p class="key" data-floor="28">{shown(key[1])}</p>', told=[spoken(' '.join(told))])
                told = []
        self.open_section(first)
        if told:
            self.say(' '.join(told))
        self.last = '' if self.lead.endswith(':') or QUESTION.search(self.lead) else self.lead

    def open_section(self, first):
        "The first sentence of a section stands under its heading, unless it leads to something or is asked."
        if self.opening and first and not QUESTION.search(first) and first[-1] != ':':
            self.opening.body += above(first, 220)

    def math_block(self, block):
        "A formula on a slide. A long one is cut at its wide spaces, a line for each part."
        lead, tex = '' if QUESTION.search(self.lead) else above(self.lead, 330), block.strip('$').strip()
        rows = re.split(r'\\q?quad', tex) if len(tex) > 110 else [tex]
        self.add('formula', lead + ''.join(f'<div class="display" data-floor="28">{spoken(f"$${row.strip()}$$")}</div>' for row in rows))

    def bullet_list(self, block):
        self.points(block, 'ul')

    def ordered_list(self, block):
        if self.section != QUIZ:
            return self.points(block, 'ol')
        self.here.body += above(f'{len(items(block))} questions')
        for number, question in enumerate(items(block), 1):
            self.add('ask', f'<p class="number">Question {number}</p>{asking(question)}')
        return None

    def points(self, block, tag):
        "A list, on one slide or several. One that comes right after a heading stands under it."
        lead, opening, start = '' if QUESTION.search(self.lead) else above(self.lead), self.opening, 1
        for some in split_list(items(block), taken(lead) + 80 * bool(opening)):
            body = f'{lead}<{tag}{f" start={start}" * (tag == "ol")}>' + ''.join(f'<li>{shown(item)}</li>' for item in some) + f'</{tag}>'
            lead, start = '', start + len(some)
            if opening:
                opening.kind, opening.body, opening = 'points', opening.body + body, None
            else:
                self.add('points', body)

    def fence(self, block):
        _, _, code = block.strip('`').partition('\n')
        self.add('code', self.led() + code_block(html.escape(code.rstrip('\n')), code.rstrip('\n')))

    def led(self):
        "What leads to a table, a result or code: a sentence that ends in a colon, or the question that it answers."
        return above(self.lead) if self.lead.endswith(':') or self.lead and QUESTION.search(self.lead) else ''

    def code(self, cell):
        found, for_notes = slides_of(cell, self.led(), self.lead.endswith(':'), shown)
        if not found and not for_notes and self.ahead and self.lead.endswith(':'):
            self.ahead.pop()  # it leads to nothing but a check
        for kind, body, told in found:
            self.add(kind, body, told=told)
        self.ahead += for_notes
