"""Where a data set's files come from, the user's folder or their official addresses, and what is said if not."""

import os
import urllib.request

import tensorflow_datasets as tfds

from training import Stop


class DamagedFile(ValueError):
    """A file can be read and is not what the official one is; the message says in what."""


def manual_files(dl_manager, paths):
    """The files of a data set in the user's folder.

    Args:
        dl_manager: what TFDS hands to `_split_generators`.
        paths: paths inside the manual folder, like "imdb/aclImdb_v1.tar.gz".

    Returns:
        A dict from each path to the file, or None where there is no manual folder or it lacks one of them.
    """
    try:
        folder = dl_manager.manual_dir
    except AssertionError:  # What TFDS raises where there is no manual folder.
        return None
    files = {path: folder / path for path in paths}
    return files if all(file.exists() for file in files.values()) else None


def prepare(builder, title, addresses, what_to_do, manual_dir=None, damages=()):
    """Prepares a TFDS builder's data unless that is done already.

    Args:
        builder: a `tfds.core.DatasetBuilder`.
        title: what is prepared, for the message that says so.
        addresses: dict from a path inside the manual folder to its official address, one item a file.
        what_to_do: the sentence that ends each error.
        manual_dir: a folder with these files, by default what the environment variable SEQKERAS_MANUAL_DIR says. With
            one, the network is never touched; without, the files are downloaded.
        damages: types of the errors that the builder raises for a file that is not what it should be; `DamagedFile` and
            a download with another checksum are such in any case.

    Raises:
        Stop: A file is missing, damaged or out of reach.
    """
    if builder.data_path.exists():
        return
    manual_dir = manual_dir or os.environ.get("SEQKERAS_MANUAL_DIR")
    if manual_dir:
        manual_dir = os.path.expanduser(manual_dir)
        sources = [os.path.join(manual_dir, path) for path in addresses]
        missing = [file for file in sources if not os.path.isfile(file)]
        if missing:
            raise Stop(f"There is no file {missing[0]}. {what_to_do}")
    else:
        sources = list(addresses.values())
    more = len(sources) - 1
    source = sources[0] + (f" and {more} file{'s' if more > 1 else ''} beside it" if more else "")
    print(f"Preparing {title} from {source} in {builder.data_path} (once)", flush=True)
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        if not manual_dir:
            # TFDS would try a dead line again and again for many minutes; this asks once.
            urllib.request.urlopen(urllib.request.Request(sources[0], method="HEAD"), timeout=30).close()
        builder.download_and_prepare(download_config=config)
    except (*damages, DamagedFile, tfds.download.download_manager.NonMatchingChecksumError) as error:
        which = f"The archive {source}" if len(sources) == 1 else f"A file of {source}"
        raise Stop(f"{which} is damaged ({error}). {what_to_do}") from None
    except (OSError, tfds.download.DownloadError) as error:
        what = f"read {source} or write {builder.data_path}" if manual_dir else f"download {source}"
        raise Stop(f"Could not {what} ({error}). {what_to_do}") from None
