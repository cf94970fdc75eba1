"""Creating models by name and loading their weights.

Importing this package registers the fifteen GroupNL networks with timm.
"""

from robustbench_gnl.models.catalogue import list_models
from robustbench_gnl.models.checkpoint_files import find_checkpoint
from robustbench_gnl.models.checkpoints import Checkpoint, read_checkpoint
from robustbench_gnl.models.convert import exchange_convolutions
from robustbench_gnl.models.demo import load_demo_model
from robustbench_gnl.models.fitting import load_into
from robustbench_gnl.models.groupnl import GroupNLConv2d
from robustbench_gnl.models.loading import create_model, load_model
from robustbench_gnl.models.networks import NAMES
from robustbench_gnl.modules import LoadedModel

__all__ = [
    "NAMES",
    "Checkpoint",
    "GroupNLConv2d",
    "LoadedModel",
    "create_model",
    "exchange_convolutions",
    "find_checkpoint",
    "list_models",
    "load_demo_model",
    "load_into",
    "load_model",
    "read_checkpoint",
]
