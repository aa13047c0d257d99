"""TFDS's own checks of a builder, on small files that the test writes."""

import pathlib

import pytest
import tensorflow_datasets as tfds


class SmallFiles(tfds.testing.DatasetBuilderTestCase):
    """A test case of TFDS: registration, features, that splits do not overlap, that downloads' checksums are known.

    A subclass has DATASET_CLASS, SPLITS and DL_DOWNLOAD_RESULT, and:

        PATCHES: (object, attribute, value) of what is as large as the real files.
        write: writes the small ones into a folder.
    """

    PATCHES = ()

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tfds.testing.test_utils.make_tmp_dir()
        cls.write(pathlib.Path(cls.EXAMPLE_DIR))
        cls.patch = pytest.MonkeyPatch()
        for patch in cls.PATCHES:
            cls.patch.setattr(*patch)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.patch.undo()
        tfds.testing.test_utils.rm_tmp_dir(cls.EXAMPLE_DIR)
