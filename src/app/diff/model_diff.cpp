#include "app/diff/model_diff.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "app/diff/canonical_tensors.h"
#include "app/open.h"
#include "evidence/weights/weight_change.h"

namespace vauban {
namespace {

bool names_model(const std::string& argument) {
  const std::filesystem::path path(argument);
  if (std::filesystem::is_directory(path)) return std::filesystem::exists(path / "config.json");
  if (std::filesystem::exists(path)) return path.extension() == ".gguf" || path.extension() == ".safetensors";
  return open_source(argument).has_value();  // an embedded model, or one with an adapter
}

// ---- configuration

/// What can be told of any container.
Json typed_config(const ModelConfig& c) {
  return Json::object({{"architecture", c.architecture}, {"vocab_size", c.vocab_size}, {"width", c.width}, {"mlp_width", c.mlp_width},
                       {"layers", c.layers}, {"heads", c.heads}, {"kv_heads", c.kv_heads}, {"head_dim", c.head_dim},
                       {"context_length", c.context_length}, {"window", c.window}, {"norm_epsilon", c.norm_epsilon},
                       {"rope_theta", c.rope_theta}, {"tied_head", c.tied_head}, {"bos_id", c.bos_id}, {"eos_ids", Json(c.eos_ids)}});
}

void add_changes(Json& changes, const Json& a, const Json& b, const std::string& prefix) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.entries()) keys.insert(key);
  for (const auto& [key, value] : b.entries()) keys.insert(key);
  for (const std::string& key : keys) {
    const Json *left = a.find(key), *right = b.find(key);
    if (left && right && *left == *right) continue;
    if (left && right && left->is_object() && right->is_object()) {
      add_changes(changes, *left, *right, prefix + key + ".");
      continue;
    }
    changes.push_back(Json::object({{"key", prefix + key}, {"a", left ? *left : Json()}, {"b", right ? *right : Json()}}));
  }
}

Json metadata_without_vocabulary(const ModelSource& source) {
  Json out = Json::object();
  for (const auto& [key, value] : source.file->metadata().entries())
    if (!key.starts_with("tokenizer.")) out[key] = value;
  return out;
}

/// Folders by the keys of their files, two GGUFs by theirs, a folder and a GGUF by what both say.
Json config_diff(const CanonicalTensors& a, const CanonicalTensors& b) {
  Json changes = Json::array();
  const bool a_gguf = a.source().is_gguf(), b_gguf = b.source().is_gguf();
  if (a_gguf && b_gguf) {
    add_changes(changes, metadata_without_vocabulary(a.source()), metadata_without_vocabulary(b.source()), "");
  } else if (!a_gguf && !b_gguf) {
    add_changes(changes, a.source().config, b.source().config, "");
    add_changes(changes, a.source().generation_config, b.source().generation_config, "generation_config.");
  } else {
    add_changes(changes, typed_config(a.config()), typed_config(b.config()), "");
  }
  const bool equal = changes.size() == 0;
  return Json::object({{"equal", equal}, {"compared", a_gguf == b_gguf ? "files" : "values"}, {"changed", std::move(changes)}});
}

// ---- tokenizer and template

constexpr std::size_t kListed = 50;  // tokens of a kind

Result<Json> tokenizer_diff(const ModelSource& a, const ModelSource& b) {
  VB_TRY(const auto left, load_tokenizer(a));
  VB_TRY(const auto right, load_tokenizer(b));
  Json out = Json::object({{"digest_a", left ? Json(left->digest()) : Json()}, {"digest_b", right ? Json(right->digest()) : Json()}});
  if (!left || !right) {
    out["equal"] = !left && !right;
    return out;
  }
  std::int64_t added = 0, removed = 0, renumbered = 0;
  Json in_a = Json::array(), in_b = Json::array(), moved = Json::array();
  const auto walk = [](const Tokenizer& from, const Tokenizer& to, const auto& absent, const auto& elsewhere) {
    for (std::int32_t id = 0; id < from.vocab_size(); ++id) {
      const auto piece = from.piece(id);
      if (!piece || to.piece(id).value_or("") == *piece) continue;
      if (const auto other = to.id_of(*piece))
        elsewhere(*piece, id, *other);
      else
        absent(*piece, id);
    }
  };
  walk(*left, *right,
       [&](const std::string& piece, std::int32_t id) {
         if (static_cast<std::size_t>(removed++) < kListed) in_a.push_back(Json::object({{"piece", piece}, {"id", id}}));
       },
       [&](const std::string& piece, std::int32_t id, std::int32_t other) {
         if (static_cast<std::size_t>(renumbered++) < kListed) moved.push_back(Json::object({{"piece", piece}, {"a", id}, {"b", other}}));
       });
  walk(*right, *left,
       [&](const std::string& piece, std::int32_t id) {
         if (static_cast<std::size_t>(added++) < kListed) in_b.push_back(Json::object({{"piece", piece}, {"id", id}}));
       },
       [](const std::string&, std::int32_t, std::int32_t) {});
  // The digest covers merges and rules; those of two containers may differ where the vocabulary does not.
  out["equal"] = left->digest() == right->digest();
  out["same_tokens"] = added + removed + renumbered == 0;
  out["vocab_size_a"] = left->vocab_size();
  out["vocab_size_b"] = right->vocab_size();
  out["n_added"] = added;
  out["n_removed"] = removed;
  out["n_renumbered"] = renumbered;
  out["added"] = std::move(in_b);
  out["removed"] = std::move(in_a);
  out["renumbered"] = std::move(moved);
  return out;
}

Result<Json> template_diff(const ModelSource& a, const ModelSource& b) {
  VB_TRY(const auto left, load_chat_template(a));
  VB_TRY(const auto right, load_chat_template(b));
  const Json messages = Json::array({Json::object({{"role", "user"}, {"content", "A question."}}),
                                     Json::object({{"role", "assistant"}, {"content", "An answer."}}),
                                     Json::object({{"role", "user"}, {"content", "Another question."}})});
  const auto rendered = [&](const auto& chat) -> Json {
    if (!chat) return {};
    const auto text = chat->render(chat_variables(messages, true, "<bos>", "<eos>"), {.now = std::chrono::system_clock::time_point{}});
    return text ? Json(*text) : Json(describe(text.error()));
  };
  const Json text_a = rendered(left), text_b = rendered(right);
  return Json::object({{"equal", (!left && !right) || (left && right && left->digest() == right->digest())},
                       {"digest_a", left ? Json(left->digest()) : Json()}, {"digest_b", right ? Json(right->digest()) : Json()},
                       {"renders_equal", text_a == text_b}, {"rendered_a", text_a}, {"rendered_b", text_b}});
}

// ---- tensors

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json row_of(const std::string& name, const CanonicalTensors::Values& a, const CanonicalTensors::Values& b, const WeightChange& change) {
  const auto& spectrum = change.spectrum;
  return Json::object({{"name", name},
                       {"dtype_a", to_string(a.dtype)},
                       {"dtype_b", to_string(b.dtype)},
                       {"shape", Json(std::vector<std::int64_t>(a.shape.dims().begin(), a.shape.dims().end()))},
                       {"values", change.values},
                       {"changed", change.changed},
                       {"nonfinite", change.nonfinite},
                       {"norm_a", change.norm_a},
                       {"norm_b", change.norm_b},
                       {"norm_delta", change.norm_delta},
                       {"relative", number(change.relative)},
                       {"cosine", number(change.cosine)},
                       {"max_abs", change.max_abs},
                       {"rms", change.rms},
                       {"sign_flips", number(change.sign_flips)},
                       {"sigma_1", spectrum ? Json(spectrum->sigma_1) : Json()},
                       {"effective_rank", spectrum ? Json(spectrum->effective_rank) : Json()},
                       {"energy_top_1", spectrum ? Json(spectrum->energy_top_1) : Json()},
                       {"energy_top_8", spectrum ? Json(spectrum->energy_top_8) : Json()},
                       {"energy_found", spectrum ? Json(spectrum->energy_found) : Json()}});
}

struct Totals {
  std::int64_t changed_tensors = 0, values = 0, changed_values = 0;
  double squared_a = 0.0, squared_delta = 0.0;
};

/// Names of either side, sorted; a tied head only where the other side has one of its own.
std::set<std::string> names_of(const CanonicalTensors& a, const CanonicalTensors& b) {
  std::set<std::string> names(a.names().begin(), a.names().end());
  names.insert(b.names().begin(), b.names().end());
  return names;
}

Result<Json> tensors_diff(CanonicalTensors& a, CanonicalTensors& b, Json& unpaired, Totals& totals, Session& session) {
  Json rows = Json::array();
  const std::set<std::string> names = names_of(a, b);
  std::uint64_t done = 0;
  for (const std::string& name : names) {
    VB_CHECK(session.context().cancel.check());
    session.context().progress.update("diff", done++, names.size(), "tensors");
    if (!a.has(name) || !b.has(name)) {
      unpaired.push_back(Json::object({{"name", name}, {"in", a.has(name) ? "a" : "b"}, {"reason", "the other model has no such tensor"}}));
      continue;
    }
    VB_TRY(const CanonicalTensors::Values left, a.read(name));
    VB_TRY(const CanonicalTensors::Values right, b.read(name));
    if (left.shape != right.shape) {
      unpaired.push_back(Json::object({{"name", name}, {"in", "both"}, {"reason", format("shapes {} and {}", left.shape.to_string(), right.shape.to_string())}}));
      continue;
    }
    const std::int64_t rows_n = left.shape.rank() < 2 ? 1 : left.shape.rows();
    VB_TRY(const WeightChange change, weight_change(left.values, right.values, rows_n, left.shape.elements() / std::max<std::int64_t>(rows_n, 1)), "in tensor '{}'", name);
    totals.changed_tensors += change.changed > 0 || change.nonfinite > 0;
    totals.values += change.values;
    totals.changed_values += change.changed;
    totals.squared_a += change.norm_a * change.norm_a;
    totals.squared_delta += change.norm_delta * change.norm_delta;
    rows.push_back(row_of(name, left, right, change));
  }
  session.context().progress.finish("diff");
  return rows;
}

std::string cell(const Json& row, const char* key) {
  const Json* value = row.find(key);
  if (!value || value->is_null()) return "-";
  return value->is_integer() ? std::to_string(value->as_int()) : format("{:.4g}", value->as_double());
}

}  // namespace

bool names_models(const DiffConfig& config) { return names_model(config.a) && names_model(config.b); }

Result<Json> diff_models(const DiffConfig& config, Session& session) {
  for (const auto& [given, name] : {std::pair{config.suite.has_value(), "--suite"}, {config.out.has_value(), "--out"}, {!config.role.empty(), "--role"},
                                    {config.claim_strength.has_value(), "--claim-strength"}})
    if (given) return with_hint(invalid_input("{}: two models are compared, not two sets of answers", name), "`vauban audit A B --suite S` compares their answers");
  VB_TRY(const auto a, CanonicalTensors::open(config.a, session));
  VB_TRY(const auto b, CanonicalTensors::open(config.b, session));
  Json unpaired = Json::array();
  Totals totals;
  VB_TRY(Json tensors, tensors_diff(*a, *b, unpaired, totals, session));
  if (tensors.size() == 0 && unpaired.size() > 0)
    return unsupported("'{}' ({}) and '{}' ({}) have no tensor in common", config.a, a->config().architecture, config.b, b->config().architecture);
  VB_TRY(Json tokenizer, tokenizer_diff(a->source(), b->source()));
  VB_TRY(Json chat, template_diff(a->source(), b->source()));
  const Json relative = totals.squared_a > 0.0 ? Json(std::sqrt(totals.squared_delta / totals.squared_a)) : Json();
  Json summary = Json::object({{"tensors", tensors.size()}, {"changed_tensors", totals.changed_tensors}, {"values", totals.values},
                               {"changed_values", totals.changed_values}, {"relative", relative}});
  return Json::object({{"kind", "models"}, {"a", config.a}, {"b", config.b},
                       {"digest_a", a->source().file->digest()}, {"digest_b", b->source().file->digest()},
                       {"config", config_diff(*a, *b)}, {"tokenizer", std::move(tokenizer)}, {"template", std::move(chat)},
                       {"tensors", std::move(tensors)}, {"unpaired", std::move(unpaired)}, {"summary", std::move(summary)},
                       {"metrics", Json::array()}});
}

std::string render_model_diff(const Json& report) {
  const auto equal = [&](const char* part) { return report.find(part)->find("equal")->as_bool() ? "equal" : "different"; };
  const Json* same_tokens = report.find("tokenizer")->find("same_tokens");
  const bool same = same_tokens && same_tokens->as_bool() && !report.find("tokenizer")->find("equal")->as_bool();
  std::string out = format("tokenizer  {}\ntemplate   {}\nconfig     {}\n", same ? "the same tokens, other rules or another container" : equal("tokenizer"),
                           equal("template"), equal("config"));
  for (const Json& change : report.find("config")->find("changed")->items())
    out += format("  {:<40} {} -> {}\n", change.find("key")->as_string(), change.find("a")->dump().value_or("?"), change.find("b")->dump().value_or("?"));
  const Json& summary = *report.find("summary");
  out += format("tensors    {} of {} changed, {} of {} values, |B - A| / |A| = {}\n", cell(summary, "changed_tensors"), cell(summary, "tensors"),
                cell(summary, "changed_values"), cell(summary, "values"), cell(summary, "relative"));
  out += format("  {:<52} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9}\n", "name", "relative", "cosine", "max |d|", "flips", "sigma 1", "eff. rank");
  for (const Json& row : report.find("tensors")->items())
    if (row.find("changed")->as_int() > 0 || row.find("nonfinite")->as_int() > 0)
      out += format("  {:<52} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9}\n", row.find("name")->as_string(), cell(row, "relative"), cell(row, "cosine"),
                    cell(row, "max_abs"), cell(row, "sign_flips"), cell(row, "sigma_1"), cell(row, "effective_rank"));
  for (const Json& row : report.find("unpaired")->items())
    out += format("  {:<52} not compared: {}\n", row.find("name")->as_string(), row.find("reason")->as_string());
  return out;
}

}  // namespace vauban
