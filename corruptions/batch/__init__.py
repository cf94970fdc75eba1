"""Our own engine on torch tensors, many images at once, on whatever device they are.

A module a family and a function a corruption, as in `corruptions.families`; each takes
images (uint8, (B, 3, H, W)), a severity and a seed an image, and returns new images of the
same shape on the same device.
"""
