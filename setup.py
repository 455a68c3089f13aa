"""Give the folder `pipelines` an import name that no other project installs; all else is in pyproject.toml."""

from setuptools import find_packages, setup

library = find_packages(include=["cascade", "cascade.*"])
commands = [f"cascade_{name}" for name in find_packages(include=["pipelines", "pipelines.*"])]

setup(packages=[*library, *commands], package_dir={"cascade_pipelines": "pipelines"})
