"""The repository root is the package `foleystage`; its subpackages are found, not listed."""

from setuptools import find_packages, setup

subpackages = find_packages(include=["core", "core.*", "nodes", "nodes.*"])
setup(packages=["foleystage", *(f"foleystage.{name}" for name in subpackages)])
