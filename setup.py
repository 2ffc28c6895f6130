"Read the package's metadata and requirements from settings.ini, which alone states them."
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser()
config.read(here / 'settings.ini', encoding='utf-8')
facts = config['DEFAULT']


def lines(key):
    return [line for line in facts[key].splitlines() if line]


extras = ('widgets', 'classical', 'onnx', 'distributed')
setup(
    version=facts['version'],
    description=facts['description'],
    long_description=(here / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    keywords=facts['keywords'],
    author=facts['author'],
    license_expression=facts['license'],
    python_requires=f">={facts['min_python']}",
    classifiers=['Programming Language :: Python :: 3', 'Intended Audience :: Education',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    packages=[facts['name']],
    package_data={facts['name']: ['mnist/*', 'weights/*/*', 'results/*']},
    entry_points={'console_scripts': ['denoise-ae = denoise_ae.cli:main']},
    install_requires=lines('requirements'),
    extras_require={**{extra: lines(f'{extra}_requirements') for extra in extras + ('bm3d',)},
                    'dev': [line for extra in extras + ('dev',) for line in lines(f'{extra}_requirements')]},
)
