// Attention over pages: prefill, a chunk behind a past, single steps, several sequences; its maps; copies of pages.
#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>

#include "torch/alone/proof.h"

namespace vauban::proof {
namespace {

struct Heads {
  const char* name;
  int heads, kv_heads, head_dim;
  std::int64_t window;
  double softcap;
  bool alibi = false, sinks = false;
};
constexpr std::array kHeads{Heads{"multi_head", 4, 4, 16, 0, 0.0}, Heads{"grouped", 6, 2, 20, 0, 0.0},
                            Heads{"window", 4, 2, 32, 5, 0.0}, Heads{"softcap", 4, 2, 16, 0, 3.0},
                            Heads{"all_of_it", 6, 2, 20, 7, 2.0},
                            Heads{"alibi", 6, 2, 20, 0, 0.0, true, false}, Heads{"sinks", 6, 2, 20, 7, 0.0, false, true},
                            Heads{"alibi_and_sinks", 4, 2, 16, 0, 3.0, true, true}};

/// Which of the 21 positions are in this step, and which came before.
struct Part {
  const char* name;
  std::int32_t past, rows;
};
constexpr std::array kParts{Part{"prefill", 0, 21}, Part{"chunk", 15, 6}, Part{"decode", 20, 1}};

constexpr std::int32_t kPositions = 21;
const std::vector<std::int32_t> kPages{7, 2, 0, 8, 3, 5};  // of 4 positions each; 1, 4 and 6 stay free

/// One sequence of 21 positions in two layers, whose keys, values and queries depend on the position alone.
class Paged {
 public:
  Paged(Ops& ops, const Heads& heads, const Part& part) : ops_(ops) {
    args = {.heads = heads.heads,
            .kv_heads = heads.kv_heads,
            .head_dim = heads.head_dim,
            .scale = 1.0 / std::sqrt(heads.head_dim),
            .window = heads.window,
            .softcap = heads.softcap};
    for (int head = 1; heads.alibi && head <= heads.heads; ++head)
      args.alibi_slopes.push_back(std::exp2(-8.0 * head / heads.heads));
    if (heads.sinks) {
      sinks_ = load(ops, stored(DType::f32, {heads.heads}, normals(heads.heads, 25)));
      args.sinks = &sinks_;
    }
    auto made = ops.make_kv_store(
        {.layers = 2, .kv_heads = heads.kv_heads, .head_dim = heads.head_dim, .page_tokens = 4, .pages = 9});
    if (!made) throw std::runtime_error(describe(made.error()));
    store = *std::move(made);
    if (part.past > 0) write(0, part.past);
    write(part.past, part.rows);
    step.sequences = {{.first_row = 0, .rows = part.rows, .past = part.past, .pages = kPages}};
    q = positions(part.past, part.rows, heads.heads, 24);
  }

  std::unique_ptr<KvStore> store;
  Batch step;
  AttentionArgs args;
  Tensor q;

  Tensor attention() { return ops_.attention(q, *store, 1, step, args); }

 private:
  void write(std::int32_t first, std::int32_t count) {
    Batch batch;
    batch.sequences = {{.first_row = 0, .rows = count, .past = first, .pages = kPages}};
    for (const int layer : {0, 1}) {
      const auto stream = static_cast<std::uint64_t>(30 + 2 * layer);
      ops_.kv_write(*store, layer, positions(first, count, args.kv_heads, stream),
                    positions(first, count, args.kv_heads, stream + 1), batch);
    }
  }
  Tensor positions(std::int32_t first, std::int32_t count, int heads, std::uint64_t stream) const {
    const std::int64_t width = std::int64_t{heads} * args.head_dim;
    const Numbers all = normals(kPositions * width, stream);
    const auto begin = all.begin() + first * width;
    return activation(ops_, {count, heads, args.head_dim}, {begin, begin + count * width});
  }

  Ops& ops_;
  Weight sinks_;
};

void prove_steps(Proof& proof) {
  for (const Heads& heads : kHeads)
    for (const Part& part : kParts) {
      const std::string which = format("{}.{}", heads.name, part.name);
      proof.near("kv_cache", format("attention.{}", which), kSum, [&](Ops& ops) {
        return to_f64(Paged(ops, heads, part).attention());
      });
      proof.near("activations", format("attention_scores.{}", which), kSum, [&](Ops& ops) {
        Paged paged(ops, heads, part);
        return to_f64(ops.attention_scores(paged.q, *paged.store, 1, paged.step, 0, paged.args));
      });
      proof.near("activations", format("attention_pattern.{}", which), kSum, [&](Ops& ops) {
        Paged paged(ops, heads, part);
        return to_f64(ops.attention_pattern(paged.q, *paged.store, 1, paged.step, 0, paged.args));
      });
    }
}

void prove_pages(Proof& proof) {
  proof.same("kv_cache", "kv.copied_page_holds_every_layer", [](Ops& ops) {
    Paged paged(ops, kHeads[1], kParts[1]);
    const Numbers before = to_f64(paged.attention());
    if (const auto copied = paged.store->copy_page(2, 6); !copied) throw std::runtime_error(describe(copied.error()));
    paged.step.sequences[0].pages[1] = 6;
    return std::pair{to_f64(paged.attention()), before};
  });
  proof.near("kv_cache", "kv.two_sequences_share_a_step", kSum, [](Ops& ops) {
    Paged paged(ops, kHeads[1], kParts[1]);
    // The second one sees the first ten positions only, through a fork of the pages.
    paged.step.sequences = {{.first_row = 0, .rows = 4, .past = 15, .pages = kPages},
                            {.first_row = 4, .rows = 2, .past = 8, .pages = {7, 2, 0}}};
    return to_f64(paged.attention());
  });
  for (const Heads& heads : {kHeads[1], kHeads[4], kHeads[7]})  // single rows of several lengths: batched decoding
    proof.near("kv_cache", format("kv.{}.sequences_decode_together", heads.name), kSum, [&](Ops& ops) {
      Paged paged(ops, heads, kParts[1]);
      paged.step.sequences = {{.first_row = 0, .rows = 1, .past = 20, .pages = kPages},
                              {.first_row = 1, .rows = 1, .past = 13, .pages = kPages},
                              {.first_row = 2, .rows = 1, .past = 17, .pages = kPages}};
      paged.q = paged.q.rows(0, 3);
      return to_f64(paged.attention());
    });
  proof.near("kv_cache", "kv.rows_of_no_sequence_are_zero", kSum, [](Ops& ops) {
    Paged paged(ops, kHeads[0], kParts[1]);
    paged.step.sequences[0].rows = 2;
    return to_f64(paged.attention());
  });
  proof.refuses("kv_cache", "kv.refuses_a_page_that_is_not_there", ErrorCode::internal, [](Ops& ops) {
    Paged paged(ops, kHeads[0], kParts[1]);
    paged.step.sequences[0].pages[0] = 9;
    paged.attention();
  });
}

}  // namespace

void prove_attention(Proof& proof) {
  prove_steps(proof);
  prove_pages(proof);
}

}  // namespace vauban::proof
