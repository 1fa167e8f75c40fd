"""Runs of several processes without paying for the imports of each: `python tests/many.py JSON`.

JSON is a list of [processes, settings]; `--resume` may be one of them. This process imports everything, then forks the
processes of one run after the other. They meet at a store on a free port, as torchrun's do.
"""

import json
import os
import sys

import torch
from torch.distributed import TCPStore

from styledial.config import resolve
from styledial.run import train_from_config


def main(runs):
    from accelerate import Accelerator  # noqa: F401  imported once, for all
    from peft import LoraConfig  # noqa: F401
    from transformers import Qwen2ForCausalLM  # noqa: F401

    torch.set_num_threads(1)
    for count, settings in runs:
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        children = [fork(rank, count, store.port, settings) for rank in range(count)]
        for child in children:
            _, status = os.waitpid(child, 0)
            if status:
                sys.exit(f"{count} processes, {settings}: one ended with {status}")


def fork(rank, count, port, settings):
    child = os.fork()
    if child:
        return child
    if count > 1:
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count),
            LOCAL_WORLD_SIZE=str(count), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
            TORCHELASTIC_USE_AGENT_STORE="True",
        )  # fmt: skip
    status = 1
    try:
        resume = "--resume" in settings
        given = [setting for setting in settings if setting != "--resume"]
        train_from_config(resolve(None, None, {}, given), resume=resume)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
