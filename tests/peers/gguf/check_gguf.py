"""Opens GGUFs that vauban wrote with the gguf package of llama.cpp and compares them with the Hugging Face folder.

check_gguf.py FOLDER OUT.gguf ...    Prints, per file, tensors and values compared and what differed; exits 1 on any.
"""

import json
import pathlib
import sys

import numpy as np
from gguf import GGUFReader, MODEL_ARCH, get_tensor_name_map
from gguf.quants import dequantize, quantize
from safetensors import safe_open

ARCHS = {"llama": MODEL_ARCH.LLAMA, "gpt2": MODEL_ARCH.GPT2, "phi3": MODEL_ARCH.PHI3}
HYPER = {  # key of config.json -> key of the GGUF
    "hidden_size": "embedding_length", "n_embd": "embedding_length", "num_hidden_layers": "block_count",
    "n_layer": "block_count", "num_attention_heads": "attention.head_count", "n_head": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv", "intermediate_size": "feed_forward_length",
    "max_position_embeddings": "context_length", "n_positions": "context_length", "rope_theta": "rope.freq_base",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon", "layer_norm_epsilon": "attention.layer_norm_epsilon",
}


def tensors_of(folder):
    import torch

    out = {}
    for path in sorted(pathlib.Path(folder).glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                out[name] = file.get_tensor(name).to(torch.float32).numpy()
    return out


def interleaved(weight, heads):
    """Rows of q and k as llama.cpp wants them: halves of a head become pairs."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def expected(name, weight, config):
    if config["model_type"] == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return weight.T
    if config["model_type"] == "llama" and "q_proj" in name:
        return interleaved(weight, config["num_attention_heads"])
    if config["model_type"] == "llama" and "k_proj" in name:
        return interleaved(weight, config.get("num_key_value_heads", config["num_attention_heads"]))
    return weight


def check(folder, path):
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    reader, faults, values, worst = GGUFReader(path), [], 0, 0.0
    names = get_tensor_name_map(ARCHS[config["model_type"]], reader.fields[f"{config['model_type']}.block_count"].contents())
    found = {tensor.name: tensor for tensor in reader.tensors}
    compared, types = 0, {}
    for name, weight in tensors_of(folder).items():
        if name.endswith((".attn.bias", ".attn.masked_bias", "inv_freq")):
            continue
        mapped = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if mapped == "output.weight" and mapped not in found and config.get("tie_word_embeddings", True):
            mapped = "token_embd.weight"
        if mapped not in found:
            faults.append(f"{name} -> {mapped} is missing")
            continue
        tensor, wanted = found[mapped], expected(name, weight, config)
        compared += 1
        types[tensor.tensor_type.name] = types.get(tensor.tensor_type.name, 0) + 1
        decoded = dequantize(tensor.data, tensor.tensor_type).reshape(wanted.shape)
        values += wanted.size
        # llama.cpp's own Python quantiser is the answer, block for block; for floats it is a cast.
        answer = quantize(np.ascontiguousarray(wanted), tensor.tensor_type)
        same = np.array_equal(answer.view(np.uint8).reshape(-1), np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1))
        worst = max(worst, float(np.abs(decoded - wanted).max()))
        if not same:
            faults.append(f"{mapped} ({tensor.tensor_type.name}) differs")
    for key, gguf_key in HYPER.items():
        if config.get(key) is None:
            continue
        field = reader.fields.get(f"{config['model_type']}.{gguf_key}")
        if field is None or np.float32(field.contents()) != np.float32(config[key]):
            faults.append(f"{key}: {config[key]} but {field and field.contents()}")
    faults += check_tokenizer(pathlib.Path(folder), reader)
    extra = sorted(set(found) - {names.get_name(n, (".weight", ".bias")) for n in tensors_of(folder)} - {"token_embd.weight", "rope_freqs.weight"})
    faults += [f"{name} has no source" for name in extra]
    print(f"{path}: {compared} tensors, {values} values, types {types}, largest rounding {worst:.3g}, {len(faults)} fault(s)")
    for fault in faults[:20]:
        print("   ", fault)
    return not faults


def check_tokenizer(folder, reader):
    if not (folder / "tokenizer.json").exists():
        return []
    document = json.loads((folder / "tokenizer.json").read_text())
    tokens, faults = reader.fields["tokenizer.ggml.tokens"].contents(), []
    vocab = dict(document["model"]["vocab"]) | {token["content"]: token["id"] for token in document["added_tokens"]}
    wrong = [text for text, index in vocab.items() if index >= len(tokens) or tokens[index] != text]
    if wrong:
        faults.append(f"{len(wrong)} tokens differ, first {wrong[0]!r}")
    if "tokenizer.ggml.merges" in reader.fields:
        merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in document["model"]["merges"]]
        if merges != reader.fields["tokenizer.ggml.merges"].contents():
            faults.append("merges differ")
    config_file = folder / "tokenizer_config.json"
    template = json.loads(config_file.read_text()).get("chat_template") if config_file.exists() else None
    if template is not None and reader.fields["tokenizer.chat_template"].contents() != template:
        faults.append("the chat template differs")
    return faults


if __name__ == "__main__":
    sys.exit(0 if all([check(sys.argv[1], path) for path in sys.argv[2:]]) else 1)
