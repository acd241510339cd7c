"""The compiled modules; everything else is in pyproject.toml.

FALCON_S3_PURE=1 leaves them out on purpose. Otherwise a module that does not compile fails the build: a package
that is slow in silence is worse than none.
"""

import os

from setuptools import Extension, setup

MODULES = ("_listing_c", "_body_c", "_sign_c", "_wire_c", "_md5_c")
HEADERS = ["_speedups/md5_lanes.h", "_speedups/md5_queue.h"]


def extensions() -> list[Extension]:
    if os.environ.get("FALCON_S3_PURE") == "1":
        return []
    from Cython.Build import cythonize

    modules = [Extension(f"falcon_s3.{name}", [f"_speedups/{name}.pyx"], depends=HEADERS) for name in MODULES]
    return list(cythonize(modules, build_dir="build", compiler_directives={"language_level": 3}))


setup(ext_modules=extensions())
