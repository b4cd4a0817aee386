"""Settings, URLs and serving. `__version__` is the product's only version number."""

__version__ = "0.2.0"
