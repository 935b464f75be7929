#include "app/check/parts.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr double kSticksOut = 8.0;  // times the median row; trained matrices have rows of up to a few times that are needed

std::vector<double> row_sizes(std::span<const float> values, std::size_t width) {
  std::vector<double> sizes;
  for (std::size_t at = 0; at + width <= values.size(); at += width) {
    double squares = 0.0;
    for (const float v : values.subspan(at, width)) squares += static_cast<double>(v) * static_cast<double>(v);
    sizes.push_back(std::sqrt(squares / static_cast<double>(width)));
  }
  return sizes;
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// "model.layers.12.input_layernorm.weight" -> "model.layers.{}.input_layernorm.weight"
std::string without_numbers(std::string_view name) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(name, '.'))
    parts.emplace_back(part.find_first_not_of("0123456789") == std::string_view::npos ? "{}" : part);
  return join(parts, ".");
}

/// The rows whose size sticks out, taken away. Whether they are needed decides.
void test_rows(CheckSubject& subject, const std::string& name, const std::vector<float>& values, const Shape& shape, Findings& findings) {
  const auto width = static_cast<std::size_t>(shape.width());
  const std::vector<double> sizes = row_sizes(values, width);
  const double usual = median_of(sizes);
  std::vector<float> without = values;
  std::size_t taken = 0, first = 0;
  for (std::size_t r = 0; r < sizes.size(); ++r) {
    if (sizes[r] <= kSticksOut * usual) continue;
    if (taken++ == 0) first = r;
    std::fill_n(without.begin() + static_cast<std::ptrdiff_t>(r * width), width, 0.0F);
  }
  if (taken == 0 || !subject.no_alternatives().empty()) return;
  const auto gain = subject.gain_of(std::vector<WeightEdit>{
      {.tensor = name, .op = "set", .operand = std::move(without), .operand_shape = {shape.dims().begin(), shape.dims().end()}}});
  if (gain && gain->convincing())
    findings.fault("{}: {} rows (the first is {}) are more than {} times the usual size, and the text is predicted better without them, by "
                   "{:.3f} nats per token", name, taken, first, kSticksOut, gain->mean);
}

}  // namespace

std::vector<NormWeight> norm_weights(const TensorMap& tensors) {
  std::vector<NormWeight> found;
  for (const TensorSpec& tensor : tensors)
    if (is_norm_weight(tensor)) found.push_back({tensor.hf, without_numbers(tensor.hf)});
  return found;
}

std::vector<std::string> layer_matrices(const CheckSubject& subject, LayerPart part) {
  const std::set<std::string> of_part = tensors_of(*subject.architecture, subject.config, part);
  std::set<std::string> norms;  // one weight for each head is of rank 2 too
  for (const NormWeight& norm : norm_weights(subject.tensors)) norms.insert(norm.name);
  std::vector<std::string> found;
  for (const auto& [name, places] : weights_by_name(*subject.runtime->loaded().network))
    if (places.front()->shape.rank() == 2 && of_part.contains(name) && !norms.contains(name)) found.push_back(name);
  return found;
}

void test_matrices(CheckSubject& subject, const std::vector<std::string>& names, Findings& findings) {
  std::size_t tested = 0;
  for (const std::string& name : names) {
    const auto values = subject.values(name);
    if (!values) {
      findings.fault("{}: {}", name, describe(values.error()));
      continue;
    }
    if (values->empty()) continue;
    ++tested;
    const Shape shape = weights_by_name(*subject.runtime->loaded().network).at(name).front()->shape;
    if (const auto bad = std::ranges::count_if(*values, [](float v) { return !std::isfinite(v); }); bad > 0) {
      findings.fault("{}: {} of {} values are not finite", name, bad, values->size());
    } else if (std::ranges::all_of(*values, [](float v) { return v == 0.0F; })) {
      findings.fault("{}: all {} values are zero", name, values->size());
    } else {
      test_rows(subject, name, *values, shape, findings);
    }
  }
  if (tested > 0) findings.fine("{} matrices are finite, none is zero, no row sticks out in vain", tested);
}

}  // namespace vauban
