#include "model/adapter_targets.h"

#include <algorithm>
#include <cctype>

#include "base/strings.h"
#include "model/model.h"

namespace vauban {
namespace {

constexpr std::string_view kHeadModule = "lm_head";  // of every causal model of transformers that is known here

bool is_all_linear(std::string_view pattern) {
  constexpr std::string_view kAllLinear = "all-linear";
  return std::equal(pattern.begin(), pattern.end(), kAllLinear.begin(), kAllLinear.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

/// `name` as a whole, or behind a dot.
bool ends_in_name(std::string_view module, std::string_view name) {
  if (!module.ends_with(name)) return false;
  return module.size() == name.size() || module[module.size() - name.size() - 1] == '.';
}

bool ends_in_any(std::string_view module, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return ends_in_name(module, name); });
}

/// The whole text, as Python's re.fullmatch.
Result<Regex> compile_whole(std::string_view pattern) {
  return Regex::compile(format("\\A(?:{})\\z", pattern));
}

Result<bool> found(const Regex& regex, std::string_view text) {
  VB_TRY(const std::vector<ByteRange> matches, regex.find_all(text));
  return !matches.empty();
}

/// The number that stands as a part of its own at `begin`, with another part behind it.
std::optional<std::int64_t> number_at(std::string_view module, std::size_t begin) {
  const std::size_t end = module.find('.', begin);
  if (end == std::string_view::npos) return std::nullopt;
  const Result<std::int64_t> number = parse_int(module.substr(begin, end - begin));
  return number ? std::optional(*number) : std::nullopt;
}

/// The first number with at least two parts before it: "model.layers.3.mlp" -> 3.
std::optional<std::int64_t> first_layer_number(std::string_view module) {
  std::size_t at = module.find('.');
  if (at == std::string_view::npos) return std::nullopt;
  for (at = module.find('.', at + 1); at != std::string_view::npos; at = module.find('.', at + 1))
    if (const auto number = number_at(module, at + 1)) return number;
  return std::nullopt;
}

/// The first number that follows `pattern` as a whole part.
std::optional<std::int64_t> layer_number_behind(std::string_view module, std::string_view pattern) {
  for (std::size_t at = module.find(pattern); at != std::string_view::npos; at = module.find(pattern, at + 1)) {
    const std::size_t end = at + pattern.size();
    if ((at > 0 && module[at - 1] != '.') || end >= module.size() || module[end] != '.') continue;
    if (const auto number = number_at(module, end + 1)) return number;
  }
  return std::nullopt;
}

template <class T>
Result<std::vector<std::pair<Regex, T>>> compile_endings(const std::map<std::string, T>& patterns) {
  std::vector<std::pair<Regex, T>> compiled;
  for (const auto& [pattern, value] : patterns) {
    VB_TRY(Regex regex, Regex::compile(format("\\A(?:.*\\.)?(?:{})\\z", pattern)));
    compiled.emplace_back(std::move(regex), value);
  }
  return compiled;
}

template <class T>
Result<T> first_of(const std::vector<std::pair<Regex, T>>& patterns, std::string_view what, std::string_view module,
                   T fallback) {
  std::optional<T> value;
  for (const auto& [regex, number] : patterns) {
    VB_TRY(const bool matches, found(regex, module), "in {}", what);
    if (!matches) continue;
    if (value && *value != number)
      return unsupported("{}: two patterns match module '{}', with {} and {}; give one of them a longer name", what, module,
                         *value, number);
    value = number;
  }
  return value.value_or(fallback);
}

/// "q_proj, k_proj, ..." each once.
std::vector<std::string> last_parts(const std::vector<TargetModule>& modules) {
  std::vector<std::string> names;
  for (const TargetModule& module : modules) {
    const std::string last = module.name.substr(module.name.rfind('.') + 1);  // npos + 1 is 0
    if (std::find(names.begin(), names.end(), last) == names.end()) names.push_back(last);
  }
  return names;
}

}  // namespace

std::vector<TargetModule> target_modules(const Architecture& architecture, const ModelConfig& config) {
  std::vector<TargetModule> modules;
  bool has_head = false;
  for (const TensorSpec& spec : architecture.tensors(config)) {
    if (spec.role == TensorRole::other) continue;
    modules.push_back({module_of(spec), spec.role, spec.shape, spec.hf_transposed});
    has_head = has_head || spec.role == TensorRole::head;
  }
  if (!has_head)
    modules.push_back({std::string(kHeadModule), TensorRole::head, {config.vocab_size, config.width}, false});
  return modules;
}

Result<TargetMatcher> TargetMatcher::make(const AdapterConfig& config) {
  TargetMatcher matcher(config);
  if (!config.target_modules.pattern.empty() && !is_all_linear(config.target_modules.pattern)) {
    VB_TRY(matcher.target_, compile_whole(config.target_modules.pattern), "in target_modules");
  }
  if (!config.exclude_modules.pattern.empty()) {
    VB_TRY(matcher.exclude_, compile_whole(config.exclude_modules.pattern), "in exclude_modules");
  }
  VB_TRY(matcher.ranks_, compile_endings(config.rank_pattern), "in rank_pattern");
  VB_TRY(matcher.alphas_, compile_endings(config.alpha_pattern), "in alpha_pattern");
  return matcher;
}

Result<bool> TargetMatcher::matches(const TargetModule& module) const {
  VB_TRY(const bool excluded, is_excluded(module.name));
  if (excluded) return false;
  return is_named(module);
}

Result<bool> TargetMatcher::is_named(const TargetModule& module) const {
  if (target_) return found(*target_, module.name);
  const ModuleChoice& choice = config_.target_modules;
  if (!choice.pattern.empty()) return module.role == TensorRole::linear;  // all-linear: without the head
  if (!ends_in_any(module.name, choice.names)) return false;
  // A module that is named in full is meant, whatever the layers say.
  if (std::find(choice.names.begin(), choice.names.end(), module.name) != choice.names.end()) return true;
  return is_in_layers(module.name);
}

Result<bool> TargetMatcher::is_excluded(std::string_view module) const {
  if (exclude_) {
    VB_TRY(const bool excluded, found(*exclude_, module));
    if (excluded) return true;
  }
  if (ends_in_any(module, config_.exclude_modules.names)) return true;
  // PEFT: a module cannot be saved and adapted; what it holds neither.
  const std::string dotted = format(".{}.", module);
  return std::any_of(config_.modules_to_save.begin(), config_.modules_to_save.end(), [&](const std::string& saved) {
    return dotted.find(format(".{}.", saved)) != std::string::npos;
  });
}

bool TargetMatcher::is_in_layers(std::string_view module) const {
  const auto& layers = config_.layers_to_transform;
  if (layers.empty()) return true;
  std::optional<std::int64_t> number;
  if (config_.layers_pattern.empty()) number = first_layer_number(module);
  for (const std::string& pattern : config_.layers_pattern)
    if (!number) number = layer_number_behind(module, pattern);
  return number && std::find(layers.begin(), layers.end(), *number) != layers.end();
}

bool TargetMatcher::is_saved(std::string_view module) const {
  for (std::size_t end = module.size(); end != std::string_view::npos && end > 0; end = module.rfind('.', end - 1)) {
    const std::string_view holder = module.substr(0, end);
    for (const std::string& saved : config_.modules_to_save)
      if (holder.ends_with(saved)) return true;
    if (end == 0) break;
  }
  return false;
}

Result<std::int64_t> TargetMatcher::rank(std::string_view module) const {
  return first_of(ranks_, "rank_pattern", module, config_.rank);
}

Result<double> TargetMatcher::alpha(std::string_view module) const {
  return first_of(alphas_, "alpha_pattern", module, config_.alpha);
}

Result<std::vector<TargetModule>> matched_modules(const TargetMatcher& matcher,
                                                  const std::vector<TargetModule>& modules) {
  std::vector<TargetModule> matched;
  for (const TargetModule& module : modules) {
    VB_TRY(const bool is_match, matcher.matches(module));
    if (is_match) matched.push_back(module);
  }
  if (!matched.empty()) return matched;
  return with_hint(invalid_input("the adapter's target_modules match none of the {} modules of this model", modules.size()),
                   format("the modules are called {}; in full for example '{}'", join(last_parts(modules), ", "),
                          modules.empty() ? "" : modules.front().name));
}

}  // namespace vauban
