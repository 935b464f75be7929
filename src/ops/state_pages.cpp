#include "ops/state_pages.h"

#include <algorithm>
#include <new>

#include "ops/batch.h"

namespace vauban {

StatePages::StatePages(int layers, std::int32_t pages, int page_tokens, const StateSizes& sizes)
    : layers_(layers), page_tokens_(page_tokens), sizes_(sizes) {
  if (any()) pages_.resize(static_cast<std::size_t>(pages));
}

std::int32_t StatePages::page_of(const SequenceRows& sequence, std::int32_t position) const {
  return sequence.pages[static_cast<std::size_t>(position / page_tokens_)];
}

Result<void> StatePages::begin(StatePart part, int layer, const Batch& batch) {
  for (const SequenceRows& sequence : batch.sequences) {
    if (sequence.rows > 0) VB_CHECK(begin_sequence(part, layer, sequence));
  }
  return ok();
}

Result<void> StatePages::begin_sequence(StatePart part, int layer, const SequenceRows& sequence) {
  const std::int32_t end = sequence.past + sequence.rows;
  const std::size_t at = index(part, layer), numbers = size_at(at);
  Blocks& target = pages_[static_cast<std::size_t>(page_of(sequence, end - 1))];
  if (!target) target = std::make_unique<Block[]>(count());
  Block& to = target[at];
  const Block* from = nullptr;
  if (sequence.past > 0) {
    const Blocks& source = pages_[static_cast<std::size_t>(page_of(sequence, sequence.past - 1))];
    from = source ? &source[at] : nullptr;
    if (!from || !from->values || from->position != sequence.past)
      return with_hint(unsupported("a sequence of a model with recurrent layers can only go on at its end: the state after "
                                   "{} positions is not kept (layer {})", sequence.past, layer),
                       "compute the sequence from its beginning");
  }
  if (!to.values) {
    to.values.reset(new (std::nothrow) double[numbers]);
    if (!to.values) return resource("no memory for a recurrent state of {} numbers", numbers);
  }
  if (!from) {
    std::fill_n(to.values.get(), numbers, 0.0);
  } else if (from != &to) {
    std::copy_n(from->values.get(), numbers, to.values.get());
  }
  to.position = end;
  return ok();
}

double* StatePages::of(StatePart part, int layer, const SequenceRows& sequence) {
  const std::int32_t page = page_of(sequence, sequence.past + sequence.rows - 1);
  return pages_[static_cast<std::size_t>(page)][index(part, layer)].values.get();
}

Result<void> StatePages::copy(std::int32_t from, std::int32_t to) {
  if (!any()) return ok();
  forget(to);
  const Blocks& source = pages_[static_cast<std::size_t>(from)];
  if (!source) return ok();
  Blocks copied = std::make_unique<Block[]>(count());
  for (std::size_t at = 0; at < count(); ++at) {
    if (!source[at].values) continue;
    copied[at].values.reset(new (std::nothrow) double[size_at(at)]);
    if (!copied[at].values) return resource("no memory for a recurrent state of {} numbers", size_at(at));
    std::copy_n(source[at].values.get(), size_at(at), copied[at].values.get());
    copied[at].position = source[at].position;
  }
  pages_[static_cast<std::size_t>(to)] = std::move(copied);
  return ok();
}

void StatePages::forget(std::int32_t page) {
  if (any()) pages_[static_cast<std::size_t>(page)].reset();
}

std::int64_t StatePages::size_bytes() const {
  std::size_t numbers = 0;
  for (const Blocks& blocks : pages_)
    for (std::size_t at = 0; blocks && at < count(); ++at)
      if (blocks[at].values) numbers += size_at(at);
  return static_cast<std::int64_t>(numbers * sizeof(double));
}

}  // namespace vauban
