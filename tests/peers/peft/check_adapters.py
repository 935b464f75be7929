# Asks PEFT for the logits of adapters that vauban wrote: python check_adapters.py CASES.json TINY_MODELS
# CASES.json: [{"adapter": folder, "base": name in TINY_MODELS, "ids": [...], "logits": [T * V numbers]}], computed by
# vauban's reference backend (float64) with BASE+ADAPTER. Prints the largest difference per case; exits 1 above 1e-5,
# which is what float32 norms and rotary tables inside transformers leave.
import json
import sys

import peft
import torch
import transformers

print("peft", peft.__version__, "transformers", transformers.__version__, "torch", torch.__version__)
failed = 0
for case in json.load(open(sys.argv[1])):
    base = transformers.AutoModelForCausalLM.from_pretrained(
        f"{sys.argv[2]}/{case['base']}", attn_implementation="eager", dtype=torch.float32).double().eval()
    model = peft.PeftModel.from_pretrained(base, case["adapter"]).double().eval()
    with torch.no_grad():
        logits = model(torch.tensor([case["ids"]])).logits[0]
    ours = torch.tensor(case["logits"], dtype=torch.float64).view_as(logits)
    worst = (logits - ours).abs().max().item()
    failed += not worst <= 1e-5
    print(f"{case['adapter'].rsplit('/', 1)[-1]:28s} {case['base']:12s} {worst:.1e}")
sys.exit(1 if failed else 0)
