"""Which packages a wheel holds; all else is in pyproject.toml, which can't say this.

The presets live once, in configs/; an installed package carries them as styledial/presets.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["styledial", "styledial.*"]), "styledial.presets"],
    package_dir={"styledial.presets": "configs"},
)
