/// primitive_bench OUT.json [THREADS] [SAMPLES]: a table on stdout, the numbers in OUT.json. See bench/primitive/run.
#include <cstdio>
#include <cstdlib>

#include "backends/backends.h"
#include "base/json_file.h"
#include "primitive/measure.h"

namespace vauban::bench {
namespace {

/// The torch path through Ops, f32 on the CPU; null where the module is not here.
std::unique_ptr<Ops> open_torch(const Context& context) {
  auto made = make_backend("torch", context, {.device = "cpu"});
  if (made) return std::move(made).value();
  std::printf("torch: not measured (%s)\n", made.error().message.c_str());
  return nullptr;
}

/// Through embed(), so that the rows lie wherever the backend keeps its activations.
Result<Timing> time_torch(Ops& ops, const Case& c, int samples) {
  std::vector<float> values(static_cast<std::size_t>(c.rows * c.width));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 251) / 251.0f - 0.5f;
  std::vector<std::int32_t> rows;
  for (std::int64_t row = 0; row < c.rows; ++row) rows.push_back(static_cast<std::int32_t>(row));
  VB_TRY(const Weight table,
         ops.load_weight("rows", {DType::f32, {c.rows, c.width}, std::as_bytes(std::span(values))}, nullptr));
  Primitive p{.mode = c.mode, .direction = {}, .alpha = 0.7};
  for (std::int64_t i = 0; i < c.width; ++i) p.direction.push_back(static_cast<double>(i % 7) - 3.0);
  VB_TRY(p, validate_primitive(p, c.width));
  ops.begin_step();
  const Tensor x = ops.embed(table, rows);
  const Timing timing = time_calls([&] { (void)ops.primitive(x, p, rows); }, samples);
  VB_CHECK(ops.end_step());
  return timing;
}

Result<void> run(const std::string& out, int threads, int samples) {
  ThreadPool pool(threads);
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  const Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel, .seed = 0};
  const double read_gb_s = read_bandwidth_gb_s(pool, std::size_t{256} << 20, samples);
  const double cached_gb_s = read_bandwidth_gb_s(pool, std::size_t{256} << 10, samples);
  const auto torch = open_torch(context);
  std::printf("read bandwidth, %d threads: %.1f GB/s from memory, %.1f GB/s from cache\n\n", pool.size(), read_gb_s,
              cached_gb_s);
  std::printf("%-32s %10s %10s %8s %8s %9s\n", "case", "scalar", "simd", "simd/mem", "faster", torch ? "torch" : "");
  Json rows = Json::array();
  for (const Case& c : all_cases({PrimitiveMode::project, PrimitiveMode::subtract, PrimitiveMode::subspace_remove})) {
    const PathTimings timed = time_paths(c, pool, samples);
    Json row = Json::object({{"mode", to_string(c.mode)},
                             {"dtype", c.type == cpu::RowType::f32 ? "f32" : "bf16"},
                             {"width", c.width},
                             {"rows", c.rows},
                             {"bytes", c.bytes()},
                             {"scalar", to_json(timed.scalar, c.bytes(), read_gb_s)},
                             {"simd", to_json(timed.simd, c.bytes(), read_gb_s)}});
    std::string torch_column;
    if (torch && c.type == cpu::RowType::f32 && c.mode != PrimitiveMode::subspace_remove) {
      VB_TRY(const Timing timing, time_torch(*torch, c, samples));
      row["torch"] = to_json(timing, c.bytes(), read_gb_s);
      torch_column = format("{:.1f}", c.bytes() / timing.median_s() / 1e9);
    }
    const double simd = c.bytes() / timed.simd.median_s() / 1e9, scalar = c.bytes() / timed.scalar.median_s() / 1e9;
    std::printf("%-32s %8.1f %10.1f %9.2f %7.1fx %9s\n", c.name().c_str(), scalar, simd, simd / read_gb_s,
                simd / scalar, torch_column.c_str());
    rows.push_back(std::move(row));
  }
  return write_json_file(out, Json::object({{"date", iso8601(clock.utc())},
                                            {"machine", machine(pool)},
                                            {"samples", samples},
                                            {"unit", "GB/s of bytes that must be read and written; medians"},
                                            {"read_bandwidth_gb_s", read_gb_s},
                                            {"cached_read_gb_s", cached_gb_s},
                                            {"torch", torch ? Json(torch->device_label()) : Json()},
                                            {"cases", std::move(rows)}}));
}

}  // namespace
}  // namespace vauban::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: primitive_bench OUT.json [THREADS] [SAMPLES]\n");
    return 2;
  }
  const auto done =
      vauban::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 0, argc > 3 ? std::max(3, std::atoi(argv[3])) : 11);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", vauban::describe(done.error()).c_str());
  return 3;
}
