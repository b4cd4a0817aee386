"""Settings, URLs and serving of Keyway. `__version__` is the one version number of the product."""

__version__ = "0.2.0"
