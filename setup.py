"""The repository root is the package `foleystage`; its subpackages are found, not listed."""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildPackage(build_py):
    """The root's own modules are the package's, but for this file."""

    def find_package_modules(self, package, package_dir):
        modules = super().find_package_modules(package, package_dir)
        return [found for found in modules if found[:2] != ("foleystage", "setup")]


subpackages = find_packages(include=["cli", "core", "core.*", "nodes", "nodes.*"])
setup(
    packages=["foleystage", *(f"foleystage.{name}" for name in subpackages)],
    cmdclass={"build_py": BuildPackage},
)
