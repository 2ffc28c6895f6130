"""Make denoise_ae/web/kernel.js, the loops of the engine as WebAssembly, from denoise_ae/web/kernel.wat: python tools/kernel.py"""
import base64
import re
from itertools import groupby

from wasmtime import wat2wasm

from notebooks import ROOT

WEB = ROOT / 'denoise_ae' / 'web'


def repeated(text, mark, number):
    "The text so many times, with 0, 1, … in place of the mark."
    return '\n'.join(text.replace(mark, str(n)) for n in range(number))


def expanded(template, pixels):
    "The function for so many pixels at a time, as WebAssembly text."
    template = template.replace('@', str(pixels))
    blocks = ('\n'.join(lines) for _, lines in groupby(template.splitlines(), lambda line: '%' in line))
    text = '\n'.join(repeated(block, '%', 4) if '%' in block else block for block in blocks)
    text = '\n'.join(repeated(line, '#', pixels) if '#' in line else line for line in text.splitlines())
    return re.sub(r'\{(\d+)\*(\d+)\}', lambda product: str(int(product[1]) * int(product[2])), text)


def without_names(module):
    "The module without the names of its variables, which lie in sections of the kind 0 and would be most of it."
    kept, at = module[:8], 8
    while at < len(module):
        size, end = 0, at + 1
        while True:  # a number, seven bits in each byte
            size |= (module[end] & 127) << 7 * (end - at - 1)
            end += 1
            if module[end - 1] < 128:
                break
        if module[at]:
            kept += module[at:end + size]
        at = end + size
    return kept


def kernel():
    "The text of kernel.js."
    template = re.sub(r'^;;.*\n', '', (WEB / 'kernel.wat').read_text(encoding='utf-8'), flags=re.M)
    functions = '\n'.join(expanded(template, pixels) for pixels in (7, 1))
    module = without_names(bytes(wat2wasm(f'(module (import "engine" "memory" (memory 1))\n{functions})')))
    return ('// Made by tools/kernel.py from kernel.wat, which can be read.\n'
            f"(self.denoiseAE ??= {{}}).kernel = '{base64.b64encode(module).decode()}';\n")


if __name__ == '__main__':
    (WEB / 'kernel.js').write_text(kernel(), encoding='utf-8')
