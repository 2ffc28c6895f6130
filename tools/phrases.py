"""Pieces of a lesson's prose on a slide: questions, what they are about, what leads to something."""
import re

from layout import question_size
from markup import as_html, inline, readable

QUESTION = re.compile(r'^Guess(:|,| how| what| which| where| whether| who| when)\b.*[.?]$|\?[*)”"]*$', re.S)


def address(link):
    "Where a link of a lesson leads from a slide: to another deck, to another host, or nowhere."
    lesson = re.fullmatch(r'(\d\d_\w+)\.ipynb(?:#.*)?', link)
    return f'{lesson[1]}.html' if lesson else link if link.startswith('http') else None


def spoken(markdown):
    return as_html(markdown, address)


def shown(markdown):
    return inline(markdown, address)


def above(markdown, most=260):
    "A sentence in grey above what it leads to, if it is not too long for that."
    return f'<p class="lead">{shown(markdown)}</p>' if markdown and len(readable(markdown)) < most else ''


def asking(question):
    return f'<p class="question" style="--size: {question_size(readable(question))}px" data-floor="28">{shown(question)}</p>'


def context(question, before, earlier):
    "What a question is about: the sentence before it, or two if they are short; for a short one, which begins its paragraph, the last one said."
    if not before:
        return earlier if len(readable(question)) < 45 else ''
    taken = ' '.join(before[-2:] if len(readable(question)) < 60 and len(readable(before[-1])) < 90 else before[-1:])
    return taken if len(readable(taken)) < 300 else ''
