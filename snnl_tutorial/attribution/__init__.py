"""What did the network look at? Every function runs the model in evaluation mode.

Images have the shape and the scale that the model takes. No weight is changed, and no
gradient of a weight is touched. (chapter 17)
"""

from snnl_tutorial.attribution.activation_maps import class_activation_map, grad_cam
from snnl_tutorial.attribution.components import PairedComponents, paired_components
from snnl_tutorial.attribution.dreams import dream, dream_objective

__all__ = [
    "PairedComponents",
    "class_activation_map",
    "dream",
    "dream_objective",
    "grad_cam",
    "paired_components",
]
