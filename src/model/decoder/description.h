/// BlockDescription: what a block of a layer says of itself, for people, pictures and JSON. Read from its spec alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/decoder/spec.h"

namespace vauban {

struct BlockFact {
  std::string name;  ///< key in JSON: "kv_heads"
  Json value;
  std::string text;  ///< a line of a picture; empty: JSON alone
};

struct BlockDescription {
  std::string kind;   ///< blocks of one kind look alike in pictures: "attention", "mlp", "experts", ...
  std::string title;  ///< "sliding attention"
  std::vector<BlockFact> facts;
  /// Numbers that a sequence keeps of each position: keys and values. What a recurrence keeps once is in state_sizes().
  std::int64_t kept_per_token = 0;
  std::int64_t window = 0;           ///< positions for which it needs them; 0: all
  std::int64_t idle_parameters = 0;  ///< that one token does not meet: those of experts to which it is not sent

  void add(std::string name, Json value, std::string text = {}) { facts.push_back({std::move(name), std::move(value), std::move(text)}); }
  Json to_json() const;  ///< kind, title and the facts
};
/// Two blocks that describe themselves alike are drawn once.
bool operator==(const BlockDescription& a, const BlockDescription& b);

/// A rotary table read back. `base` and `factor` where the frequencies are base^(-2i/r) / factor; else, of a table that was
/// scaled frequency by frequency, null.
Json rope_json(const RopeSpec& rope);
/// "base 10,000, 16 wide"
std::string rope_text(const RopeSpec& rope);

std::string_view title_of(NormKind kind);          ///< "RMSNorm"
std::string_view title_of(Activation activation);  ///< "SiLU"
std::string_view title_of(Residuals residuals);    ///< "norm before each block"
std::int64_t parameters_of(const NormSpec& norm, std::int64_t width);

/// 1234567 -> "1,234,567"
std::string with_commas(std::int64_t number);

}  // namespace vauban
