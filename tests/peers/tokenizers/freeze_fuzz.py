#!/usr/bin/env python3
"""Freezes what tokenizers, sentencepiece and tiktoken say about random Unicode, for src/text/fuzzed_unicode_test.cpp.

usage: freeze_fuzz.py SHARED_DATA OUT_FILE
"""
import base64
import json
import random
import sys
import unicodedata
from pathlib import Path

import sentencepiece
import tiktoken
import tokenizers

JSON_SETS = ["bl_gpt2", "bl_qwen2", "bl_o200k", "bl_deepseek_v3", "bl_clip", "llama2_legacy", "gemma_like", "uni_t5",
             "uni_albert", "uni_no_pre", "wp_uncased", "wp_cased", "wl_digits_punct", "added_matrix_lower"]
MODEL_SETS = ["sp_uni_nmt_nfkc", "sp_bpe_identity_bytes", "sp_uni_identity_noprefix", "sp_uni_suffix_rules"]
# The patterns of the published encodings; the rank files lie in the shared data.
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
RANKS = {"llama3/tokenizer.model": HEAD + r"\p{N}{1,3}" + TAIL, "qwen/qwen.tiktoken": HEAD + r"\p{N}" + TAIL}
BLOCKS = [(0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x250), (0x2B0, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00),
          (0xE00, 0x1000), (0x1100, 0x1200), (0x1E00, 0x2070), (0x2070, 0x2C00), (0x2E80, 0x3200), (0x4E00, 0xA000),
          (0xAC00, 0xD7A4), (0xF900, 0x10000), (0x10000, 0x11000), (0x1D400, 0x1D800), (0x1F300, 0x1FA00), (0, 0x110000)]
TELLING = list(" \t\n\r'’-.,!?0123½²ßİıſKée\u0301\u200d\u200b\ufeff\u00a0\u3000\u2581\u0130ǅﬁ한カー漢")


def character(rng):
    while True:
        if rng.random() < 0.3:
            return rng.choice(TELLING)
        low, high = rng.choice(BLOCKS)
        c = chr(rng.randrange(low, high))
        # vauban's tables are of Unicode 14, as Python 3.11's are: what came later is left out, and so are surrogates, NUL
        if unicodedata.category(c) not in ("Cn", "Cs") and c != "\0":
            return c


def texts(rng, count):
    out = []
    for _ in range(count):
        words = []
        for _ in range(rng.randrange(1, 6)):
            block = [character(rng) for _ in range(rng.randrange(1, 8))]
            words.append("".join(block))
        out.append(rng.choice(["", " ", "  ", "\n"]).join(words))
    return out


def main():
    data, out = Path(sys.argv[1]) / "tokenizers", Path(sys.argv[2])
    pool = texts(random.Random(20261130), 40)
    answers = []
    for name in JSON_SETS:
        path = f"trained/{name}/tokenizer.json"
        t = tokenizers.Tokenizer.from_file(str(data / path))
        rows = [t.encode(text) for text in pool]
        answers.append({"file": path, "ids": [r.ids for r in rows], "offsets": [[list(o) for o in r.offsets] for r in rows]})
    for name in MODEL_SETS:
        path = f"trained/{name}/tokenizer.model"
        sp = sentencepiece.SentencePieceProcessor(model_file=str(data / path))
        answers.append({"file": path, "ids": [sp.encode(text) for text in pool]})
    for path, pattern in RANKS.items():
        lines = [line.split() for line in (data / path).read_bytes().splitlines() if line]
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        encoding = tiktoken.Encoding(name=path, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        answers.append({"file": path, "ids": [encoding.encode(text) for text in pool]})
    versions = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__, "tiktoken": tiktoken.__version__,
                "unicodedata": unicodedata.unidata_version}
    with out.open("w") as file:
        file.write('{"versions":' + json.dumps(versions) + ',\n"texts":' + json.dumps(pool) + ',\n"answers":[\n')
        file.write(",\n".join(json.dumps(a, separators=(",", ":")) for a in answers) + "\n]}\n")


main()
