#include "app/check/merge_laws.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/json_file.h"
#include "base/strings.h"
#include "text/fields.h"
#include "text/models/merges.h"

namespace vauban {
namespace {

/// One in a hundred; of a small vocabulary four, where that is at most one in twenty.
bool is_law(std::size_t exceptions, std::size_t cases) { return exceptions <= std::max(cases / 100, std::min<std::size_t>(4, cases / 20)); }

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_byte_token(std::string_view token) { return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">"); }

void set_token(MergeTable& table, std::size_t id, const std::string& text, bool elsewhere) {
  if (id >= (std::size_t{1} << 24)) return;  // no vocabulary is as large; the loader has refused it
  if (id >= table.tokens.size()) {
    table.tokens.resize(id + 1);
    table.made_elsewhere.resize(id + 1, true);
  }
  table.tokens[id] = text;
  table.made_elsewhere[id] = elsewhere;
}

void add_merge(MergeTable& table, const std::map<std::string, std::int64_t, std::less<>>& ids, std::string left, std::string right,
               std::string_view continuing) {
  std::string product = left + (!continuing.empty() && right.starts_with(continuing) ? right.substr(continuing.size()) : right);
  const auto found = ids.find(product);
  table.merges.push_back({std::move(left), std::move(right), found == ids.end() ? -1 : found->second});
}

Result<MergeTable> from_json(const Json& file) {
  MergeTable table;
  const Json* model = file.find("model");
  const Json* vocab = model ? model->find("vocab") : nullptr;
  const Json* merges = model ? fields::present(*model, "merges") : nullptr;
  if (!vocab || !vocab->is_object() || !merges) return table;
  std::map<std::string, std::int64_t, std::less<>> ids;
  for (const auto& [text, id] : vocab->entries()) {
    ids.emplace(text, id.as_int());
    set_token(table, static_cast<std::size_t>(id.as_int()), text, is_byte_token(text));
  }
  if (const Json* added = file.find("added_tokens"))
    for (const Json& token : added->items())
      if (token.find("id") && token.find("content")) set_token(table, static_cast<std::size_t>(token.find("id")->as_int()), token.find("content")->as_string(), true);
  const Json* prefix = model->find("continuing_subword_prefix");
  VB_TRY(MergePairs pairs, merges_of_tokenizer_json(*model));
  for (auto& [left, right] : pairs) add_merge(table, ids, std::move(left), std::move(right), prefix ? prefix->as_string() : "");
  return table;
}

constexpr std::int64_t kNormalToken = 1;  // of tokenizer.ggml.token_type

Result<MergeTable> from_gguf(const Json& metadata) {
  MergeTable table;
  const Json* tokens = metadata.find("tokenizer.ggml.tokens");
  const Json* merges = fields::present(metadata, "tokenizer.ggml.merges");
  const Json* types = metadata.find("tokenizer.ggml.token_type");
  if (!tokens || !merges) return table;
  std::map<std::string, std::int64_t, std::less<>> ids;
  for (std::size_t id = 0; id < tokens->size(); ++id) {
    const std::string& text = tokens->items()[id].as_string();
    ids.emplace(text, static_cast<std::int64_t>(id));
    set_token(table, id, text, types && id < types->size() && types->items()[id].as_int() != kNormalToken);
  }
  VB_TRY(MergePairs pairs, merges_of_gguf(metadata));
  for (auto& [left, right] : pairs) add_merge(table, ids, std::move(left), std::move(right), "");
  return table;
}

}  // namespace

Result<MergeTable> read_merges(const ModelSource& source) {
  if (source.is_gguf()) return from_gguf(source.file->metadata());
  if (!source.tokenizer_json) return MergeTable{};
  VB_TRY(const Json file, read_json_file(*source.tokenizer_json));
  return from_json(file);
}

std::vector<std::string> score_faults(const Json& metadata) {
  const Json* scores = metadata.find("tokenizer.ggml.scores");
  const Json* types = metadata.find("tokenizer.ggml.token_type");
  const Json* model = metadata.find("tokenizer.ggml.model");
  if (!scores || !types || !model || model->as_string() != "llama") return {};
  std::vector<std::string> broken;
  std::size_t cases = 0;
  double last = 0.0;
  bool first = true;
  for (std::size_t id = 0; id < scores->size() && id < types->size(); ++id) {
    if (types->items()[id].as_int() != kNormalToken) continue;
    const double score = scores->items()[id].as_double();
    if (!first && score > last) broken.push_back(format("the score of token {} is above that of the one before it", id));
    last = score;
    first = false;
    ++cases;
  }
  return is_law(broken.size(), cases) ? broken : std::vector<std::string>{};
}

std::vector<std::string> merge_faults(const MergeTable& table) {
  std::vector<std::string> faults, unordered, twice, unmade;
  std::set<std::pair<std::string_view, std::string_view>> pairs;
  std::set<std::int64_t> products;
  for (std::size_t i = 0; i < table.merges.size(); ++i) {
    const MergeTable::Merge& merge = table.merges[i];
    const std::string shown = format("merge {} ('{}' + '{}')", i, printable(merge.left, 40), printable(merge.right, 40));
    if (merge.product < 0) faults.push_back(shown + " makes no token");
    if (i > 0 && merge.product >= 0 && merge.product < table.merges[i - 1].product)
      unordered.push_back(format("{} makes token {}, the one before it {}: out of order", shown, merge.product, table.merges[i - 1].product));
    if (!pairs.insert({merge.left, merge.right}).second) twice.push_back(shown + " comes twice");
    products.insert(merge.product);
  }
  std::size_t longer = 0;
  for (std::size_t id = 0; id < table.tokens.size(); ++id) {
    if (table.made_elsewhere[id] || code_points(table.tokens[id]) < 2) continue;
    ++longer;
    if (!products.contains(static_cast<std::int64_t>(id))) unmade.push_back(format("no merge makes token {} ('{}')", id, printable(table.tokens[id], 40)));
  }
  if (table.merges.empty()) return faults;
  for (const auto& [exceptions, cases] : {std::pair{&unordered, table.merges.size()}, {&twice, table.merges.size()}, {&unmade, longer}})
    if (is_law(exceptions->size(), cases)) faults.insert(faults.end(), exceptions->begin(), exceptions->end());
  return faults;
}

}  // namespace vauban
