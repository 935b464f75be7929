// llama.cpp's rules for the matrices that a recipe treats better or worse than the rest, by what they do and in which layer.
//
// Layers are counted by the number in the name. llama.cpp counts the tensors that it meets, which is the same for every
// layer that has one down projection; in mixtures of experts it reads the number too, except in the 1 and 2 bit recipes.
#include <algorithm>

#include "transform/quantize/recipes.h"

namespace vauban {
namespace {

enum class Kind { head, embedding, query, key, value, attention_output, up, gate, down, other };

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

Kind kind_of(std::string_view name) {
  if (name == "output.weight") return Kind::head;
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight") return Kind::embedding;
  if (is_value_projection(name)) return Kind::value;
  if (contains(name, "attn_k.weight")) return Kind::key;
  if (contains(name, "attn_q.weight")) return Kind::query;
  if (contains(name, "attn_output.weight")) return Kind::attention_output;
  if (contains(name, "ffn_up")) return Kind::up;
  if (contains(name, "ffn_gate")) return Kind::gate;
  if (contains(name, "ffn_down")) return Kind::down;
  return Kind::other;
}

template <class... Types>
constexpr bool one_of(FileType type, Types... types) {
  return ((type == types) || ...);
}

/// The recipes of one and two bits by point sets, which share a set of rules.
constexpr bool is_lowest(FileType type) {
  return one_of(type, FileType::iq1_s, FileType::iq1_m, FileType::iq2_xxs, FileType::iq2_xs, FileType::iq2_s, FileType::iq2_m);
}
constexpr bool is_iq2_s_or_m(FileType type) { return one_of(type, FileType::iq2_s, FileType::iq2_m); }

/// The first eighth, the last eighth and every third between (transforms.md 2.3).
bool more_bits(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

struct Rules {
  const RecipeContext& c;
  FileType type;
  DType plain;

  bool wide_groups() const { return c.kv_heads > 0 && c.heads / c.kv_heads >= 4; }
  bool eight_experts() const { return c.experts == 8; }

  DType head(const Shape& shape) const {
    if (type == FileType::mxfp4_moe || c.is_falcon || shape.width() % info(plain).block != 0) return DType::q8_0;
    if (is_lowest(type) || type == FileType::iq3_xxs) return DType::q5_k;
    return plain == DType::q8_0 ? DType::q8_0 : DType::q6_k;
  }

  DType embedding() const {
    if (one_of(type, FileType::iq2_xxs, FileType::iq2_xs, FileType::iq1_s, FileType::iq1_m)) return DType::q2_k;
    if (is_iq2_s_or_m(type) || type == FileType::iq3_xxs) return DType::iq3_s;
    if (one_of(type, FileType::tq1_0, FileType::tq2_0)) return DType::q4_k;
    return plain;
  }

  DType lowest(Kind kind, int layer) const {
    const DType better = is_iq2_s_or_m(type) ? DType::iq3_s : DType::q2_k;
    switch (kind) {
      case Kind::value: return wide_groups() || c.experts >= 4 ? DType::q4_k : better;
      case Kind::key: return eight_experts() ? DType::q4_k : plain;
      case Kind::down: return layer < c.layers / 8 ? better : plain;
      case Kind::attention_output:
        if (eight_experts()) return DType::q5_k;
        if (one_of(type, FileType::iq1_s, FileType::iq1_m)) return DType::iq2_xxs;
        return is_iq2_s_or_m(type) ? DType::iq3_s : plain;
      default: return plain;
    }
  }

  DType value_of_recipe(int rank) const {
    const int n = static_cast<int>(c.value_layers.size());
    switch (type) {
      case FileType::q2_k: return wide_groups() ? DType::q4_k : DType::q3_k;
      case FileType::q2_k_s:
      case FileType::iq3_xs:
      case FileType::iq3_s: return wide_groups() ? DType::q4_k : plain;
      case FileType::iq3_xxs: return wide_groups() ? DType::q4_k : c.has_importance ? DType::iq3_xxs : DType::iq3_s;
      case FileType::iq3_m: return DType::q4_k;
      case FileType::q3_k_m: return rank < 2 ? DType::q5_k : DType::q4_k;
      case FileType::q3_k_l: return DType::q5_k;
      case FileType::iq4_nl:
      case FileType::iq4_xs: return wide_groups() ? DType::q5_k : plain;
      case FileType::q4_k_m:
      case FileType::q5_k_m: return more_bits(rank, n) ? DType::q6_k : plain;
      case FileType::q4_k_s: return rank < 4 ? DType::q5_k : plain;
      default: return plain;
    }
  }

  /// Small beside the rest where eight query heads share one: cheap to keep better.
  DType value(int layer) const {
    if (eight_experts()) return DType::q8_0;
    const auto rank = std::ranges::lower_bound(c.value_layers, layer) - c.value_layers.begin();
    const DType chosen = value_of_recipe(static_cast<int>(rank));
    const bool is_70b = c.is_llama && c.layers == 80 && c.heads != c.kv_heads;
    return is_70b && (chosen == DType::q3_k || chosen == DType::q4_k) ? DType::q5_k : chosen;
  }

  DType query_or_key(Kind kind) const {
    if (kind == Kind::key && eight_experts()) return DType::q8_0;
    if (type == FileType::iq3_xs) return DType::iq3_xxs;
    return type == FileType::iq3_xxs ? DType::iq2_s : plain;
  }

  DType down(int layer) const {
    const int n = c.layers;
    const bool early = layer < n / 8, more = more_bits(layer, n);
    switch (type) {
      case FileType::q2_k: return DType::q3_k;
      case FileType::q2_k_s: return early ? DType::q4_k : plain;
      case FileType::iq3_xxs: return c.has_importance ? plain : early ? DType::q4_k : DType::q3_k;
      case FileType::q3_k_m: return layer < n / 16 ? DType::q5_k : !c.is_falcon || more ? DType::q4_k : DType::q3_k;
      case FileType::iq3_m: return early || (eight_experts() && more) ? DType::q4_k : plain;
      case FileType::q3_k_l: return c.is_falcon ? DType::q4_k : DType::q5_k;
      case FileType::q4_k_m:
        if (c.is_falcon) return layer < n / 16 ? DType::q6_k : more ? DType::q5_k : DType::q4_k;
        return more ? DType::q6_k : plain;
      case FileType::iq4_nl:
      case FileType::iq4_xs: return early && !c.has_importance ? DType::q5_k : plain;
      case FileType::q5_k_m: return more ? DType::q6_k : plain;
      case FileType::q4_k_s: return !c.is_falcon && early ? DType::q5_k : plain;
      case FileType::q4_0: return c.has_importance && early ? DType::q4_1 : plain;
      case FileType::q5_0: return c.has_importance && early ? DType::q5_1 : plain;
      default: return plain;
    }
  }

  DType attention_output() const {
    if (c.is_falcon) return type == FileType::q3_k_l ? DType::q4_k : plain;
    if (eight_experts())
      return one_of(type, FileType::q2_k, FileType::iq3_xs, FileType::iq3_xxs, FileType::q3_k_s, FileType::q3_k_m, FileType::iq4_nl,
                    FileType::q4_k_s, FileType::q4_k_m, FileType::iq3_s, FileType::iq3_m, FileType::iq4_xs)
                 ? DType::q5_k
                 : plain;
    switch (type) {
      case FileType::q2_k: return DType::q3_k;
      case FileType::iq3_xxs: return DType::iq3_s;
      case FileType::q3_k_m:
      case FileType::iq3_m: return DType::q4_k;
      case FileType::q3_k_l: return DType::q5_k;
      default: return plain;
    }
  }

  DType up_or_gate(int layer) const {
    const bool middle = layer >= c.layers / 8 && layer < 7 * c.layers / 8;
    return type == FileType::iq3_xs && middle ? DType::iq3_xxs : plain;
  }
};

}  // namespace

bool is_value_projection(std::string_view name) {
  return contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight") || contains(name, "attn_kv_b.weight");
}

DType type_in_mixture(const RecipeContext& context, std::string_view name, const Shape& shape) {
  const Rules rules{context, context.recipe->file_type, context.recipe->matrices};
  const Kind kind = kind_of(name);
  const int layer = layer_of(name);
  if (kind == Kind::head || (kind == Kind::embedding && context.tied_head)) return rules.head(shape);
  if (rules.type == FileType::mxfp4_moe) return shape.rank() > 2 ? DType::mxfp4 : DType::q8_0;
  if (kind == Kind::embedding) return rules.embedding();
  if (is_lowest(rules.type)) return rules.lowest(kind, layer);
  switch (kind) {
    case Kind::value: return rules.value(layer);
    case Kind::query:
    case Kind::key: return rules.query_or_key(kind);
    case Kind::down: return rules.down(layer);
    case Kind::attention_output: return rules.attention_output();
    case Kind::up:
    case Kind::gate: return rules.up_or_gate(layer);
    default: return rules.plain;
  }
}

}  // namespace vauban
