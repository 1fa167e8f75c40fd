"""Downloads through huggingface_hub's client from a hub on loopback that misbehaves."""

import random
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
from hub_server import FakeHub, sha256

from styledial.errors import ModelError, UserError
from styledial.hub.choose import needed
from styledial.hub.download import MIRROR, download, is_complete, place
from styledial.hub.listing import Listing, Place, RemoteFile

REPO = "owner/model"
_noise = random.Random(1).randbytes
FILES = {
    "config.json": b'{"model_type": "qwen2"}',
    "tokenizer.json": b"{}" * 100,
    "LICENSE": b"Apache",
    "README.md": b"not needed",
    "modeling_custom.py": b"raise SystemExit",
    "model.safetensors.index.json": b'{"weight_map": {}}',
    "model-00001-of-00002.safetensors": _noise(700_000),
    "model-00002-of-00002.safetensors": _noise(300_001),
    "consolidated.safetensors": _noise(20_000),
    "pytorch_model.bin": _noise(20_000),
    "original/consolidated.00.pth": _noise(20_000),
}
WANTED = {
    "config.json", "tokenizer.json", "LICENSE", "model.safetensors.index.json",
    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub():
    with FakeHub({REPO: dict(FILES)}) as hub:
        yield hub


def get(hub, folder, **more):
    return download(REPO, folder, Place("huggingface", hub.url), pause=0.01, **more)


def contents(folder):
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.startswith(".styledial")
    }


def test_only_the_needed_files_arrive_and_are_whole(hub, tmp_path):
    grown = []
    result = get(hub, tmp_path, progress=lambda *step: grown.append(step))
    assert contents(tmp_path) == {name: FILES[name] for name in WANTED}
    assert (result.files, result.fetched) == (len(WANTED), sum(len(FILES[n]) for n in WANTED))
    assert {(name, len(FILES[name]), len(FILES[name])) for name in WANTED} <= set(grown)
    assert is_complete(tmp_path)


def test_a_second_download_fetches_nothing(hub, tmp_path):
    get(hub, tmp_path)
    before = len(hub.asked("/resolve/"))
    assert get(hub, tmp_path).fetched == 0
    assert len(hub.asked("/resolve/")) == before


def test_weights_of_an_earlier_download_do_not_stay_beside_the_new_ones(hub, tmp_path):
    """A single file beside shards: the check read the shards, transformers the single file."""
    sharded = dict(hub.repositories[REPO])
    single = {k: v for k, v in sharded.items() if not k.startswith("model")}
    hub.repositories[REPO] = {**single, "model.safetensors": _noise(50_000)}
    get(hub, tmp_path)
    (tmp_path / "mine.safetensors").write_bytes(b"the user's own")
    hub.repositories[REPO] = sharded
    get(hub, tmp_path)
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "mine.safetensors",
    }


def test_shards_may_have_other_names_than_the_usual_ones():
    """They were "no config.json with safetensors"."""
    names = ("config.json", "model.safetensors.index.json", "weights-a.safetensors",
             "weights-b.safetensors", "consolidated.safetensors")  # fmt: skip
    listing = Listing("o/x", "r", [RemoteFile(name, 10, None, None) for name in names])
    assert {file.path for file in needed(listing)} == set(names[:4])


def test_a_cut_connection_is_continued_where_it_broke(hub, tmp_path):
    shard = "model-00001-of-00002.safetensors"
    hub.cut[shard] = [123_456, 100_000]
    get(hub, tmp_path)
    assert (tmp_path / shard).read_bytes() == FILES[shard]
    ranges = [headers.get("range") for _, _, headers in hub.asked(f"/cdn/{REPO}/{shard}")]
    assert ranges[0] is None
    assert [int(r.removeprefix("bytes=").rstrip("-")) > 0 for r in ranges[1:]] == [True, True]


def test_a_server_that_ignores_ranges_starts_the_file_again(hub, tmp_path):
    shard = "model-00001-of-00002.safetensors"
    hub.cut[shard], hub.ignore_ranges = [123_456], True
    get(hub, tmp_path)
    assert (tmp_path / shard).read_bytes() == FILES[shard]


def test_a_wrong_checksum_is_fetched_again_once_then_refused(hub, tmp_path):
    shard = "model-00002-of-00002.safetensors"
    hub.corrupt[shard] = 1
    get(hub, tmp_path / "once")
    assert (tmp_path / "once" / shard).read_bytes() == FILES[shard]
    hub.corrupt["config.json"] = 2
    with pytest.raises(
        ModelError, match=r"config\.json: was downloaded from .* twice with a wrong checksum"
    ):
        get(hub, tmp_path / "twice")
    assert not (tmp_path / "twice" / "config.json").exists()
    assert not is_complete(tmp_path / "twice")


def test_a_file_damaged_on_disk_is_fetched_again(hub, tmp_path):
    get(hub, tmp_path)
    (tmp_path / "config.json").write_bytes(b"{}")
    assert not is_complete(tmp_path)
    assert get(hub, tmp_path).fetched == len(FILES["config.json"])
    assert is_complete(tmp_path)


def test_a_gated_model_names_its_licence_page(hub, tmp_path):
    hub.gated[REPO] = "hf_good"
    with pytest.raises(ModelError, match=rf"https://huggingface\.co/{REPO}.*HF_TOKEN") as caught:
        get(hub, tmp_path)
    assert f"https://huggingface.co/{REPO}" in caught.value.zh
    with pytest.raises(ModelError, match="your token has no access yet"):
        download(REPO, tmp_path, Place("huggingface", hub.url, "hf_bad"))
    assert download(REPO, tmp_path, Place("huggingface", hub.url, "hf_good")).files == len(WANTED)


def test_a_redirect_to_another_host_gets_no_token(hub, tmp_path):
    download(REPO, tmp_path, Place("huggingface", hub.url, "hf_secret"))
    assert all(
        "hf_secret" in h.get("authorization", "") for _, _, h in hub.asked(f"/{REPO}/resolve/")
    )
    assert hub.asked("/cdn/")
    assert not any("authorization" in h for _, _, h in hub.asked("/cdn/"))


@pytest.mark.parametrize(
    ("repo", "revision", "says"),
    [
        ("owner/nothing", None, "has no such model, or it is private"),
        (REPO, "v9", "owner/model: has no branch, tag or commit v9"),
        ("nothing", None, "a model's name is OWNER/NAME"),
        ("../escape", None, "a model's name is OWNER/NAME"),
    ],
)
def test_names_that_do_not_exist(hub, tmp_path, repo, revision, says):
    with pytest.raises(ModelError, match=says):
        download(repo, tmp_path, Place("huggingface", hub.url), revision=revision)


def test_a_file_that_vanishes_between_listing_and_fetching(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "styledial.hub.huggingface.file_url",
        lambda place, listed, path: f"{hub.url}/{REPO}/resolve/main/gone-{path}",
    )
    with pytest.raises(ModelError, match="HTTP 404"):
        get(hub, tmp_path)


def test_a_hub_that_is_down_or_not_there(hub, tmp_path):
    hub.broken = 50
    with pytest.raises(ModelError, match=r"fails \(HTTP 503\).*HF_ENDPOINT=https://hf-mirror.com"):
        get(hub, tmp_path)
    with pytest.raises(ModelError, match=r"cannot be reached.*HF_ENDPOINT=https://hf-mirror.com"):
        download(REPO, tmp_path, Place("huggingface", "http://127.0.0.1:9"))


def test_a_disk_that_is_too_small(hub, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**6, 0, 900_000)
    monkeypatch.setattr("styledial.hub.home.shutil.disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"needs 1\.0 MB, the disk has 900\.0 kB free"):
        get(hub, tmp_path)
    assert not hub.asked("/resolve/")


@pytest.mark.slow  # cut connections: the others here
def test_killed_ten_times_and_resumed(hub, tmp_path):
    big = random.Random(2).randbytes(6_000_000)
    hub.repositories[REPO]["model-00001-of-00002.safetensors"] = big
    hub.pause = 0.004
    command = [
        sys.executable, "-c",
        "import sys; from pathlib import Path; from styledial.hub.download import download;"
        "from styledial.hub.listing import Place;"
        "print('go', flush=True);"
        "download(sys.argv[1], Path(sys.argv[2]), Place('huggingface', sys.argv[3]))",
        REPO, str(tmp_path / "model"), hub.url,
    ]  # fmt: skip

    def held() -> int:
        return sum(p.stat().st_size for p in (tmp_path / "model").rglob("*.safetensors*"))

    dice = random.Random(3)
    sizes = [0]
    for turn in range(10):
        run = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
        run.stdout.readline()
        before = len(hub.requests)
        deadline = time.monotonic() + 20
        while len(hub.requests) == before and time.monotonic() < deadline:
            assert run.poll() is None, "the download ended without a request"
            time.sleep(0.005)
        # Every other time once more has come: a busy machine may take longer than the pause.
        while turn % 2 and held() <= sizes[-1] and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.12))
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        sizes.append(held())
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0
    hub.pause = 0.0
    result = get(hub, tmp_path / "model")
    assert result.fetched <= result.size - sizes[-1]  # what was there is not fetched again
    assert {n: sha256(d) for n, d in contents(tmp_path / "model").items()} == {
        name: sha256(hub.repositories[REPO][name]) for name in WANTED
    }
    assert not (tmp_path / "model" / ".download").exists()


def test_the_hub_speaks_the_protocol_of_the_real_client(hub, tmp_path):
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        REPO,
        endpoint=hub.url,
        local_dir=tmp_path,
        token=False,
        allow_patterns=["*.json", "model-*"],
    )
    for name in ("config.json", "model-00001-of-00002.safetensors"):
        assert (Path(folder) / name).read_bytes() == FILES[name]


def test_pickles_only_where_there_is_nothing_else():
    def paths(*names):
        listed = Listing("a/b", "main", [RemoteFile(name, 10**8) for name in names])
        return [file.path for file in needed(listed)]

    assert paths("config.json", "pytorch_model.bin") == ["config.json", "pytorch_model.bin"]
    assert "model.safetensors" in paths("config.json", "pytorch_model.bin", "model.safetensors")
    assert "pytorch_model.bin" not in paths("config.json", "pytorch_model.bin", "model.safetensors")
    with pytest.raises(ModelError, match=r"large files: \.gguf"):
        paths("model-q4.gguf")


def test_endpoints_and_tokens(monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_mine")
    assert place().endpoint == "https://huggingface.co"
    assert place().token == "hf_mine"
    # A stored token is for Hugging Face; a mirror gets one only when it is given for it.
    assert place(use_mirror=True) == Place("huggingface", MIRROR, None, token_withheld=True)
    assert place(use_mirror=True, token="hf_x").token == "hf_x"
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org/")
    assert place().endpoint == "https://hub.example.org"
    assert place(endpoint="other.example.org").endpoint == "https://other.example.org"
    assert "hf_mine" not in repr(place())
    with pytest.raises(UserError, match="Did you mean modelscope"):
        place(source="model-scope")
    with pytest.raises(UserError, match="leave out --endpoint"):
        place(use_mirror=True, endpoint="https://x.org")
