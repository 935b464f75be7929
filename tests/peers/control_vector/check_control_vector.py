"""A control vector by llama.cpp's own Python package: `write` makes one, `read` says what is in one, bit by bit."""

import hashlib
import json
import sys

import gguf
import numpy as np

VALUES = {1: [1 / 3, -0.0, 1e-42, 3e38], 2: [-1.5, 0.1, 2.0**-24, 7.0], 12: [0.0, 0.0, 0.0, -2.5]}


def write(path: str) -> None:
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(VALUES))
    for layer, values in VALUES.items():
        writer.add_tensor(f"direction.{layer}", np.array(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: str) -> dict:
    reader = gguf.GGUFReader(path)
    text = lambda key: str(reader.fields[key].contents())
    return {
        "architecture": text("general.architecture"),
        "model_hint": text("controlvector.model_hint"),
        "layer_count": int(reader.fields["controlvector.layer_count"].contents()),
        "tensors": {
            t.name: {"type": t.tensor_type.name, "shape": [int(n) for n in t.shape],
                     "bits": [int(b) for b in np.ascontiguousarray(t.data).view(np.uint32)]}
            for t in reader.tensors
        },
        "sha256": hashlib.sha256(open(path, "rb").read()).hexdigest(),
    }


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2])
        print(open(sys.argv[2], "rb").read().hex())
    else:
        print(json.dumps(read(sys.argv[2]), indent=1, sort_keys=True))
