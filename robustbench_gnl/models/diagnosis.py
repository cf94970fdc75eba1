"""Diagnosis of checkpoints that do not fit a model: the likely cause, and advice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from robustbench_gnl.errors import option
from robustbench_gnl.models import matching
from robustbench_gnl.models.checkpoints import Checkpoint
from robustbench_gnl.text import counted

# Keys that give away where weights come from, and what can be done.
_ORIGINS = (
    (
        r"(^|/)(kernel|gamma|beta|moving_mean|moving_variance|depthwise_kernel)(:0)?$",
        "They look like weights of Keras or TensorFlow; convert them to PyTorch first.",
    ),
    (
        r"(^params[./])|([./](kernel|scale|embedding)$)",
        "They look like weights of JAX/Flax; convert them to PyTorch first.",
    ),
    (
        r"(^|\.)(backbone\.bottom_up|proposal_generator|roi_heads|rpn)\.",
        "They look like a detector of Detectron2 or torchvision, which is no classifier; give the "
        "weights of a classifier.",
    ),
    (
        r"_packed_params|\.zero_point$|activation_post_process|weight_fake_quant",
        "They look like a quantised model of PyTorch; build it with a function of your own "
        f"({option('model', 'FILE.py:FUNCTION')}), or take the checkpoint from before "
        f"quantisation.",
    ),
    (
        r"_(orig|mask)$",
        "They look pruned by torch.nn.utils.prune; call prune.remove on each module, save again.",
    ),
    (
        r"\.parametrizations\.|weight_[gv]$",
        "They look parametrised (weight or spectral norm); call "
        "torch.nn.utils.parametrize.remove_parametrizations and save again.",
    ),
    (
        r"\.lora_[AB]\.|\.lora_(up|down)\.",
        "They look like a LoRA adapter; merge it into the model and save that.",
    ),
    (
        r"(^|\.)(embeddings\.(cls_token|patch_embeddings)|encoder\.layer\.\d+\.attention\.attention"
        r"|embedder\.embedder|encoder\.stages\.\d+\.layers)",
        "They look like a model of Hugging Face transformers; build it with a function of your "
        f"own ({option('model', 'FILE.py:FUNCTION')}).",
    ),
    (
        r"^(encoder_q|queue|base_encoder|momentum_encoder|student|projector|prototypes)\b",
        "They look like self-supervised training, before there is a classifier; give the weights "
        "with a trained classifier.",
    ),
)
_MM_PARTS = {"backbone", "neck", "head", "data_preprocessor"}
# Share of the keys; only the wording of the advice depends on it.
_SAME_FAMILY = 0.5


@dataclass(frozen=True)
class Misfit:
    """A model, a checkpoint, and how they differ once the likely prefix is taken off."""

    model: nn.Module
    checkpoint: Checkpoint
    given: Mapping[str, Tensor]
    prefix: str
    missing: Sequence[str]
    unexpected: Sequence[str]
    misshapen: Sequence[str]


def classifier_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the classifiers in timm's configuration of the model."""
    cfg = getattr(model, "pretrained_cfg", None) or {}
    names = cfg.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def classifier_keys(model: nn.Module) -> set[str]:
    """The keys of those classifiers."""
    return {f"{name}.{leaf}" for name in classifier_names(model) for leaf in ("weight", "bias")}


def likely_prefix(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """The most frequent prefix of the model's keys."""
    n_plain = sum(key in given for key in wanted)
    for prefix in matching.prefixes(wanted, given)[:1]:
        if sum(prefix + key in given for key in wanted) > n_plain:
            return prefix
    return ""


def explain(misfit: Misfit) -> str:
    """The likeliest cause, and what to do about it."""
    causes = (_classes, _channels, _origin, _head, _parts, _name)
    return next(message for message in (cause(misfit) for cause in causes) if message)


def _classes(misfit: Misfit) -> str:
    if misfit.missing or misfit.unexpected or not misfit.misshapen:
        return ""
    if not classifier_keys(misfit.model).issuperset(misfit.misshapen):
        return ""
    key = misfit.misshapen[0]
    given, wanted = misfit.given[key], misfit.model.state_dict()[key]
    if given.ndim != wanted.ndim or not given.ndim:
        return ""
    n_given, n_wanted = given.shape[0], wanted.shape[0]
    return (
        f"The checkpoint has {n_given} classes and the model {n_wanted}; "
        "give the checkpoint's number, or another checkpoint."
    )


def _head(misfit: Misfit) -> str:
    classifier = classifier_keys(misfit.model)
    missing = [key for key in misfit.missing if key.rpartition(".")[2] != "num_batches_tracked"]
    if not missing or misfit.misshapen or not classifier.issuperset(missing):
        return ""
    message = (
        f"Everything fits but the classifier, which is missing ({', '.join(missing)}): these are "
        "the weights of a feature extractor."
    )
    others = [key for key in misfit.unexpected if misfit.given[key].ndim == 2]
    if others:
        return (
            f"{message} A classifier of its own may be {others[-1]!r}: build the model with a "
            f"function of your own ({option('model', 'FILE.py:FUNCTION')})."
        )
    return f"{message} Give the checkpoint that has the classifier."


def _channels(misfit: Misfit) -> str:
    cfg = getattr(misfit.model, "pretrained_cfg", None) or {}
    first = cfg.get("first_conv") or ()
    wanted = misfit.model.state_dict()
    for name in (first,) if isinstance(first, str) else first:
        key = f"{name}.weight"
        if key in misfit.misshapen and misfit.given[key].ndim == wanted[key].ndim == 4:
            n_given, n_wanted = misfit.given[key].shape[1], wanted[key].shape[1]
            if n_given != n_wanted and misfit.given[key].shape[0] == wanted[key].shape[0]:
                return (
                    f"Its first convolution takes images of "
                    f"{counted(n_given, 'channel')}, and the benchmark's have "
                    f"{n_wanted}; such a model can be evaluated behind a function of your own "
                    f"({option('model', 'FILE.py:FUNCTION')}) that converts them."
                )
    return ""


def _origin(misfit: Misfit) -> str:
    for pattern, message in _ORIGINS:
        if any(re.search(pattern, key) for key in misfit.unexpected):
            return message
    return ""


def _parts(misfit: Misfit) -> str:
    parts = {key.partition(".")[0] for key in misfit.checkpoint.state_dict}
    if not {"backbone", "head"} <= parts <= _MM_PARTS or not misfit.missing:
        return ""
    return (
        "They look like a classifier of MMPretrain or OpenMMLab, with backbone and head apart; "
        f"build it with a function of your own ({option('model', 'FILE.py:FUNCTION')})."
    )


def _name(misfit: Misfit) -> str:
    cfg = getattr(misfit.model, "pretrained_cfg", None) or {}
    expected = cfg.get("architecture") or type(misfit.model).__name__
    arch = misfit.checkpoint.arch
    if arch is not None and arch.partition(".")[0] != expected:
        return f"The checkpoint says it is {arch}, not {expected}; name that model."
    wanted = misfit.model.state_dict()
    n_named = len(wanted) - len(misfit.missing)
    if not misfit.missing and not misfit.unexpected:
        message = "All keys fit and some shapes do not: it is of the same family, at another size."
    elif n_named >= _SAME_FAMILY * len(wanted):
        message = (
            f"{n_named} of the {len(wanted)} keys fit: it is of the same family, in another "
            "variant, or was changed."
        )
    else:
        prefix = _common_part(misfit.checkpoint.state_dict)
        begin = f"All keys begin with {prefix!r}, and what follows does not fit. " if prefix else ""
        return f"{begin}It is probably not {expected}: name the model that was trained."
    return f"{message} Name the model that was trained instead of {expected}."


def _common_part(given: Mapping[str, Tensor]) -> str:
    """The first part of the keys, where all have the same."""
    parts = {key.partition(".")[0] + "." for key in given}
    (common, *others) = parts
    return common if not others and all(key.startswith(common) for key in given) else ""
