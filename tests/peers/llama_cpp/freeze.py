"""Converts models with vauban, opens them with llama.cpp and freezes what it answers. README.md says how it is run.

freeze.py VAUBAN LOGITS SHARED_DATA OUT.json    Needs Python alone. Prints a line for each file.
"""

import array
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

KEPT = 40  # logits of the last position that are frozen: all follow from the same hidden state
OVERRIDES = {"phi3_longrope": "phi3.rope.scaling.original_context_length=4096"}  # short factors apply
WITH_KEYS = ("lfm2", "mamba", "qwen3_next")  # the shared data has no file of llama.cpp's converter for these
CHANGED = {"qwen3_next": {"rms_norm_eps": 1e-6}}
RECIPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0",
           "F16", "BF16"]


def read_tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {name: (entry, data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]]) for name, entry in header.items()}


def numbers(tensor):
    entry, data = tensor
    values = array.array({"I64": "q", "F32": "f", "F64": "d"}[entry["dtype"]])
    values.frombytes(data)
    return list(values)


def gguf_keys(path):
    """The architecture's own keys, as the file that llama.cpp opened holds them."""
    data, at = path.read_bytes(), 24
    formats = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def number(letter):
        nonlocal at
        value = struct.unpack_from("<" + letter, data, at)[0]
        at += struct.calcsize(letter)
        return value

    def value_of(kind):
        nonlocal at
        if kind == 8:
            size = number("Q")
            at += size
            return data[at - size : at].decode()
        if kind == 9:
            kind, count = number("I"), number("Q")
            return [value_of(kind) for _ in range(count)]
        return number(formats[kind])

    keys = {}
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        name = value_of(8)
        keys[name] = value_of(number("I"))
    return {name: value for name, value in keys.items() if name.startswith(keys["general.architecture"] + ".")}


class Peer:
    def __init__(self, vauban, logits, work):
        self.vauban, self.tool, self.work = vauban, logits, work

    def make(self, command, source, name, *words):
        out = self.work / name
        done = subprocess.run([self.vauban, command, str(source), str(out), "--quiet", *words], capture_output=True, text=True)
        self.digest = next((line.split()[1] for line in done.stdout.splitlines() if line.startswith("digest")), "")
        return out if done.returncode == 0 else None, done.stderr.strip()

    def decode(self, path):
        out = path.with_suffix(".f32.gguf")
        subprocess.run([self.tool, "--decode", str(path), str(out)], check=True, capture_output=True)
        return out

    def logits(self, path, ids, override=None):
        raw = self.work / "logits.bin"
        words = [self.tool, str(path), ",".join(map(str, ids)), str(raw)] + ([override] if override else [])
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            return None, done.stderr.strip()
        values = array.array("f")
        values.frombytes(raw.read_bytes())
        return list(values), ""


def worst(a, b):
    if len(a) != len(b):
        raise SystemExit(f"{len(a)} logits, expected {len(b)}")
    return max(abs(x - y) for x, y in zip(a, b))


def short(value):
    return float(f"{value:.7g}")


def changed(folder, work):
    """llama.cpp takes the norms' epsilon for the unit vectors of a delta net, transformers 1e-6: the same where both are."""
    copy = work / folder.name
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text()) | CHANGED[folder.name]
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def family(peer, folder):
    words = ["--dtype", "f32"] if folder.name == "llama_bf16" else []  # llama.cpp rounds what meets bf16 weights
    path, reason = peer.make("convert", folder, folder.name + ".gguf", *words)
    if not path:
        return {"convert_refuses": reason.splitlines()[0]}
    digest, keys = peer.digest, gguf_keys(path) if folder.name in WITH_KEYS else None
    golden = read_tensors(folder / "golden.safetensors")
    ids = numbers(golden["short.ids"])
    logits, reason = peer.logits(path, ids, OVERRIDES.get(folder.name))
    if logits is None:
        return {"llama_cpp_refuses": reason.splitlines()[0]}
    medium, _ = peer.logits(path, numbers(golden["medium.ids"]), OVERRIDES.get(folder.name))
    vocab = len(logits) // len(ids)
    other = {"digest": digest} | ({"keys": keys} if keys else {})
    if folder.name in CHANGED:
        path, reason = peer.make("convert", changed(folder, peer.work), "changed.gguf")
        other |= {"changed": CHANGED[folder.name], "changed_last": [short(x) for x in peer.logits(path, ids)[0][-vocab:][:KEPT]]}
    return other | {
        "max_abs_short": short(worst(logits, numbers(golden["short.logits"]))),
        "max_abs_medium": short(worst(medium, numbers(golden["medium.logits"]))),
        "last": [short(x) for x in logits[-vocab:][:KEPT]],
    }


def wide_model(folder):
    """A Llama of one layer whose rows are 256 wide. Value i of a tensor is a hash of (i, number of the tensor), centred:
    integers and powers of two, so that any program makes the same bytes. tests: wide_model.h does the same."""
    width, mlp, vocab, kv = 256, 256, 64, 128
    prefix = "model.layers.0."
    shapes = [("model.embed_tokens.weight", (vocab, width)), ("model.norm.weight", (width,)), ("lm_head.weight", (vocab, width)),
              (prefix + "input_layernorm.weight", (width,)), (prefix + "post_attention_layernorm.weight", (width,)),
              (prefix + "self_attn.q_proj.weight", (width, width)), (prefix + "self_attn.k_proj.weight", (kv, width)),
              (prefix + "self_attn.v_proj.weight", (kv, width)), (prefix + "self_attn.o_proj.weight", (width, width)),
              (prefix + "mlp.gate_proj.weight", (mlp, width)), (prefix + "mlp.up_proj.weight", (mlp, width)),
              (prefix + "mlp.down_proj.weight", (width, mlp))]
    header, blobs, offset = {}, [], 0
    for number, (name, shape) in enumerate(shapes):
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        values = array.array("f")
        for i in range(count):
            h = (i * 2654435761 + number * 40503 + 12345) & 0xFFFFFFFF
            h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
            h = ((h ^ (h >> 13)) * 3266489917) & 0xFFFFFFFF
            unit = (((h ^ (h >> 16)) & 0xFFFF) - 32768) / 32768  # [-1, 1)
            values.append(1 + unit / 4 if len(shape) == 1 else unit / 8)
        blobs.append(values.tobytes())
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    folder.mkdir()
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": mlp, "vocab_size": vocab,
              "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 512,
              "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def recipe(peer, folder, name, ids):
    peer.work.joinpath("m.gguf").unlink(missing_ok=True)
    path, reason = peer.make("quantize", folder, "m.gguf", name)
    if not path:
        raise SystemExit(f"{name}: {reason}")
    digest = peer.digest
    direct, reason = peer.logits(path, ids)
    if direct is None:
        return {"llama_cpp_refuses": reason.splitlines()[0]}
    decoded, _ = peer.logits(peer.decode(path), ids)
    vocab = len(direct) // len(ids)
    return {
        "digest": digest,
        "max_abs_direct_minus_decoded": short(worst(direct, decoded)),
        "spread": short(max(decoded) - min(decoded)),
        "last": [short(x) for x in decoded[-vocab:][: 2 * KEPT]],
    }


def main():
    vauban, tool, shared, out = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
    repository = pathlib.Path(__file__).resolve().parents[3]
    with tempfile.TemporaryDirectory() as work:
        peer = Peer(vauban, tool, pathlib.Path(work))
        families = {}
        for folder in sorted(path for path in (shared / "tiny_models").iterdir() if (path / "config.json").exists()):
            families[folder.name] = family(peer, folder)
            print(folder.name, {k: v for k, v in families[folder.name].items() if k.startswith("max") or k.endswith("refuses")}, flush=True)
        ids = [1, 5, 17, 33, 2, 60, 41, 9, 28, 50, 3, 14]
        wide = {"ids": ids, "recipes": {}}
        folder = wide_model(pathlib.Path(work) / "wide")
        for name in RECIPES:
            wide["recipes"][name] = recipe(peer, folder, name, ids)
            print(name, {k: v for k, v in wide["recipes"][name].items() if k.startswith("max") or k.endswith("refuses")}, flush=True)
        trained = {"ids": ids, "recipes": {}}
        folders = [repository / "models/garrison/base", repository / "models/garrison/finetuned", shared / "models/TinyStories-656K"]
        for folder in folders:
            for name in ("Q4_0", "Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_XS"):
                entry = recipe(peer, folder, name, ids)
                print(folder.name, name, {k: v for k, v in entry.items() if k.startswith("max") or k.endswith("refuses")}, flush=True)
                if folder == folders[0]:
                    trained["recipes"][name] = entry
    document = {"llama_cpp": "v0.5.0", "kept": KEPT, "families": families, "wide": wide, "garrison_base": trained}
    lines = json.dumps(document, indent=1).splitlines()
    text, joined = "", False
    for line in lines:  # lists of numbers on one line
        stripped = line.strip()
        joined = joined or line.endswith("[")
        text += stripped + (" " if stripped.endswith(",") else "") if joined and not line.endswith("[") else line
        joined = joined and not stripped.startswith("]")
        text = text if joined else text.rstrip(" ") + "\n"
    out.write_text(text)


if __name__ == "__main__":
    main()
