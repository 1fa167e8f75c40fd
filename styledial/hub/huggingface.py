"""Hugging Face's hub, its mirrors, and anything that speaks its protocol (HF_ENDPOINT)."""

from __future__ import annotations

from styledial.errors import ModelError
from styledial.hub.listing import Listing, Place, RemoteFile, other_sources, transport_errors


def listing(place: Place, repo: str, revision: str | None) -> Listing:
    """The repository's files at `revision` (None: the newest). Raises ModelError."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=place.endpoint, token=place.token or False)
    try:
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=30)
    except HfHubHTTPError as error:
        raise explained(error, place, repo, revision) from None
    except transport_errors() as error:
        raise explained(error, place, repo, revision) from None
    files = [
        RemoteFile(
            sibling.rfilename,
            (sibling.lfs.size if sibling.lfs else sibling.size) or 0,
            sibling.lfs.sha256 if sibling.lfs else None,
            None if sibling.lfs else sibling.blob_id,
        )
        for sibling in info.siblings or []
    ]
    return Listing(repo, str(info.sha), files)


def file_url(place: Place, listed: Listing, path: str) -> str:
    """Where a file of the listing is downloaded from."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(listed.repo, path, revision=listed.revision, endpoint=place.endpoint)


def headers(place: Place) -> dict[str, str]:
    """HTTP headers of a request, with the token of `place` if it has one."""
    from huggingface_hub.utils import build_hf_headers

    return dict(build_hf_headers(token=place.token or False, library_name="styledial"))


def explained(error: Exception, place: Place, repo: str, revision: str | None = None) -> ModelError:
    """What an HTTP error means for the user, and what to do about it."""
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return gated(place, repo)
    if isinstance(error, RevisionNotFoundError):
        return ModelError(
            f"{repo}: has no branch, tag or commit {revision}. Leave it out for the newest.",
            f"{repo}：没有名为 {revision} 的分支、标签或提交。不写则取最新版。",
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ModelError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, or name a folder that has "
            "the model.",
            "设置了 HF_HUB_OFFLINE，不会下载任何内容。请取消该变量，或写已有模型的文件夹。",
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, RepositoryNotFoundError) or status in (401, 403, 404):
        return ModelError(
            f"{repo}: {place.endpoint} has no such model, or it is private (HTTP {status}). "
            "Check the spelling (`styledial models` lists the known ones); for a private one "
            "set HF_TOKEN.",
            f"{repo}：{place.endpoint} 上没有这个模型，或未公开（HTTP {status}）。"
            "请检查拼写（`styledial models` 列出已知模型）；私有模型请设置 HF_TOKEN。",
        )
    reason = f"HTTP {status}" if status else type(error).__name__
    en, zh = other_sources(place.endpoint, place.source)
    return ModelError(
        f"{place.endpoint}: cannot be reached or fails ({reason}). Try again; {en}; behind a "
        "proxy set HTTPS_PROXY.",
        f"{place.endpoint}：无法连接或出错（{reason}）。请重试；{zh}；有代理请设置 HTTPS_PROXY。",
    )


def gated(place: Place, repo: str) -> ModelError:
    """The error for a repository whose licence has to be accepted, and what to do about it."""
    page = f"https://huggingface.co/{repo}"
    tokens = "https://huggingface.co/settings/tokens"
    elsewhere = f"`styledial download --model {repo} --source modelscope`"
    if place.token:
        return ModelError(
            f"{repo}: your token has no access yet. Accept the licence on {page} with the account "
            "of the token (approval can take a while), then run this again.",
            f"{repo}：你的令牌尚无权限。请用该令牌的账号在 {page} 同意许可（审批可能需要时间），"
            "然后重新运行。",
        )
    if place.token_withheld:
        return ModelError(
            f"{repo}: is gated: accept its licence on {page}. Your Hugging Face token is not sent "
            f"to {place.endpoint} unasked; give it with `styledial download --token`, or "
            f"fetch the model from ModelScope: {elsewhere}.",
            f"{repo}：需要授权：请在 {page} 同意许可。令牌不会擅自发给 {place.endpoint}；"
            f"请用 `styledial download --token` 提供，或从 ModelScope 下载：{elsewhere}。",
        )
    return ModelError(
        f"{repo}: is gated. Accept its licence on {page}, make a token on {tokens}, set "
        f"HF_TOKEN=hf_... and run this again; or fetch it from ModelScope: {elsewhere}.",
        f"{repo}：需要授权。请在 {page} 同意许可，在 {tokens} 生成令牌，设置 HF_TOKEN=hf_... "
        f"后重新运行；或从 ModelScope 下载：{elsewhere}。",
    )
