#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "base/sha256.h"
#include "data/shuffle.h"

namespace vauban {
namespace {

Result<std::int64_t> held_out_records(const HeldOut& held_out, std::int64_t records) {
  if (held_out.fraction.has_value() == held_out.count.has_value())
    return invalid_input("expected a fraction or a count of records to hold out, found {}",
                         held_out.count ? "both" : "neither");
  if (held_out.fraction && !(*held_out.fraction > 0 && *held_out.fraction < 1))
    return invalid_input("expected a fraction to hold out above 0 and below 1, found {}", *held_out.fraction);
  const std::int64_t wanted = held_out.count ? *held_out.count
                                             : std::max<std::int64_t>(1, std::llround(*held_out.fraction * static_cast<double>(records)));
  if (wanted >= 1 && wanted < records) return wanted;
  return with_hint(invalid_input("cannot hold out {} of {} records: both parts need at least one", wanted, records),
                   "give a separate file for evaluation, or a 'separator' that cuts plain text into documents");
}

/// held[k]: whether the k-th record that has examples is held out.
std::vector<bool> choose_held_out(std::size_t records, std::size_t wanted, std::uint64_t seed) {
  const std::vector<std::size_t> order = shuffled(records, seed, ShuffleStream::held_out, 0);
  std::vector<bool> held(records, false);
  for (std::size_t i = 0; i < wanted; ++i) held[order[i]] = true;
  return held;
}

}  // namespace

Json to_json(const DatasetCounts& counts) {
  Json unused = Json::object();
  for (const auto& [key, count] : counts.unused_keys) unused[key] = count;
  return Json::object({{"records", counts.records},
                       {"examples", counts.examples},
                       {"truncated", counts.truncated},
                       {"dropped_without_target", counts.dropped},
                       {"tokens", counts.tokens},
                       {"target_tokens", counts.target_tokens},
                       {"unused_keys", unused}});
}

std::vector<std::int64_t> Dataset::lengths() const {
  std::vector<std::int64_t> out;
  out.reserve(examples_.size());
  for (const Example& example : examples_) out.push_back(static_cast<std::int64_t>(example.ids.size()));
  return out;
}

void Dataset::add(Example example, std::int64_t record) {
  if (record_of_.empty() || record_of_.back() != record) ++learnable_records_;
  counts_.tokens += static_cast<std::int64_t>(example.ids.size());
  counts_.target_tokens += std::accumulate(example.is_target.begin(), example.is_target.end(), std::int64_t{0});
  ++counts_.examples;
  examples_.push_back(std::move(example));
  record_of_.push_back(record);
}

Result<DatasetSplit> Dataset::split(const HeldOut& held_out) && {
  VB_TRY(const std::int64_t wanted, held_out_records(held_out, learnable_records_));
  const auto held = choose_held_out(static_cast<std::size_t>(learnable_records_), static_cast<std::size_t>(wanted), held_out.seed);
  DatasetSplit parts;
  std::size_t record = 0;  // among those that have examples
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    if (i > 0 && record_of_[i] != record_of_[i - 1]) ++record;
    Dataset& part = held[record] ? parts.held_out : parts.train;
    part.add(std::move(examples_[i]), record_of_[i]);
  }
  for (Dataset* part : {&parts.train, &parts.held_out}) {
    part->counts_.records = part->learnable_records_;
    part->digest_ = sha256_hex(format("{} {} {} of {}, seed {}", digest_, part == &parts.train ? "train" : "held out",
                                      wanted, learnable_records_, held_out.seed));
  }
  *this = Dataset();
  return parts;
}

}  // namespace vauban
