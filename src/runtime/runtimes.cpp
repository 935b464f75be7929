#include "runtime/runtimes.h"

#include <array>

namespace vauban {

namespace {

constexpr std::array<RuntimeEntry, 2> kRuntimes{{
    {"local", "runs a model on a backend of this machine, with every observation the backend and architecture allow",
     "a model file or folder, and a backend"},
    {"replay", "answers from stored traces: the same request gives the same trace, anything else is not found",
     "a traces.jsonl"},
}};

}  // namespace

std::span<const RuntimeEntry> all_runtimes() { return kRuntimes; }

}  // namespace vauban
