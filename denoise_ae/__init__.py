"""The library of the course on denoising autoencoders. A module is loaded when one of its names is first used."""
from importlib.metadata import version

import lazy_loader

__version__ = version('denoise_ae')
# The public names and the modules they come from stand in __init__.pyi, which type checkers and editors read, too.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
