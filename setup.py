"Read the package's metadata and requirements from settings.ini, which alone states them."
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser()
config.read(here / 'settings.ini', encoding='utf-8')
facts = config['DEFAULT']
repository = 'https://github.com/denoise-ae/denoise_ae'


def readme():
    "With links that lead somewhere from PyPI's page, too."
    text = (here / 'README.md').read_text(encoding='utf-8')
    return text.replace('](README_files/', f']({repository}/raw/main/README_files/').replace('](nbs/', f']({repository}/blob/main/nbs/').replace(
        'src="nbs/', f'src="{repository}/raw/main/nbs/')


def lines(key):
    return [line for line in facts[key].splitlines() if line]


extras = ('widgets', 'classical', 'onnx', 'distributed', 'heic', 'tiff')
setup(
    version=facts['version'],
    description=facts['description'],
    long_description=readme(),
    long_description_content_type='text/markdown',
    keywords=facts['keywords'],
    author=facts['author'],
    license_expression=facts['license'],
    python_requires=f">={facts['min_python']}",
    classifiers=['Programming Language :: Python :: 3', 'Intended Audience :: Education',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence', 'Typing :: Typed'],
    packages=[facts['name']],
    package_data={facts['name']: ['*.pyi', '*.mplstyle', 'py.typed', 'mnist/*', 'photos/*', 'photos/*/*', 'weights/*/*', 'results/*', 'web/*']},
    entry_points={'console_scripts': ['denoise-ae = denoise_ae.cli:main']},
    install_requires=lines('requirements'),
    extras_require={**{extra: lines(f'{extra}_requirements') for extra in extras + ('bm3d',)},
                    'dev': [line for extra in extras + ('dev',) for line in lines(f'{extra}_requirements')]},
)
