/// The order of training: which examples make up each micro-batch, for ever, from a seed. And their rows without padding.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/config/fields.h"
#include "base/json.h"
#include "base/result.h"
#include "data/example.h"

namespace vauban {

struct BatchOptions {
  std::int64_t batch_size = 8;
  std::int64_t batch_tokens = 0;
  bool shuffle = true;
  std::uint64_t seed = 0;
};

inline void fields(BatchOptions& c, FieldVisitor& f) {
  f("batch_size", c.batch_size,
    {.help = "examples of one micro-batch; without effect where batch_tokens is set", .min = 1, .max = 1048576, .unit = "examples"});
  f("batch_tokens", c.batch_tokens,
    {.help = "fill a micro-batch with whole examples up to this many tokens; 0: by batch_size", .min = 0, .max = 2147483647, .unit = "tokens"});
  f("shuffle", c.shuffle, {.help = "a new random order in each epoch; otherwise the order of the files"});
  f("seed", c.seed, {.help = "fixes the order"});
}

/// The micro-batches of endless epochs. Each epoch has every example once, in an order that depends on (seed, epoch)
/// alone; its last micro-batch is as short as it comes out. With batch_tokens, examples are taken in that order as long
/// as they fit. One epoch's order is held at a time. Not for several threads at once.
class BatchOrder {
 public:
  /// `lengths`: ids of each example. Errors: invalid_input without examples, for options out of range, or for an example
  /// longer than batch_tokens, with its index and length; resource when a micro-batch may exceed 2^31 - 1 ids.
  static Result<BatchOrder> start(std::vector<std::int64_t> lengths, const BatchOptions& options);
  /// Goes on where position() was taken: next() gives what it would have given then.
  /// Errors: those of start; invalid_input for a position of other lengths or options; corrupt for one that is damaged.
  static Result<BatchOrder> resume(std::vector<std::int64_t> lengths, const BatchOptions& options, const Json& position);

  /// Indices of the examples of the next micro-batch, never empty.
  std::vector<std::size_t> next();
  /// Of the micro-batch that next() will give, from 0.
  std::int64_t epoch() const { return epoch_; }
  /// Whether that micro-batch is the first of its epoch.
  bool at_epoch_start() const { return taken_ == 0; }
  /// Micro-batches of the epoch() as a whole.
  std::int64_t batches_in_epoch() const;
  Json position() const;

 private:
  BatchOrder(std::vector<std::int64_t> lengths, const BatchOptions& options);
  std::size_t batch_end(std::size_t begin) const;
  void enter(std::int64_t epoch);

  std::vector<std::int64_t> lengths_;
  BatchOptions options_;
  std::string digest_;  ///< of what decides about the order
  std::int64_t epoch_ = 0;
  std::size_t taken_ = 0;           ///< examples of this epoch
  std::vector<std::size_t> order_;  ///< of this epoch
};

/// The rows of several examples, one after the other. A row is a token that something is predicted from, so the last id
/// of an example is none. No attention crosses documents, and their positions start at 0.
struct PackedRows {
  struct Document {
    std::int32_t first_row = 0, rows = 0;
    friend bool operator==(const Document&, const Document&) = default;
  };
  std::vector<std::int32_t> ids, positions;  ///< (rows)
  std::vector<Document> documents;           ///< one per example, in order; together all rows
  std::vector<std::int32_t> output_rows;     ///< (targets) rows whose next token is a target, ascending
  std::vector<std::int32_t> targets;         ///< (targets) those next tokens
};

/// `examples` as a Dataset holds them: at least two ids each and a mask beside them; below 2^31 ids in all, as BatchOrder
/// makes sure. An example of fewer ids has no row and so no document.
PackedRows pack(std::span<const Example* const> examples);

}  // namespace vauban
