#include "torch/alone/proof.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "base/rng.h"
#include "tensor/quant/format.h"

namespace vauban::proof {
namespace {

/// Runs one step and returns what it computed. Throws what went wrong.
template <class F>
auto in_step(Ops& ops, const F& work) {
  ops.begin_step();
  auto answer = work(ops);
  if (const Result<void> status = ops.end_step(); !status) throw std::runtime_error(describe(status.error()));
  return answer;
}

std::int64_t differing(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return static_cast<std::int64_t>(std::max(a.size(), b.size()));
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(double)) != 0;
  return count;
}

}  // namespace

Proof::Proof(Ops& specification, Ops& device, std::string planted)
    : specification_(specification), device_(device), planted_(std::move(planted)) {}

void Proof::spoil(const std::string& id, Numbers& numbers) const {
  if (!is_spoilt(id)) return;
  if (numbers.empty()) numbers.push_back(1.0);
  else numbers[0] += 0.5 + std::abs(numbers[0]);
}

void Proof::add(Check check) {
  check.passed = check.note.empty() &&
                 (check.relation == "<=" ? check.measured <= check.bound : check.measured >= check.bound);
  checks_.push_back(std::move(check));
}

void Proof::equals(std::string_view row, std::string id, double bound, const Numbers& expected, const Answer& answer) {
  Check check{.id = std::move(id), .row = std::string(row), .relation = "<=", .bound = bound, .note = {}};
  try {
    Numbers got = in_step(device_, answer);
    spoil(check.id, got);
    check.measured = nmse(got, expected);
  } catch (const std::exception& thrown) {
    check.note = thrown.what();
  }
  add(std::move(check));
}

void Proof::near(std::string_view row, std::string id, double bound, const Answer& answer) {
  equals(row, std::move(id), bound, in_step(specification_, answer), answer);
}

void Proof::same(std::string_view row, std::string id, const std::function<std::pair<Numbers, Numbers>(Ops&)>& answers) {
  Check check{.id = std::move(id), .row = std::string(row), .relation = "<=", .bound = 0.0, .note = {}};
  try {
    auto [got, expected] = in_step(device_, answers);
    spoil(check.id, got);
    check.measured = static_cast<double>(differing(got, expected));
  } catch (const std::exception& thrown) {
    check.note = thrown.what();
  }
  add(std::move(check));
}

void Proof::at_least(std::string_view row, std::string id, double bound, double measured) {
  const double seen = is_spoilt(id) ? bound - 1.0 : measured;
  add({.id = std::move(id), .row = std::string(row), .relation = ">=", .bound = bound, .measured = seen, .note = {}});
}

void Proof::refuses(std::string_view row, std::string id, ErrorCode code, const std::function<void(Ops&)>& attempt) {
  Check check{.id = std::move(id), .row = std::string(row), .relation = ">=", .bound = 1.0, .note = {}};
  device_.begin_step();
  try {
    if (!is_spoilt(check.id)) attempt(device_);
  } catch (const std::exception& thrown) {
    check.note = thrown.what();
  }
  const Result<void> status = device_.end_step();
  check.measured = !status && status.error().code == code ? 1.0 : 0.0;
  add(std::move(check));
}

double nmse(const Numbers& got, const Numbers& expected) {
  if (got.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double error = 0.0, scale = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (got[i] == expected[i] && !std::isfinite(expected[i])) continue;
    error += (got[i] - expected[i]) * (got[i] - expected[i]);
    scale += expected[i] * expected[i];
  }
  if (error == 0.0) return 0.0;
  return std::isfinite(error) && scale > 0.0 ? error / scale : std::numeric_limits<double>::infinity();
}

Numbers normals(std::int64_t count, std::uint64_t stream, double scale) {
  Rng rng(20260101, stream);
  Numbers values(static_cast<std::size_t>(count));
  for (double& value : values) value = static_cast<double>(static_cast<float>(rng.normal() * scale));
  return values;
}

Tensor activation(const Ops& ops, const Shape& shape, const Numbers& values) {
  // Wider than f32 only on the reference; a device in bf16 is handed f32 and rounds.
  if (ops.activation_dtype() != DType::f64) return host_tensor(shape, std::vector<float>(values.begin(), values.end()));
  const Tensor tensor = make_host_tensor(DType::f64, shape);
  std::ranges::copy(values, tensor.as<double>());
  return tensor;
}

Stored stored(DType dtype, const Shape& shape, const Numbers& values) {
  const std::vector<float> narrow(values.begin(), values.end());
  auto memory = std::make_shared<std::vector<std::byte>>(size_bytes(dtype, shape).value());
  if (const BlockFormat* format = find_block_format(dtype)) {
    format->encode(narrow.data(), memory->data(), static_cast<std::int64_t>(narrow.size()) / format->block);
  } else if (dtype == DType::f32) {
    std::memcpy(memory->data(), narrow.data(), memory->size());
  } else {
    for (std::size_t i = 0; i < narrow.size(); ++i) {
      const std::uint16_t half = dtype == DType::f16 ? f32_to_f16(narrow[i]) : f32_to_bf16(narrow[i]);
      std::memcpy(memory->data() + 2 * i, &half, 2);
    }
  }
  return {memory, {dtype, shape, *memory}};
}

Weight load(Ops& ops, const Stored& weight) {
  auto loaded = ops.load_weight("w", weight.view, weight.memory);
  if (!loaded) throw std::runtime_error(describe(loaded.error()));
  return *std::move(loaded);
}

}  // namespace vauban::proof
