"""Proxies that the environment names: whether the HTTP library can use them."""

from __future__ import annotations

import os

from styledial.errors import UserError

_NAMED = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")  # also in capitals


def check_proxies() -> None:
    """Raises UserError where the HTTP library can't begin with the proxies of the environment.

    Nothing is sent. An address may hold a password: no part of it is shown.
    """
    from huggingface_hub.utils import get_session

    named = [name for name in sorted(os.environ) if name.lower() in _NAMED and os.environ[name]]
    try:
        get_session()
    except ImportError:
        socks = [name for name in named if os.environ[name].lower().startswith("socks")]
        if not socks:
            raise
        raise _needs_socks(socks[0]) from None
    except Exception:  # of the HTTP library: of classes of its own, which have changed
        if not named:
            raise
        raise _unusable(", ".join(named)) from None


def _needs_socks(name: str) -> UserError:
    return UserError(
        f"{name} in the environment names a SOCKS proxy, which needs one more package: pip install "
        f"socksio. Or name the proxy's HTTP port (export {name}=http://HOST:PORT); most programs "
        "that open one open both.",
        f"环境变量 {name} 指向 SOCKS 代理，还需要一个程序包：pip install socksio。"
        f"也可改用该代理的 HTTP 端口（export {name}=http://主机:端口），"
        "多数代理软件两种端口都提供。",
    )


def _unusable(names: str) -> UserError:
    return UserError(
        f"{names} in the environment: no proxy can be used by this. Write it as http://HOST:PORT, "
        "https:// or socks5:// likewise, or unset it, and run the command again.",
        f"环境变量 {names}：无法按此使用代理。请写成 http://主机:端口"
        "（https:// 或 socks5:// 亦可），或取消该变量，然后重新运行。",
    )
