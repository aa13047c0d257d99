"""The data sets, one TFDS builder a file; each has a `load`, most `load(split, manual_dir=None, data_dir=None)`.

`checksums.tsv` holds size and SHA-256 of the official downloads; TFDS finds it beside the builders and refuses a
download that differs.
"""
