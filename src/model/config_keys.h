/// ConfigKeys: checked reads of hyper-parameters from a config.json or from the keys of a GGUF file.
///
/// A key that is absent or null takes the stated default; a key with the wrong type or range is `corrupt` and the
/// message names the file, the key, what was expected and what was found.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace vauban {

class ConfigKeys {
 public:
  /// `prefix` is put before every key ("llama."). The object must outlive this.
  ConfigKeys(const Json& object, std::string where, std::string prefix = {});

  /// The value, or null where it is absent or null.
  const Json* find(std::string_view key) const;
  /// In [1, limit].
  Result<std::int64_t> count(std::string_view key, std::int64_t limit = kMaxCount) const;
  Result<std::int64_t> count_or(std::string_view key, std::int64_t fallback, std::int64_t limit = kMaxCount) const;
  /// In [0, limit]: where 0 says "none".
  Result<std::int64_t> count_or_zero(std::string_view key, std::int64_t fallback, std::int64_t limit = kMaxCount) const;
  /// Finite and > 0. A number that was stored as f32 is read as the shortest decimal that rounds to it, so that 1e-05
  /// in a GGUF and 1e-05 in a config.json are the same number.
  Result<double> positive_or(std::string_view key, double fallback) const;
  Result<double> positive(std::string_view key) const;
  Result<bool> flag_or(std::string_view key, bool fallback) const;
  Result<std::string> text_or(std::string_view key, std::string_view fallback) const;
  /// One id or a list of ids; empty where absent.
  Result<std::vector<std::int32_t>> token_ids(std::string_view key) const;
  /// "key 'rope_theta' in /models/x/config.json"
  std::string name(std::string_view key) const;

  static constexpr std::int64_t kMaxCount = std::int64_t{1} << 30;
  static constexpr std::int64_t kMaxHeads = 1 << 16;  ///< also for layers and head widths

 private:
  const Json& object_;
  std::string where_, prefix_;
};

/// What a message may show of a value: its JSON, cut short.
std::string shown(const Json& value);

}  // namespace vauban
