"""Downloads from ModelScope, on loopback; its own client reads the same answers."""

import pytest
from hub_server import COMMIT, FakeHub
from test_hub_download import FILES, REPO, WANTED, contents, no_settings_of_this_machine  # noqa: F401

from styledial.errors import ModelError
from styledial.hub.download import download
from styledial.hub.listing import Place


@pytest.fixture
def hub():
    with FakeHub({REPO: dict(FILES)}) as hub:
        yield hub


def test_a_download_with_a_cut_and_a_wrong_byte(hub, tmp_path):
    hub.cut["model-00001-of-00002.safetensors"] = [50_000]
    hub.corrupt["model-00002-of-00002.safetensors"] = 1
    result = download(REPO, tmp_path, Place("modelscope", hub.url), pause=0.01)
    assert contents(tmp_path) == {name: FILES[name] for name in WANTED}
    assert result.files == len(WANTED)


def test_what_stands_in_the_way_is_said(hub, tmp_path):
    with pytest.raises(ModelError, match="MODELSCOPE_API_TOKEN"):
        download("owner/nothing", tmp_path, Place("modelscope", hub.url))
    hub.broken = 99
    with pytest.raises(ModelError, match=r"HTTP 503.*HF_ENDPOINT=https://hf-mirror.com"):
        download(REPO, tmp_path, Place("modelscope", hub.url))


def test_modelscopes_own_client_reads_the_same_listing(hub):
    api = pytest.importorskip("modelscope_hub._legacy_api", reason="needs pip install modelscope")
    client = api.LegacyClient(None, hub.url)
    entries = client.list_repo_files(REPO, "model")
    assert {entry["Path"]: entry["Size"] for entry in entries} == {
        n: len(d) for n, d in FILES.items()
    }
    assert {entry["Revision"] for entry in entries} == {COMMIT}
