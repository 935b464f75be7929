"""Vocabularies that vauban wrote into GGUFs, opened by llama.cpp: ids of texts against those of the folder. README.md.

vocabularies.py VAUBAN LOGITS SHARED_DATA REPOSITORY    Prints a line for each vocabulary; exits 1 where ids differ.
"""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile


def texts_of(shared, repository):
    texts = [row["text"] if isinstance(row, dict) else row for row in json.loads((repository / "tests/peers/tokenizers/fuzzed.json").read_text())["texts"]]
    for name in ("tinyshakespeare.txt", "botchan.txt", "tinystories_sample.txt"):
        lines = (shared / "text" / name).read_text(encoding="utf-8").splitlines()
        texts += ["\n".join(lines[i : i + 3]) for i in range(0, min(len(lines), 600), 3)]
    texts += ["  two  spaces ", "\t\n\n x", "12345 1,234.5", "don't WE'LL", "<s></s><|endoftext|>", "naïve café", "日本語のテキスト", "🙂🙃"]
    return [text for text in texts if "\0" not in text and text]


def model_with(files, folder):
    """A Llama of width 4, for the vocabulary's sake."""
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    size = 0
    for name in ("tokenizer.json",):
        if (folder / name).exists():
            document = json.loads((folder / name).read_text(encoding="utf-8"))
            vocab = document["model"]["vocab"]
            ids = vocab.values() if isinstance(vocab, dict) else range(len(vocab))
            size = 1 + max([*ids, *(token["id"] for token in document.get("added_tokens", []))])
    size = size or 32000
    layer = "model.layers.0."
    shapes = {"model.embed_tokens.weight": [size, 4], "model.norm.weight": [4], layer + "input_layernorm.weight": [4],
              layer + "post_attention_layernorm.weight": [4]}
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"):
        shapes[layer + name + ".weight"] = [4, 4]
    header, offset = {}, 0
    for name, shape in shapes.items():
        count = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4, "intermediate_size": 4, "vocab_size": size,
        "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": True}))
    return folder


def main():
    vauban, tool, shared, repository = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
    texts, faults = texts_of(shared, repository), 0
    sources = {path.parent.name: [path] for path in sorted((shared / "tokenizers/trained").glob("*/tokenizer.json"))}
    sources |= {"gpt2": [shared / "tokenizers/gpt2/tokenizer.json"], "llama2": [shared / "tokenizers/llama2/tokenizer.model"]}
    folders = {"garrison/base": repository / "models/garrison/base", "stories260K": shared / "models/stories260K/hf",
               "TinyStories-656K": shared / "models/TinyStories-656K"}
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        (work / "texts.bin").write_bytes(b"".join(text.encode() + b"\0" for text in texts))
        (work / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        for name, files in sources.items():
            folders[name] = model_with(files, work / name)
        for name, folder in folders.items():
            gguf = work / "m.gguf"
            gguf.unlink(missing_ok=True)
            made = subprocess.run([vauban, "convert", str(folder), str(gguf)], capture_output=True, text=True)
            if made.returncode != 0:
                print(f"{name}: convert refuses: {made.stderr.strip().splitlines()[-1][:150]}", flush=True)
                continue
            noted = " (noted: bytes without a token)" if "have no token in the vocabulary" in made.stdout + made.stderr else ""
            own = subprocess.run([vauban, "tokenize", str(folder), "--jsonl", str(work / "texts.jsonl"), "--no-special", "--quiet"],
                                 capture_output=True, text=True, check=True)
            ids = [json.loads(line)["ids"] for line in own.stdout.splitlines()]
            theirs = subprocess.run([tool, "--tokenize", str(gguf), str(work / "texts.bin")], capture_output=True, text=True)
            if theirs.returncode != 0:
                print(f"{name}: llama.cpp stops: {theirs.stderr.strip().splitlines()[-1][:150]}{noted}", flush=True)
                faults += not noted
                continue
            peer = [[int(word) for word in line.split()] for line in theirs.stdout.splitlines()]
            wrong = [i for i in range(len(texts)) if i >= len(peer) or peer[i] != ids[i]]
            faults += 0 if noted else len(wrong)
            example = f", first {texts[wrong[0]]!r:.80}: {ids[wrong[0]][:8]} / {peer[wrong[0]][:8]}" if wrong else ""
            print(f"{name}: {len(texts)} texts, {sum(map(len, ids))} ids, {len(wrong)} other{example}{noted}", flush=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
