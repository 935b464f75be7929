// Weights in the device's hands, and what the device says of its own work.
#include <array>
#include <stdexcept>

#include "torch/alone/proof.h"

namespace vauban::proof {
namespace {

/// The bytes of a weight where it lies now, one number per byte.
Numbers bytes_of(const Weight& weight) {
  std::vector<std::byte> bytes(size_bytes(weight.tensor.dtype(), weight.tensor.shape()).value());
  if (const auto read = weight.tensor.storage()->read(weight.tensor.offset_bytes(), bytes); !read)
    throw std::runtime_error(describe(read.error()));
  Numbers out;
  for (const std::byte byte : bytes) out.push_back(std::to_integer<int>(byte));
  return out;
}

Numbers bytes_of(const Stored& stored) {
  Numbers out;
  for (const std::byte byte : *stored.memory) out.push_back(std::to_integer<int>(byte));
  return out;
}

Gradients& gradients_of(Ops& ops) {
  if (!ops.gradients()) throw std::runtime_error("this backend has no gradients");
  return *ops.gradients();
}

/// A 4 x 3 weight of small whole numbers, which f32 adds without rounding, after `times` additions of dy^T x.
struct Written {
  Weight weight;
  Tensor x, dy;

  explicit Written(Ops& ops) {
    Gradients& gradients = gradients_of(ops);
    weight = {.name = "w", .dtype = DType::f32, .shape = {4, 3}, .tensor = gradients.zeros({4, 3}), .keep_alive = {}};
    x = activation(ops, {2, 3}, {1, 2, 3, 4, 5, 6});
    dy = activation(ops, {2, 4}, {1, 0, -2, 3, 2, 1, 0, -1});
    add(ops, 1.0);
  }
  void add(Ops& ops, double sign) {
    gradients_of(ops).linear_weight_backward(ops.add(dy, dy, sign - 1.0), x, weight.tensor);
  }
};

}  // namespace

void prove_weights(Proof& proof) {
  const Stored whole = stored(DType::f32, {37, 96}, normals(37 * 96, 1));
  proof.same("weight_access", "weight.f32_reads_back_byte_for_byte", [&](Ops& ops) {
    return std::pair{bytes_of(load(ops, whole)), bytes_of(whole)};
  });
  // The narrow ones may be held as f32 in exact numerics: their values are what is promised (prove_native: their bytes).
  for (const DType dtype : {DType::f16, DType::bf16, DType::q8_0, DType::q5_1, DType::q5_0, DType::q4_1, DType::q4_0}) {
    const Stored weight = stored(dtype, {37, 96}, normals(37 * 96, 1));
    proof.same("weight_access", format("weight.{}_reads_back_as_decoded", to_string(dtype)), [&](Ops& ops) {
      return std::pair{to_f64(load(ops, weight).tensor), decode_f64(weight.view).value()};
    });
  }
}

void prove_written_weights(Proof& proof) {
  const std::array dy_x{9.0, 12.0, 15.0, 4.0, 5.0, 6.0, -2.0, -4.0, -6.0, -1.0, 1.0, 3.0};  // dy^T x, by hand
  proof.equals("mutable_weights", "weight.written_values_are_there", kExact, {dy_x.begin(), dy_x.end()},
               [](Ops& ops) { return to_f64(Written(ops).weight.tensor); });
  proof.equals("mutable_weights", "weight.written_values_are_used", kExact, {36.0, 15.0, -12.0, 3.0}, [](Ops& ops) {
    const Written written(ops);
    return to_f64(ops.linear(activation(ops, {1, 3}, {1, 1, 1}), written.weight));
  });
  proof.equals("mutable_weights", "weight.taking_back_restores", kExact, Numbers(12, 0.0), [](Ops& ops) {
    Written written(ops);
    written.add(ops, -1.0);
    return to_f64(written.weight.tensor);
  });
}

void prove_native_weights(Proof& proof) {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Stored weight = stored(dtype, {37, 96}, normals(37 * 96, 1));
    proof.same("weight_access", format("weight.native_{}_reads_back_byte_for_byte", to_string(dtype)), [&](Ops& ops) {
      return std::pair{bytes_of(load(ops, weight)), bytes_of(weight)};
    });
  }
}

void prove_profile(Proof& proof) {
  Ops& ops = proof.device();
  const std::string kind(ops.device_kind());
  const bool on_host = kind == "cpu";
  const std::string row = on_host ? "forward" : format("device_profile_{}", kind);
  const Stored weight = stored(DType::f32, {1024, 1024}, normals(1024 * 1024, 1));
  ops.take_counters();
  ops.profile_device(true);
  ops.begin_step();
  const Tensor y = ops.linear(activation(ops, {512, 1024}, normals(512 * 1024, 2)), load(ops, weight));
  const bool worked = ops.end_step().has_value() && to_f64(y).size() == 512 * 1024;
  ops.profile_device(false);
  const OpCounters counters = ops.take_counters();
  const std::string path = format("torch/{}", kind);
  proof.at_least(row, "profile.step_works", 1.0, worked ? 1.0 : 0.0);
  proof.at_least(row, "profile.kernel_path_names_the_device", 1.0, counters.kernel_path.starts_with(path) ? 1.0 : 0.0);
  proof.at_least(row, "profile.bytes_read", 4.0 * 1024 * 1024, static_cast<double>(counters.bytes_read));
  // The product alone is 2 MiB.
  proof.at_least(row, "profile.memory_high_water_bytes", 2.0 * 1024 * 1024,
                 static_cast<double>(counters.memory_high_water_bytes));
  if (on_host) return;  // there is nothing to wait for, and nothing to copy
  proof.at_least(row, "profile.device_seconds", 1e-7, counters.device_s);
  proof.at_least(row, "profile.sync_points", 3.0, static_cast<double>(counters.sync_points));
  proof.at_least(row, "profile.host_device_copies", 3.0, static_cast<double>(counters.host_device_copies));
}

}  // namespace vauban::proof
