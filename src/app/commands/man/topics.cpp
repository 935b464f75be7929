#include "app/commands/man/topics.h"

namespace vauban {
namespace {

constexpr ManTopic kTopics[] = {
    {"claims", "how strong a statement may be",
     R"(A report claims only what was observed on both sides, hashed, and measured.

rung                        needs
behavioral_profile          text of one model
black_box_behavioral_diff   text for the same prompts on both sides
distributional_diff         a divergence computed from logits of both sides on identical token ids
weight_diff                 a difference computed from the weights of both sides
activation_diagnostic       a difference computed from activations of both sides
model_change_audit          behaviour, and computed differences of logits, weights and activations, of both sides

A configuration may name a rung (claim_strength); it can only lower the level. Naming a rung above what the artifacts
support is refused. Every claim lists its evidence, its sample count, its limits, and the artifact that would lift it.
)"},
    {"exit-codes", "what the program returns",
     R"(0    pass
1    a gate failed, or verify found a fault
2    usage or configuration: invalid_input, not_found
3    runtime or model: corrupt, unsupported, io, resource, internal
4    inconclusive: too few pairs, missing evidence, or no gates declared
130  cancelled
)"},
    {"interventions", "editing activations while a model runs",
     R"([[interventions]]
name = "remove"          # what the records call it
site = "resid_post"      # see `vauban list sites`
layers = [2, 3]          # from 0; none: all, or all that a direction file holds
mode = "subtract"        # p = h . d
alpha = 1.0
positions = "all"        # all, last, a-b, decode
direction_file = "d.safetensors"   # of `vauban measure`: direction.<layer> for each layer; or a control vector (.gguf)
direction_sha256 = "..." # optional: refuses any other file

mode              new value of a row h, for a unit direction d or an orthonormal basis B
project           h (only p = h . d is recorded)
subtract, add     h -/+ alpha p d
subspace_project  h (only c = B h is recorded)
subspace_remove   h - alpha B^T c          subspace_add   h + alpha B^T c
clamp             h + alpha (min(max(p, lo), hi) - p) d
conditional       inner_mode where h . gate > tau, else h
offset            h + alpha d, d as it is (control vectors); from a measured direction file alpha norm d: alpha counts
                  differences between the two groups of prompts that were measured

conditional: gate_file (of steer: --gate) is the direction file of the gate, where it is not the direction's own.

Edits act in prefill and in decoding. The record holds the projections before and after and the size of the change; an
edit that changed nothing is recorded as a no-op.
)"},
    {"numerics", "which arithmetic is used, and what it promises",
     R"(exact    weights widened or decoded to f32, f32 activations and key/value cache (the reference backend: f64).
         The bits of a logit do not depend on the thread count, on the batch, or on prefill against decode.
native   int8 activations per block, bf16 as bf16, 16-bit caches: arrives with the CPU engine; refused until then.
fast     gives up the promise above: arrives with the CPU engine; refused until then.
)"},
    {"observe", "what a trace can record",
     R"(--observe SPEC[,SPEC]      SPEC = site:layers:form[@positions]

resid_post:all:summary         every layer's output, statistics and digest only
resid_post:0-3:payload@last    values of the last position, as a safetensors file
attn_pattern:2:payload         attention weights of layer 2, (heads, rows, rows)
logprobs:top20                 the 20 most likely tokens at every position
logits:payload@last            all logits of the last position
projections:payload            what the interventions of the run met: h . d and |h| of every row

`vauban list sites` names the sites. What cannot be observed is listed under `missing` with its reason.
)"},
    {"runs", "what a run folder holds",
     R"(inputs.json         what defines the run: digests of suite and models, sampling, numerics, scorers
config.toml         the resolved configuration
suite.toml          the suite, as it was
models.json         identity, digests of configuration and tokenizer, capability of both sides
observations.jsonl  one row per model, prompt and sample
traces.jsonl        one trace per row
scores.jsonl        one row per prompt compared on identical token ids
artifacts/          payloads, named by their SHA-256
run.json            clock, host, paths, timings, commands
evidence.json claims.json report.json report.md
manifest.json       SHA-256 of every other file

The same `audit` command on the same folder resumes or renders again; other inputs are refused.
`vauban verify RUN` recomputes every statistic from the stored rows and per-token scores, offline.
)"},
};

}  // namespace

std::span<const ManTopic> man_topics() { return kTopics; }

}  // namespace vauban
