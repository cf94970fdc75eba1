"""What can be wrong with a request to corrupt an image."""

from __future__ import annotations


class CorruptionError(ValueError):
    """Base of every error that the engine raises on purpose."""


class UnknownCorruptionError(CorruptionError):
    """No corruption or group has that name."""


class InvalidSeverityError(CorruptionError):
    """The severity is not an integer from 1 to 5."""


class InvalidImageError(CorruptionError):
    """The image is not a uint8 array of shape (H, W, 3) with sides of at least 32 pixels."""


class EngineUnavailableError(CorruptionError):
    """The library that makes the corruptions cannot be loaded on this machine."""
