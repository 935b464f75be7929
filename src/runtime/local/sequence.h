/// Sequence: one request on its way through the engine: prompt, new tokens, text, and the pages that hold its past.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "runtime/local/sampler.h"
#include "runtime/local/stop.h"

namespace vauban {

enum class Finish { none, stop, length, eos, cancelled };
std::string_view to_string(Finish finish);  ///< "" for none

/// Passes of a request that are measured with what costs (trace/profile_fields.h).
struct ProfiledPasses {
  bool prefill = false, decode = false;
};

struct SequenceRequest {
  std::vector<std::int32_t> prompt;
  Sampling sampling;
  /// Positions whose logits the caller reads, beside those that are sampled from. Empty: none.
  std::function<bool(std::int64_t position)> wants_logits;
  bool logprobs = true;  ///< of the chosen tokens; costs a pass over the vocabulary per token
  ProfiledPasses profile{};
};

/// One new token, or (without a token) a last event that only ends a sequence.
struct TokenOut {
  std::size_t sequence = 0;
  std::optional<std::int32_t> token;
  std::optional<float> logprob;
  std::string text;
  Finish finish = Finish::none;
};

class Sequence {
 public:
  /// Errors: invalid_input for an empty prompt, an id outside the vocabulary or more positions than the model has;
  /// unsupported for stop strings without a tokenizer. The sampling has passed validate(TraceRequest).
  static Result<std::unique_ptr<Sequence>> make(std::size_t number, SequenceRequest request, const Model& model,
                                                PagePool& pool);

  /// Positions of the whole run: the last new token is never fed back.
  std::int64_t positions() const;
  Result<void> reserve_pages() { return state_.reserve(static_cast<std::int32_t>(positions())); }

  /// Rows that can run in the next step: what is left of the prompt, or the newest token.
  std::int32_t pending_rows() const { return static_cast<std::int32_t>(ids_.size()) - state_.length(); }
  bool in_prompt() const { return state_.length() < prompt_rows(); }
  bool needs_logits(std::int64_t position) const;
  bool is_profiled(bool prompt) const { return prompt ? request_.profile.prefill : request_.profile.decode; }
  void advance(std::int32_t rows) { state_.advance(rows); }

  /// After a step that fed everything pending: draws the next token from `logits` (ignored when no token is wanted).
  /// Errors: corrupt logits, or those of the tokenizer; they concern this sequence only.
  Result<TokenOut> take(std::span<const float> logits);
  /// Adds the logprob of the token that take() drew from `logits`.
  void score(TokenOut& out, std::span<const float> logits);
  TokenOut cancel();
  void fail(Error error);
  bool finished() const { return finish_ != Finish::none || failure_.has_value(); }

  std::size_t number() const { return number_; }
  std::int32_t prompt_rows() const { return static_cast<std::int32_t>(request_.prompt.size()); }
  const std::vector<std::int32_t>& ids() const { return ids_; }  ///< prompt, then new tokens
  std::span<const std::int32_t> new_ids() const { return std::span(ids_).subspan(request_.prompt.size()); }
  const std::vector<float>& logprobs() const { return logprobs_; }
  const std::vector<int>& survivors() const { return survivors_; }
  const std::string& text() const { return text_; }
  bool has_text() const { return stream_.has_value(); }
  Finish finish() const { return finish_; }
  const std::optional<Error>& failure() const { return failure_; }
  const SequenceState& state() const { return state_; }
  const Sampler& sampler() const { return sampler_; }

 private:
  Sequence(std::size_t number, SequenceRequest request, const Model& model, PagePool& pool);
  Finish finish_after(std::int32_t token) const;
  Result<std::string> text_after(std::int32_t token);
  void end(Finish finish);

  std::size_t number_;
  SequenceRequest request_;
  const Model& model_;
  Sampler sampler_;
  std::optional<TextStream> stream_;
  SequenceState state_;
  std::vector<std::int32_t> ids_;
  std::vector<float> logprobs_;
  std::vector<int> survivors_;
  std::string text_;
  Finish finish_ = Finish::none;
  std::optional<Error> failure_;
};

}  // namespace vauban
