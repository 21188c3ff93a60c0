"""Installs tfp_lgc; see BUILD.md."""

import pathlib
import re

import setuptools

_HERE = pathlib.Path(__file__).parent
_VERSION = re.search(r"^__version__ = '([^']+)'",
                     (_HERE / 'tfp_lgc/version.py').read_text(),
                     re.MULTILINE).group(1)
# For the site of docs/ and its notebooks.
_DOCS = [
    # Runs them.
    'ipykernel',
    'jupytext>=1.16',
    'latex2mathml',
    'mkdocs>=1.6,<2',
    'mkdocs-material',
    # With options that mkdocs.yml has.
    'mkdocstrings[python]>=0.29',
    'nbclient',
    'nbformat',
]
# For lgc-serve, and for the warm-up requests of a SavedModel.
_SERVING = [
    # The first whose middleware may read the body of a request.
    'fastapi>=0.110',
    'prometheus_client>=0.19',
    'tensorflow-serving-api>=2.18,<2.22',
    # The first that raises a signal again when it is done.
    'uvicorn>=0.29',
]

# For --dp_epsilon: what noise costs.
_PRIVACY = ['dp-accounting>=0.4.4,<0.7']

setuptools.setup(
    name='tfp_lgc',
    version=_VERSION,
    description='Latent Gaussian Compression of labelled image data sets with '
                'TensorFlow Probability',
    long_description=(_HERE / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.13',
    packages=setuptools.find_packages(include=['tfp_lgc', 'tfp_lgc.*']),
    package_data={'tfp_lgc': ['py.typed', 'templates/*.html']},
    install_requires=[
        'absl-py',
        # tensorflow-datasets needs it and does not name it.
        'importlib_resources',
        'jinja2',
        'kmedoids',
        'matplotlib',
        'numpy',
        'pillow',
        # The last that work on Python 3.10. Left to find them out, the pip of
        # that time tries other versions of everything else for minutes.
        'etils<1.14; python_version < "3.11"',
        'protobuf<=6.32; python_version < "3.11"',
        'scikit-learn',
        'scipy',
        # TensorFlow 2.21 no longer brings it; --tensorboard writes with it.
        'tensorboard',
        'tensorflow>=2.18,<2.22',
        'tensorflow-datasets',
        'tensorflow-probability[tf]>=0.25,<0.26',
        'tf_keras>=2.18,<2.22',
        'tqdm',
        'threadpoolctl',
    ],
    extras_require={
        'docs': _DOCS,
        # Not in `test`: it wants older versions of protobuf, pillow and
        # python-dateutil than the others get. The one that was tried.
        'beam': ['apache-beam>=2.77'],
        # What bin/benchmark --suite=throughput is measured beside. Of CPUs
        # alone: python3 -m pip install torch --index-url
        # https://download.pytorch.org/whl/cpu
        'bench': ['torch>=2.2'],
        'serving': _SERVING,
        'dp': _PRIVACY,
        'test': [*_SERVING, *_DOCS, *_PRIVACY, 'ai-edge-litert', 'mlcroissant',
                 'mypy', 'pytest', 'pytest-xdist', 'ruff'],
    },
    entry_points={
        'console_scripts': [
            'lgc-compress = tfp_lgc.commands.compress:main',
            'lgc-beam = tfp_lgc.commands.beam:main',
            'lgc-sample = tfp_lgc.commands.sample:main',
            'lgc-evaluate = tfp_lgc.commands.evaluate:main',
            'lgc-serve = tfp_lgc.commands.serve:main',
            'lgc-report = tfp_lgc.commands.report:main',
            'lgc-benchmark = tfp_lgc.commands.benchmark:main',
        ],
    },
)
