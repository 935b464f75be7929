#!/usr/bin/env python3
"""Encodes the bench text with a peer on one thread, in processor time; prints one line of JSON like bench/tokenize/bench_main.cpp.

usage: encode_speed.py tokenizers|sentencepiece TOKENIZER TEXT REPETITIONS
"""
import hashlib
import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"


def main():
    who, path, text, repetitions = sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read(), int(sys.argv[4])
    documents = [d.decode() for d in text.split(b"\0") if d]
    if who == "tokenizers":
        import tokenizers
        t = tokenizers.Tokenizer.from_file(path)
        t.no_truncation()  # the published gpt2 file asks for it
        t.no_padding()
        version = tokenizers.__version__

        def encode(document):
            return t.encode(document, add_special_tokens=False).ids
    else:
        import sentencepiece
        t = sentencepiece.SentencePieceProcessor(model_file=path)
        version = sentencepiece.__version__
        encode = t.encode
    times = []
    for _ in range(repetitions):
        taken, tokens, digest = 0.0, 0, hashlib.sha256()
        for document in documents:
            start = time.process_time()
            ids = encode(document)
            taken += time.process_time() - start
            tokens += len(ids)
            digest.update(b"".join(i.to_bytes(4, "little") for i in ids))
        times.append(taken)
    times.sort()
    mb = len(text) / 1e6
    print(json.dumps({"who": f"{who} {version}", "MB_per_s": round(mb / times[len(times) // 2], 2), "best": round(mb / times[0], 2),
                      "tokens": tokens, "sha256_of_ids": digest.hexdigest()}))


main()
