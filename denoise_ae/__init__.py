"""The library of the course on denoising autoencoders. A module is loaded when one of its names is first used."""
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors, which look names up without running anything
    from denoise_ae.data import *
    from denoise_ae.noise import *
    from denoise_ae.autoencoder import *
    from denoise_ae.training import *
    from denoise_ae.latent import *
    from denoise_ae.evaluation import *
    from denoise_ae.convolution import *
    from denoise_ae.sampling import *
    from denoise_ae.widgets import *
    from denoise_ae.pictures import *
    from denoise_ae.runs import *
    from denoise_ae.export import *

__version__ = version('denoise_ae')
_lessons = ('data', 'noise', 'autoencoder', 'training', 'latent', 'evaluation', 'convolution', 'sampling', 'widgets', 'pictures', 'runs', 'export')


def __getattr__(name):
    if name == '__all__':  # what `from denoise_ae import *` asks for
        return [each for lesson in _lessons for each in import_module(f'denoise_ae.{lesson}').__all__]
    if name in _lessons:
        return import_module(f'denoise_ae.{name}')
    if not name.startswith('_'):
        for lesson in _lessons:
            module = import_module(f'denoise_ae.{lesson}')
            if name in module.__all__:
                return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__():
    return sorted({*globals(), *__getattr__('__all__')})
