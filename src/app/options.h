/// CommonOptions: the flags that every command understands.
#pragma once

#include <cstdint>
#include <string>

#include "base/config/fields.h"
#include "vauban/trace.h"

namespace vauban {

struct CommonOptions {
  int threads = 0;
  std::string backend = "cpu", device, numerics = "exact", primitive = "auto";
  std::uint64_t seed = 0;
  std::int64_t memory = 0;
  bool json = false, quiet = false;
};

inline void fields(CommonOptions& c, FieldVisitor& f) {
  f("threads", c.threads, {.help = "worker threads; 0: one per core", .min = 0, .max = 1024});
  f("backend", c.backend, {.help = "what computes: see `vauban list backends`"});
  f("device", c.device, {.help = "device of the backend; default: its first"});
  f("numerics", c.numerics, {.help = "arithmetic: see `vauban man numerics`", .choices = {"exact", "native", "fast"}});
  f("primitive", c.primitive,
    {.help = "code that edits activations; auto: what its recorded gate allows", .choices = {"auto", "scalar", "simd"}});
  f("seed", c.seed, {.help = "root of all random numbers"});
  f("memory", c.memory, {.help = "limit of the key/value cache; 0: as much as one batch needs", .min = 0, .unit = "bytes"});
  f("json", c.json, {.help = "print one JSON document on stdout"});
  f("quiet", c.quiet, {.help = "no progress on stderr"});
}

}  // namespace vauban
