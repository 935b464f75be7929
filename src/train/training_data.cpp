#include "train/training_data.h"

#include <cmath>

#include "base/sha256.h"

namespace vauban {
namespace {

std::vector<std::filesystem::path> paths_of(const std::vector<std::string>& names) { return {names.begin(), names.end()}; }

}  // namespace

TrainingBatch training_batch(const Dataset& dataset, std::span<const std::size_t> examples) {
  std::vector<const Example*> chosen;
  for (const std::size_t index : examples) chosen.push_back(&dataset.examples()[index]);
  PackedRows rows = pack(chosen);
  TrainingBatch out;
  out.batch.ids = std::move(rows.ids);
  out.batch.positions = std::move(rows.positions);
  out.batch.output_rows = std::move(rows.output_rows);
  for (const PackedRows::Document& document : rows.documents)
    out.batch.sequences.push_back({.first_row = document.first_row, .rows = document.rows, .past = 0, .pages = {}});
  out.targets = std::move(rows.targets);
  return out;
}

std::string TrainingData::digest() const {
  return sha256_hex(train.digest() + "\n" + (eval ? eval->digest() : ""));
}

Result<TrainingData> TrainingData::load(const TrainingConfig& config, const Tokenizer& tokenizer,
                                        const ChatTemplate* chat, const Context& context) {
  const TrainingDataConfig& c = config.data;
  VB_TRY(Dataset all, Dataset::load(paths_of(c.train), c.dataset, tokenizer, chat, context));
  if (!c.eval.empty()) {
    VB_TRY(Dataset eval, Dataset::load(paths_of(c.eval), c.dataset, tokenizer, chat, context));
    return TrainingData{.train = std::move(all), .eval = std::move(eval)};
  }
  if (c.eval_fraction == 0.0) return TrainingData{.train = std::move(all), .eval = std::nullopt};
  VB_TRY(DatasetSplit split, std::move(all).split({.fraction = c.eval_fraction, .count = {}, .seed = config.seed}));
  return TrainingData{.train = std::move(split.train), .eval = std::move(split.held_out)};
}

Result<void> check_lengths(const TrainingData& data, std::int64_t positions) {
  for (const Dataset* part : {&data.train, data.eval ? &*data.eval : nullptr})
    for (std::size_t i = 0; part && i < part->examples().size(); ++i)
      if (const std::int64_t rows = std::ssize(part->examples()[i].ids) - 1; positions > 0 && rows > positions)
        return with_hint(invalid_input("example {} has {} tokens, and the model holds {} positions", i, rows + 1, positions),
                         "set [data] max_length");
  return ok();
}

BatchOptions batch_options(const TrainingConfig& config) {
  return {.batch_size = config.batch_size,
          .batch_tokens = config.batch_tokens,
          .shuffle = config.shuffle,
          .seed = config.seed};
}

Result<std::int64_t> total_steps(const TrainingConfig& config, const Dataset& dataset) {
  VB_TRY(BatchOrder order, BatchOrder::start(dataset.lengths(), batch_options(config)));
  if (config.max_steps) return *config.max_steps;
  double micro_batches = 0.0;
  for (double left = config.epochs; left > 0.0; left -= 1.0) {
    const auto in_epoch = static_cast<double>(order.batches_in_epoch());
    micro_batches += std::min(1.0, left) * in_epoch;
    if (config.batch_tokens == 0) {  // every epoch is as long as the first
      micro_batches = config.epochs * in_epoch;
      break;
    }
    for (std::int64_t epoch = order.epoch(); order.epoch() == epoch;) order.next();
  }
  return std::max<std::int64_t>(1, std::llround(std::ceil(micro_batches / static_cast<double>(config.accumulation) - 1e-9)));
}

}  // namespace vauban
