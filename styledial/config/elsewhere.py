"""What transformers, TRL, LLaMA-Factory, axolotl and unsloth call our settings, and what of theirs
has no setting here, with the reason. Suggested in messages, never taken silently."""

from __future__ import annotations

OURS = {
    "model_name": "model_name_or_path", "model": "model_name_or_path",
    "base_model": "model_name_or_path", "model_id": "model_name_or_path",
    "model_revision": "revision",
    "torch_dtype": "dtype", "compute_dtype": "dtype", "attn": "attn_implementation",
    "flash_attn": "attn_implementation", "lora_rank": "lora_r", "rank": "lora_r", "r": "lora_r",
    "alpha": "lora_alpha", "dropout": "lora_dropout", "lora_target": "lora_target_modules",
    "target_modules": "lora_target_modules", "peft_use_dora": "use_dora", "dora": "use_dora",
    "peft_use_rslora": "use_rslora", "rslora": "use_rslora", "load_in_4_bit": "load_in_4bit",
    "load_in_8_bit": "load_in_8bit", "dataset_dir": "data_dir", "dataset": "data_dir",
    "dataset_path": "data_dir", "train_file": "data_dir", "cutoff_len": "max_length",
    "max_seq_length": "max_length", "max_seq_len": "max_length", "sequence_len": "max_length",
    "block_size": "max_length", "model_max_length": "max_length",
    "val_size": "validation_split", "val_set_size": "validation_split",
    "test_size": "validation_split", "eval_ratio": "validation_split",
    "epoch": "num_train_epochs", "epochs": "num_train_epochs", "num_epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size", "micro_batch_size": "per_device_train_batch_size",
    "train_batch_size": "per_device_train_batch_size",
    "accumulation_steps": "gradient_accumulation_steps",
    "grad_accum": "gradient_accumulation_steps",
    "lr": "learning_rate", "lr_scheduler": "lr_scheduler_type", "scheduler": "lr_scheduler_type",
    "num_warmup_steps": "warmup_steps", "min_lr_rate": "min_lr_ratio",
    "cosine_min_lr_ratio": "min_lr_ratio", "gradient_clipping": "max_grad_norm",
    "clip_grad_norm": "max_grad_norm", "use_gradient_checkpointing": "gradient_checkpointing",
    "random_state": "seed", "data_seed": "seed", "beta": "kl_beta", "kl_coef": "kl_beta",
    "init_kl_coef": "kl_beta", "strength": "kl_beta", "output": "output_dir",
    "save_dir": "output_dir", "output_path": "output_dir", "log_with": "report_to",
    "max_train_steps": "max_steps", "num_steps": "max_steps", "patience": "early_stopping_patience",
}  # fmt: skip

_DTYPE = ("write model.dtype, such as bfloat16", "请写 model.dtype，例如 bfloat16")
_QUANTISED = (
    "write model.load_in_4bit: true or model.load_in_8bit: true",
    "请写 model.load_in_4bit: true 或 model.load_in_8bit: true",
)
_HELD_OUT = (
    "held-out text is read a dozen times in every run, in evenly spaced updates",
    "每次训练都会均匀地读取约十二次留出文本",
)
_OPTIMIZER = (
    "the optimizer is AdamW with its usual constants",
    "优化器固定为 AdamW，使用通常的参数",
)
_PACKED = ("texts are always packed into full rows", "文本总是打包成整行")
_OPTION = "is an option of the command, not a setting"
_SHARDED = (
    "several GPUs are used through torchrun; training.fsdp shards the base",
    "多卡用 torchrun 启动；training.fsdp 决定是否分片",
)
_HUB = ("nothing is uploaded; publish the output folder yourself", "不会上传；请自行发布输出文件夹")
_PLAIN = (
    "novels are learnt as they are; the chat template is the base's own, and model.chat says "
    "whether samples use it",
    "小说按原文学习；对话模板取基座自带的，样例是否使用由 model.chat 决定",
)
_LAYERS = (
    "an adapter is trained on the layers of model.lora_target_modules and nothing else",
    "只训练 model.lora_target_modules 所列层上的适配器",
)
_BEST = (
    "the best weights are those of the lowest held-out loss (training.load_best_model_at_end)",
    "最佳权重指留出文本损失最低者（training.load_best_model_at_end）",
)
# Names that have no setting here -> the reason, or what to write.
WHY_NOT: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("bf16", "fp16", "pure_bf16", "bf16_full_eval", "fp16_full_eval"), _DTYPE),
    "<<": ("YAML's merge is not read here; write the settings out",
           "这里不支持 YAML 的合并写法；请逐项写出"),
    "tf32": ("PyTorch's own choice is kept", "沿用 PyTorch 的默认"),
    **dict.fromkeys(("quantization_bit", "quantization", "bits"), _QUANTISED),
    **dict.fromkeys(("eval_steps", "eval_strategy", "evaluation_strategy", "eval_on_start",
                     "per_device_eval_batch_size", "eval_batch_size", "do_eval", "eval_delay",
                     "evals_per_epoch", "eval_accumulation_steps"), _HELD_OUT),
    **dict.fromkeys(("optim", "optimizer", "optim_args", "adam_beta1", "adam_beta2",
                     "adam_epsilon", "use_galore", "use_8bit_adam"), _OPTIMIZER),
    **dict.fromkeys(("packing", "sample_packing", "group_by_length", "pad_to_sequence_len",
                     "train_sampling_strategy", "length_column_name", "neat_packing"), _PACKED),
    **dict.fromkeys(("deepspeed", "fsdp_config", "ddp_backend", "ddp_timeout",
                     "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "local_rank",
                     "parallelism_config"), _SHARDED),
    **dict.fromkeys(("push_to_hub", "hub_model_id", "hub_token", "hub_strategy",
                     "hub_private_repo"), _HUB),
    **dict.fromkeys(("template", "chat_template", "prompt_template", "train_on_inputs",
                     "completion_only_loss", "dataset_text_field"), _PLAIN),
    **dict.fromkeys(("modules_to_save", "lora_bias", "bias", "layers_to_transform",
                     "loftq_config", "additional_target", "init_lora_weights"), _LAYERS),
    **dict.fromkeys(("metric_for_best_model", "greater_is_better", "early_stopping_threshold"),
                    _BEST),
    "lora_target_linear": ("write model.lora_target_modules: all-linear",
                           "请写 model.lora_target_modules: all-linear"),
    **dict.fromkeys(("finetuning_type", "adapter", "stage", "full_finetuning"),
                    ("write model.use_peft: true for an adapter, false for all weights",
                     "请写 model.use_peft：true 训练适配器，false 训练全部权重")),
    **dict.fromkeys(("flash_attention", "use_flash_attention_2", "sdp_attention"),
                    ("write model.attn_implementation: flash_attention_2 or sdpa",
                     "请写 model.attn_implementation: flash_attention_2 或 sdpa")),
    "lr_scheduler_kwargs": ("write training.min_lr_ratio for cosine_with_min_lr",
                            "cosine_with_min_lr 请写 training.min_lr_ratio"),
    "overwrite_output_dir": (f"replacing a run {_OPTION}: --overwrite",
                             "覆盖已有训练是命令选项：--overwrite"),
    "resume_from_checkpoint": (f"going on {_OPTION}: --resume", "继续训练是命令选项：--resume"),
    "gradient_checkpointing_kwargs": ("training.gradient_checkpointing is auto, true, false "
                                      "or every_second",
                                      "training.gradient_checkpointing 只有 auto、true、false 或 "
                                      "every_second"),
    **dict.fromkeys(("save_strategy", "logging_strategy", "logging_dir", "save_only_model",
                     "logging_first_step"),
                    ("see training.save_steps and training.logging_steps",
                     "请看 training.save_steps 与 training.logging_steps")),
    **dict.fromkeys(("run_name", "wandb_project", "trackio_space_id", "project"),
                    ("trackers show the run by the name of training.output_dir",
                     "实时指标中以 training.output_dir 的文件夹名显示")),
    **dict.fromkeys(("datasets", "data_files", "train_dataset"),
                    ("write data.data_dir, a folder with your novels",
                     "请写 data.data_dir，即存放小说的文件夹")),
    **dict.fromkeys(("neftune_noise_alpha", "label_smoothing_factor", "torch_compile",
                     "use_liger_kernel", "dataloader_num_workers", "do_train", "do_predict",
                     "use_cpu", "no_cuda", "torch_empty_cache_steps", "disable_tqdm"),
                    ("there is nothing of the kind here; leave it out",
                     "这里没有这项功能；请去掉")),
}  # fmt: skip
