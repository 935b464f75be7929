#include "runtime/local/sequence.h"

#include <algorithm>

namespace vauban {

namespace {

Result<void> check_prompt(const SequenceRequest& request, const ModelConfig& config) {
  if (request.prompt.empty()) return invalid_input("expected a prompt of at least one token, found an empty one");
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    const std::int32_t id = request.prompt[i];
    if (id < 0 || id >= config.vocab_size)
      return invalid_input("prompt id {} at position {} lies outside the vocabulary [0, {})", id, i, config.vocab_size);
  }
  return ok();
}

Result<void> check_length(const Sequence& sequence, int max_tokens, std::int64_t context_length) {
  if (context_length <= 0 || sequence.positions() <= context_length) return ok();
  return with_hint(
      invalid_input(
          "the prompt has {} tokens and {} new ones were asked for: that takes {} positions, the model has {}",
          sequence.prompt_rows(), max_tokens, sequence.positions(), context_length),
      "shorten the prompt or lower max_tokens");
}

}  // namespace

std::string_view to_string(Finish finish) {
  switch (finish) {
    case Finish::none:
      return "";
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::eos:
      return "eos";
    case Finish::cancelled:
      return "cancelled";
  }
  return "";
}

Sequence::Sequence(std::size_t number, SequenceRequest request, const Model& model, PagePool& pool)
    : number_(number),
      request_(std::move(request)),
      model_(model),
      sampler_(request_.sampling, request_key(request_.prompt)),
      state_(pool),
      ids_(request_.prompt) {}

Result<std::unique_ptr<Sequence>> Sequence::make(std::size_t number, SequenceRequest request, const Model& model,
                                                 PagePool& pool) {
  VB_CHECK(check_prompt(request, model.config));
  auto sequence = std::unique_ptr<Sequence>(new Sequence(number, std::move(request), model, pool));
  const Sampling& sampling = sequence->request_.sampling;
  VB_CHECK(check_length(*sequence, sampling.max_tokens, model.config.context_length));
  if (!model.tokenizer && !sampling.stop.empty())
    return unsupported("stop strings need a tokenizer, and model '{}' came without one", model.identity.name);
  if (model.tokenizer && sampling.max_tokens > 0) {
    VB_TRY(TextStream stream, TextStream::make(*model.tokenizer, sequence->request_.prompt, sampling.stop));
    sequence->stream_.emplace(std::move(stream));
  }
  return sequence;
}

std::int64_t Sequence::positions() const {
  return static_cast<std::int64_t>(request_.prompt.size()) + std::max(0, request_.sampling.max_tokens - 1);
}

bool Sequence::needs_logits(std::int64_t position) const {
  const bool sampled = request_.sampling.max_tokens > 0 && position + 1 == static_cast<std::int64_t>(ids_.size());
  return sampled || (request_.wants_logits && request_.wants_logits(position));
}

Finish Sequence::finish_after(std::int32_t token) const {
  const std::vector<std::int32_t>& eos = model_.config.eos_ids;
  if (!request_.sampling.ignore_eos && std::find(eos.begin(), eos.end(), token) != eos.end()) return Finish::eos;
  if (stream_ && stream_->stopped()) return Finish::stop;
  if (new_ids().size() >= static_cast<std::size_t>(request_.sampling.max_tokens)) return Finish::length;
  return Finish::none;
}

Result<std::string> Sequence::text_after(std::int32_t token) {
  if (!stream_) return std::string();
  return stream_->push(token);
}

void Sequence::end(Finish finish) {
  finish_ = finish;
  state_.trim(0);
}

void Sequence::fail(Error error) {
  failure_ = std::move(error);
  state_.trim(0);
}

Result<TokenOut> Sequence::take(std::span<const float> logits) {
  TokenOut out{.sequence = number_, .token = {}, .logprob = {}, .text = {}, .finish = Finish::length};
  if (request_.sampling.max_tokens == 0) {
    end(Finish::length);
    return out;
  }
  VB_TRY(const Pick pick, sampler_.pick(logits, ids_, static_cast<std::int64_t>(ids_.size())));
  ids_.push_back(pick.id);
  survivors_.push_back(pick.survivors);

  VB_TRY(out.text, text_after(pick.id));
  out.finish = finish_after(pick.id);
  if (out.finish != Finish::none && stream_) {
    VB_TRY(const std::string rest, stream_->finish());
    out.text += rest;
    if (stream_->stopped() && out.finish == Finish::length) out.finish = Finish::stop;
  }
  text_ += out.text;
  out.token = pick.id;
  if (out.finish != Finish::none) end(out.finish);
  return out;
}

void Sequence::score(TokenOut& out, std::span<const float> logits) {
  if (!request_.logprobs || !out.token) return;
  out.logprob =
      static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(*out.token)]) - log_sum_exp(logits));
  logprobs_.push_back(*out.logprob);
}

TokenOut Sequence::cancel() {
  TokenOut out{.sequence = number_, .token = {}, .logprob = {}, .text = {}, .finish = Finish::cancelled};
  if (stream_)
    if (Result<std::string> rest = stream_->finish()) out.text = *rest;
  text_ += out.text;
  end(Finish::cancelled);
  return out;
}

}  // namespace vauban
