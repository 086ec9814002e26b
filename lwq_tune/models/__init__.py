"""CIFAR residual networks in float."""
