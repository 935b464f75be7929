#include "model/decoder/mla.h"

#include <utility>

#include "model/decoder/description.h"

namespace vauban {
namespace {

class Mla final : public Block {
 public:
  explicit Mla(const MlaSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  std::int64_t key_width() const { return spec_.plain + spec_.rotary; }
  Tensor queries(Ops& ops, const Tensor& x) const;
  struct Expanded {
    Tensor keys, values;  ///< (T * H, plain) (T * H, value)
  };
  Expanded expanded(Ops& ops, const Tensor& narrow) const;
  Tensor each_head(Ops& ops, const std::vector<Weight>& heads, const Tensor& narrow, std::int64_t width) const;
  Result<void> load_queries(const BlockLoader& loader);
  Result<void> load_keys_and_values(const BlockLoader& loader);

  MlaSpec spec_;
  RopeSpec rope_;
  Linear q_, q_narrow_, kv_narrow_, kv_, o_;  // (H*k, D or q_rank) (q_rank, D) (kv_rank + rotary, D) (H*(plain+v), kv_rank) (D, H*v)
  std::vector<Weight> k_heads_, v_heads_;     // (plain, kv_rank) (v, kv_rank), where the file keeps them apart
  Norm q_norm_, kv_norm_;
};

// ---- forward

Tensor Mla::queries(Ops& ops, const Tensor& x) const {
  return spec_.q_rank > 0 ? q_(ops, q_norm_(ops, q_narrow_(ops, x))) : q_(ops, x);
}

Tensor Mla::each_head(Ops& ops, const std::vector<Weight>& heads, const Tensor& narrow, std::int64_t width) const {
  std::vector<Tensor> parts;
  for (const Weight& head : heads) parts.push_back(ops.linear(narrow, head));
  return ops.join_columns(parts, spec_.heads * width).reshaped({narrow.shape().rows() * spec_.heads, width});
}

Mla::Expanded Mla::expanded(Ops& ops, const Tensor& narrow) const {
  if (spec_.split_in_gguf)
    return {each_head(ops, k_heads_, narrow, spec_.plain), each_head(ops, v_heads_, narrow, spec_.value)};
  const Tensor both = kv_(ops, narrow).reshaped({narrow.shape().rows() * spec_.heads, spec_.plain + spec_.value});
  return {ops.columns(both, 0, spec_.plain), ops.columns(both, spec_.plain, spec_.value)};
}

Tensor Mla::operator()(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  const std::int64_t rows = x.shape().rows(), heads = spec_.heads, width = key_width();
  const Tensor both = kv_narrow_(ops, x);  // (T, kv_rank + rotary)
  const Tensor narrow = kv_norm_(ops, ops.columns(both, 0, spec_.kv_rank));
  const Expanded kv = expanded(ops, narrow);
  const auto [plain, values] = kv;

  const Tensor q = tap.at(Site::q, layer, split_heads(queries(ops, x), heads, width)).reshaped({rows * heads, width});
  const Tensor q_rotary = ops.columns(q, spec_.plain, spec_.rotary).reshaped({rows, heads, spec_.rotary});
  const Tensor k_rotary = ops.columns(both, spec_.kv_rank, spec_.rotary).reshaped({rows, 1, spec_.rotary});
  const std::vector<Tensor> turned_q{ops.columns(q, 0, spec_.plain),
                                     rotate(step, q_rotary, rope_).reshaped({rows * heads, spec_.rotary})};
  const std::vector<Tensor> shared(static_cast<std::size_t>(heads), rotate(step, k_rotary, rope_).reshaped({rows, spec_.rotary}));
  const std::vector<Tensor> turned_k{plain, ops.join_columns(shared, heads * spec_.rotary).reshaped({rows * heads, spec_.rotary})};

  const Tensor v = tap.at(Site::v, layer, values.reshaped({rows, heads, spec_.value})).reshaped({rows * heads, spec_.value});
  const Tensor q_rot = tap.at(Site::q_rot, layer, ops.join_columns(turned_q, width).reshaped({rows, heads, width}));
  const Tensor k_rot = tap.at(Site::k_rot, layer, ops.join_columns(turned_k, width).reshaped({rows, heads, width}));
  const std::vector<Tensor> padded{v};
  ops.kv_write(store, layer, k_rot, ops.join_columns(padded, width).reshaped({rows, heads, width}), batch);
  show_attention(step, q_rot, spec_.args);
  const Tensor z = ops.attention(q_rot, store, layer, batch, spec_.args).reshaped({rows * heads, width});
  const Tensor seen = ops.columns(z, 0, spec_.value).reshaped({rows, heads, spec_.value});
  return o_(ops, join_heads(tap.at(Site::z, layer, seen)));
}

// ---- weights

Result<void> Mla::load_queries(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  const std::int64_t rows = spec_.heads * key_width();
  if (spec_.q_rank == 0) {
    VB_TRY(q_, weights.linear(loader.matrix(names.q, rows, width), false));
    return ok();
  }
  VB_TRY(q_narrow_, weights.linear(loader.matrix(names.q_narrow, spec_.q_rank, width), spec_.bias));
  VB_TRY(q_norm_, Norm::load(spec_.norm, loader.module(names.q_narrow_norm, {spec_.q_rank}), weights));
  VB_TRY(q_, weights.linear(loader.matrix(names.q_wide, rows, spec_.q_rank), false));
  return ok();
}

Result<void> Mla::load_keys_and_values(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  VB_TRY(kv_narrow_, weights.linear(loader.matrix(names.kv_narrow, spec_.kv_rank + spec_.rotary, width), spec_.bias));
  VB_TRY(kv_norm_, Norm::load(spec_.norm, loader.module(names.kv_narrow_norm, {spec_.kv_rank}), weights));
  if (!spec_.split_in_gguf) {
    VB_TRY(kv_, weights.linear(loader.matrix(names.kv_wide, spec_.heads * (spec_.plain + spec_.value), spec_.kv_rank), false));
    return ok();
  }
  const auto whole = std::make_shared<const TensorSpec>(
      weight_of(loader.matrix(names.kv_wide, spec_.heads * (spec_.plain + spec_.value), spec_.kv_rank)));
  for (std::int64_t head = 0; head < spec_.heads; ++head) {
    const auto of_head = [&](const ModuleName& name, std::int64_t rows, bool transposed) {
      TensorSpec spec = weight_of(loader.module(name, {rows, spec_.kv_rank}));
      spec.hf_whole = whole;
      spec.hf_first = head * (spec_.plain + spec_.value) + (transposed ? 0 : spec_.plain);
      spec.gguf_stack = {.index = head, .count = spec_.heads};
      spec.gguf_transposed = transposed;
      return weights.get(spec);
    };
    VB_TRY(Weight key, of_head(names.k_wide, spec_.plain, true));
    VB_TRY(Weight value, of_head(names.v_wide, spec_.value, false));
    k_heads_.push_back(std::move(key));
    v_heads_.push_back(std::move(value));
  }
  return ok();
}

Result<void> Mla::load(const BlockLoader& loader) {
  rope_ = loader.decoder.ropes.front();
  VB_CHECK(load_queries(loader));
  VB_CHECK(load_keys_and_values(loader));
  VB_TRY(o_, loader.weights.linear(loader.matrix(loader.names.o, loader.width, spec_.heads * spec_.value), spec_.bias));
  return ok();
}

void Mla::visit_weights(const WeightVisitor& visit) {
  if (spec_.q_rank > 0) {
    q_narrow_.visit_weights(visit);
    q_norm_.visit_weights(visit);
  }
  q_.visit_weights(visit);
  kv_narrow_.visit_weights(visit);
  kv_norm_.visit_weights(visit);
  if (!spec_.split_in_gguf) kv_.visit_weights(visit);
  for (Weight& head : k_heads_) visit(head);
  for (Weight& head : v_heads_) visit(head);
  o_.visit_weights(visit);
}

}  // namespace

Result<std::unique_ptr<Block>> MlaSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<Mla>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

void MlaSpec::add_sites(std::vector<Site>& sites) const {
  sites.insert(sites.end(), {Site::q, Site::v, Site::q_rot, Site::k_rot, Site::attn_scores, Site::attn_pattern, Site::z});
}

void MlaSpec::add_ops(std::vector<Op>& ops) const {
  ops.insert(ops.end(), {Op::linear, Op::attention, Op::rope, Op::columns, Op::join_columns, op_of(norm.kind)});
}

BlockDescription MlaSpec::describe(const DecoderSpec& decoder, std::int64_t) const {
  // What the store keeps: keys, and values padded to their width.
  BlockDescription out{.kind = "attention", .title = "latent attention", .kept_per_token = 2 * heads * (plain + rotary),
                       .window = args.window};
  out.add("heads", heads, format("{} heads, keys {} + {}, values {}", heads, plain, rotary, value));
  out.add("key_width", plain + rotary);
  out.add("rotary_width", rotary);
  out.add("value_width", value);
  out.add("kv_rank", kv_rank, format("keys and values through {}", kv_rank));
  out.add("q_rank", q_rank > 0 ? Json(q_rank) : Json(), q_rank > 0 ? format("queries through {}", q_rank) : "");
  out.add("rope", rope_json(decoder.ropes.front()), "RoPE " + rope_text(decoder.ropes.front()));
  out.add("scale", args.scale);
  out.add("bias", bias, bias ? "biases" : "");
  return out;
}

}  // namespace vauban
