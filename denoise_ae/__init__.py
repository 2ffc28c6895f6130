from importlib.metadata import version

from denoise_ae.data import *
from denoise_ae.noise import *
from denoise_ae.autoencoder import *
from denoise_ae.training import *
from denoise_ae.latent import *
from denoise_ae.evaluation import *
from denoise_ae.convolution import *
from denoise_ae.export import *

__version__ = version('denoise_ae')
