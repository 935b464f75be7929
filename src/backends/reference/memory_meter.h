/// MemoryMeter: how many bytes of this backend's tensors live, and the most that lived at once since the last take().
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "tensor/tensor.h"

namespace vauban {

class MemoryMeter {
 public:
  void add(std::int64_t bytes) { peak_ = std::max(peak_, live_ += bytes); }
  void remove(std::int64_t bytes) { live_ -= bytes; }
  /// The mark, which then starts again from what lives now.
  std::int64_t take() { return std::exchange(peak_, live_); }

 private:
  std::int64_t live_ = 0, peak_ = 0;
};

/// The memory of one tensor, counted for as long as it lives. A tensor may outlive the backend, so it shares the meter.
class MeteredStorage final : public Storage {
 public:
  MeteredStorage(Tensor held, std::int64_t bytes, std::shared_ptr<MemoryMeter> meter)
      : held_(std::move(held)), bytes_(bytes), meter_(std::move(meter)) {
    meter_->add(bytes_);
  }
  ~MeteredStorage() override { meter_->remove(bytes_); }
  std::byte* data() override { return held_.data(); }

 private:
  Tensor held_;
  std::int64_t bytes_;
  std::shared_ptr<MemoryMeter> meter_;
};

}  // namespace vauban
