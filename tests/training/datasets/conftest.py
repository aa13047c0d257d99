import urllib.error
import urllib.request

import pytest


@pytest.fixture
def offline(monkeypatch):
    """No network, and no folder of manual files but the one that a test gives."""
    monkeypatch.delenv("SEQKERAS_MANUAL_DIR", raising=False)

    def no_network(*_, **__):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
