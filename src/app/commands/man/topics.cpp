#include "app/commands/man/topics.h"

namespace vauban {
namespace {

constexpr ManTopic kTopics[] = {
    {"backends", "what computes, on which device, and what each promises",
     R"(--backend reference|cpu|torch      the same forward passes, sites, edits, traces and reports on each

reference  plain loops in f64: the specification that the others are tested against. Slow.
cpu        the default. Vector kernels of this program: nothing to install, starts at once, and the bits of a logit do
           not depend on threads, batch, or prefill against decode.
torch      LibTorch, on any of its devices: the portable surface. A module (libvauban_torch.so) that is opened on first
           use and needs libtorch-dev, or the LibTorch that it was built with (docs/torch.md); starting takes it half a
           second of processor time. LibTorch picks its kernels by shape, so bits may depend on batch and threads:
           every trace says invariant_bits: false, and an audit needs its noise floor (--baseline-floor, on by default)
           before it calls an answer changed.

--device NAME[,NAME...]   torch: cpu, cuda, cuda:1, mps. `vauban doctor` says what is here. An absent device is an error
                          that lists those that are there; only a list falls back, to the first that is there, and then
                          traces and report.json (`execution`) hold both what was asked for and what it became.
--numerics                reference, cpu: exact. torch: exact (f32), native (the type of the weights). `vauban man numerics`
--threads N               also the most threads that LibTorch uses, while the program's own sleep. Steps with small
                          products run on one of them.

Training: cpu in f32, bf16, f16; torch the same in host memory (bf16 and f16 round the operands and multiply in f32);
reference in f32 only. `train --plan` is the cpu backend's.
A run folder belongs to one backend, numerics and kind of device: going on with others is refused.
)"},
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
layers = [2, 3]          # from 0, each once; none: all, or all that a direction file holds
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

conditional: gate_file (of steer: --gate) is the direction file of the gate, where it is not the direction's own. The gate
keeps its length, directions and bases are normalised (offset: not); the record holds the lengths that were given.

A site that is there once (embed_out, final_norm_out) takes no layers. With a direction file `layers` names the one whose
direction is used there. Every intervention of a file has its own name.

--primitive scalar|simd chooses the code that computes this on the cpu backend: f64 loops, or f32 vector kernels. The default,
auto, takes the kernels only where their recorded gate passed; a trace's kernel_path says which ran.

Edits act in prefill and in decoding. The record holds the projections before and after and the size of the change; an
edit that changed nothing (no row by more than 1e-6 of its length) is recorded as a no-op. One that makes a row too long to
compute with (its square does not fit f32) is refused.
)"},
    {"numerics", "which arithmetic is used, and what it promises",
     R"(exact    weights widened or decoded to f32, f32 activations and key/value cache (the reference backend: f64).
         The bits of a logit do not depend on the thread count, on the batch, or on prefill against decode.
native   bf16 (or f16) activations, keys and values where the model is stored so: `--backend torch`; norms, softmax and the
         activation primitive compute in f32. On the other backends it arrives with the CPU engine; refused until then.
fast     gives up the promise above: arrives with the CPU engine; refused until then.

The torch backend promises no bits in any numerics: LibTorch chooses kernels by shape. Its traces say so
(invariant_bits), and an audit measures the noise floor: see `vauban man backends`.
)"},
    {"observe", "what a trace can record",
     R"(--observe SPEC[,SPEC]      SPEC = site:layers:form[@positions]

resid_post:all:summary         every layer's output, statistics and digest only
resid_post:0-3:payload@last    values of the last position, as a safetensors file
attn_pattern:2:payload         attention weights of layer 2, (heads, rows, rows)
logprobs:top20                 the 20 most likely tokens at every position
logits:payload@last            all logits of the last position
weights:model.norm.weight:payload         a loaded weight, as the backend holds it: see `vauban man weights`
weights:model.layers.*.mlp.*:summary      * and ? stand for any characters
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
    {"weights", "looking at loaded weights, and editing them",
     R"(--observe weights:GLOB:summary|payload     one artifact per tensor that the model holds, named as Hugging Face does

A digest is SHA-256 of the values as f32, row-major, little-endian: equal for equal weights in every container and on every
backend. Matrices are (out, in), y = x W^T; tables (V, D). GPT-2's files hold theirs turned round. A tied head is its table.

--edit-weights FILE (trace, generate; audit: of the candidate)

[[weight_edits]]
tensor = "model.layers.*.mlp.down_proj.weight"   # a name, or * and ? as wildcards: every match is edited
op = "project_out"
side = "output"
direction_file = "d.safetensors"                 # of `vauban measure`: the chosen layer's; or direction_tensor, direction

op           new W                                        keys beside tensor and op
scale        alpha W                                      alpha
zero         0                                            -
add_noise    W + sigma N                                  sigma, seed
project_out  output: W - alpha d (d^T W)                  alpha (1), side (output), direction or direction_file,
             input:  W - alpha (W d) d^T                  direction_sha256, direction_tensor
add          W + alpha T                                  file, alpha (1), file_sha256, file_tensor
set          T                                            file, file_sha256, file_tensor

d is taken at unit length. `output` is the side that a layer writes (o_proj, down_proj), as long as W has rows; `input` the
one that it reads. A table's rows are what it writes: there d belongs to the `input` side. With project_out on embedding,
o_proj and down_proj of every layer a model writes nothing along d any more (Arditi et al. 2024).
T has the shape of W. Without file_tensor each tensor of the file that `tensor` matches is used for the one of its name.

Edits act in order on what the backend has loaded; files stay as they are. Edited tensors are held in f32. A record says what
changed (digest before and after, largest and mean change); an edit that changed nothing is recorded as a no-op and listed
under `missing`. The model's digest is another one while edits are active, and every trace lists them.
)"},
};

}  // namespace

std::span<const ManTopic> man_topics() { return kTopics; }

}  // namespace vauban
