"""ssen_ros: the live map of an RGB-D SLAM stack, turned into labelled, identified objects."""

from pkgutil import extend_path

# Lets a source checkout that comes first on sys.path find the *built* ssen_ros.msg.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
