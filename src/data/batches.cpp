#include "data/batches.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/sha256.h"
#include "data/shuffle.h"

namespace vauban {
namespace {

constexpr std::int64_t kMaxBatchIds = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMaxEpoch = std::numeric_limits<std::uint32_t>::max();

Result<void> check_lengths(const std::vector<std::int64_t>& lengths, const BatchOptions& options) {
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 0) return internal("example {} has length {}", i, lengths[i]);
    if (options.batch_tokens == 0 || lengths[i] <= options.batch_tokens) continue;
    return with_hint(invalid_input("example {} has {} tokens, more than batch_tokens = {}", i, lengths[i], options.batch_tokens),
                     "raise batch_tokens, or set max_length to cut examples");
  }
  const std::int64_t longest = *std::ranges::max_element(lengths);
  if (options.batch_tokens == 0 && longest > kMaxBatchIds / options.batch_size)
    return resource("a micro-batch of {} examples of up to {} tokens exceeds {} tokens", options.batch_size, longest, kMaxBatchIds);
  return ok();
}

Result<void> check_options(const BatchOptions& options) {
  if (options.batch_tokens < 0 || options.batch_tokens > kMaxBatchIds)
    return invalid_input("expected batch_tokens of 0 to {}, found {}", kMaxBatchIds, options.batch_tokens);
  if (options.batch_tokens == 0 && options.batch_size < 1)
    return invalid_input("expected a batch_size of at least 1, found {}", options.batch_size);
  return ok();
}

/// Equal where next() gives the same for ever.
std::string digest_of(const std::vector<std::int64_t>& lengths, const BatchOptions& options) {
  Sha256 digest;
  const bool packing = options.batch_tokens > 0;
  digest.update(format("order 1: size {}, tokens {}, shuffle {}, seed {}\n", packing ? 0 : options.batch_size,
                       options.batch_tokens, options.shuffle, options.shuffle ? options.seed : 0));
  for (const std::int64_t length : lengths) digest.update(format("{}\n", packing ? length : 0));
  return digest.finish_hex();
}

}  // namespace

BatchOrder::BatchOrder(std::vector<std::int64_t> lengths, const BatchOptions& options)
    : lengths_(std::move(lengths)), options_(options), digest_(digest_of(lengths_, options_)) {}

Result<BatchOrder> BatchOrder::start(std::vector<std::int64_t> lengths, const BatchOptions& options) {
  VB_CHECK(check_options(options));
  if (lengths.empty()) return invalid_input("expected at least one example to train on, found none");
  VB_CHECK(check_lengths(lengths, options));
  BatchOrder order(std::move(lengths), options);
  order.enter(0);
  return order;
}

Result<BatchOrder> BatchOrder::resume(std::vector<std::int64_t> lengths, const BatchOptions& options, const Json& position) {
  VB_TRY(BatchOrder order, start(std::move(lengths), options));
  VB_TRY(const std::string digest, position.get_string("order"), "in the position in the data");
  VB_TRY(const std::int64_t epoch, position.get_int("epoch"), "in the position in the data");
  VB_TRY(const std::int64_t taken, position.get_int("taken"), "in the position in the data");
  if (digest != order.digest_)
    return with_hint(invalid_input("the position in the data was taken with other examples or batch options"),
                     "resume with the same data, batch_size, batch_tokens, shuffle and seed");
  const auto examples = static_cast<std::int64_t>(order.lengths_.size());
  if (epoch < 0 || epoch > kMaxEpoch || taken < 0 || taken >= examples)
    return corrupt("expected a position within {} examples, found example {} of epoch {}", examples, taken, epoch);
  order.enter(epoch);
  while (order.taken_ < static_cast<std::size_t>(taken)) order.taken_ = order.batch_end(order.taken_);
  if (order.taken_ != static_cast<std::size_t>(taken))
    return corrupt("expected a position between micro-batches, found example {} of epoch {}", taken, epoch);
  return order;
}

void BatchOrder::enter(std::int64_t epoch) {
  epoch_ = epoch;
  taken_ = 0;
  if (options_.shuffle) {
    order_ = shuffled(lengths_.size(), options_.seed, ShuffleStream::epochs, static_cast<std::uint64_t>(epoch));
  } else if (order_.empty()) {
    order_.resize(lengths_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }
}

std::size_t BatchOrder::batch_end(std::size_t begin) const {
  if (options_.batch_tokens == 0)
    return std::min(order_.size(), begin + static_cast<std::size_t>(options_.batch_size));
  std::int64_t room = options_.batch_tokens;
  std::size_t end = begin;
  while (end < order_.size() && lengths_[order_[end]] <= room) room -= lengths_[order_[end++]];
  return end;
}

std::vector<std::size_t> BatchOrder::next() {
  const std::size_t end = batch_end(taken_);
  std::vector<std::size_t> batch(order_.begin() + static_cast<std::ptrdiff_t>(taken_),
                                 order_.begin() + static_cast<std::ptrdiff_t>(end));
  taken_ = end;
  if (taken_ == order_.size()) enter(epoch_ + 1);
  return batch;
}

std::int64_t BatchOrder::batches_in_epoch() const {
  std::int64_t batches = 0;
  for (std::size_t begin = 0; begin < order_.size(); begin = batch_end(begin)) ++batches;
  return batches;
}

Json BatchOrder::position() const {
  return Json::object({{"epoch", epoch_}, {"taken", taken_}, {"order", digest_}});
}

PackedRows pack(std::span<const Example* const> examples) {
  PackedRows packed;
  for (const Example* const example : examples) {
    if (example->ids.size() < 2) continue;
    const auto first = static_cast<std::int32_t>(packed.ids.size());
    const auto rows = static_cast<std::int32_t>(example->ids.size() - 1);
    packed.documents.push_back({first, rows});
    for (std::int32_t row = 0; row < rows; ++row) {
      const auto at = static_cast<std::size_t>(row);
      packed.ids.push_back(example->ids[at]);
      packed.positions.push_back(row);
      if (!example->is_target[at + 1]) continue;
      packed.output_rows.push_back(first + row);
      packed.targets.push_back(example->ids[at + 1]);
    }
  }
  return packed;
}

}  // namespace vauban
