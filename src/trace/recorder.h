/// Recorder: turns what a runtime sees at the sites of one request into artifacts.
///
/// Made from the request's wants; a site that nobody wants costs one bit test. Rows arrive pass by pass in ascending
/// positions, and the result does not depend on how they were cut into passes. Summaries and digests are streamed;
/// payloads and attention maps are kept in memory up to a limit shared by the whole recorder, then in temporary files.
/// One thread at a time; one recorder per request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "trace/spill_pool.h"
#include "vauban/trace.h"

namespace vauban {

/// Consecutive positions, one row each.
struct RowBlock {
  std::int64_t first_position = 0;
  std::span<const std::int64_t> positions;  ///< one per row where they are not consecutive (logits of some rows)
  std::span<const std::int64_t> row_shape;  ///< {D}, {H, d}; empty: one value per row
  std::span<const float> values;            ///< (rows, row_shape...)
};

/// Scores or weights of attention of one pass: query positions first_position .. first_position + rows - 1 over the key
/// positions 0 .. columns - 1.
struct AttentionBlock {
  std::int64_t first_position = 0;
  std::int64_t heads = 0, rows = 0, columns = 0;
  std::span<const float> values;  ///< (heads, rows, columns)
};

struct RecorderSetup {
  int layers = 0;                          ///< of the model
  std::int64_t prompt_rows = 0;            ///< separates prefill from decode
  /// The row that `last` means, where it is known beforehand; else it is the last row that comes.
  std::optional<std::int64_t> last_position;
  const Capability* capability = nullptr;  ///< null: everything is full
  std::size_t memory_limit_bytes = std::size_t{64} << 20;
  std::filesystem::path spill_folder = "/tmp";  ///< for temporary files; they are removed with the recorder
  FileOps* file_ops = &real_file_ops();
  Json metadata;  ///< joined into the metadata of every artifact: numerics, digest of the token ids, ...
};

struct Recording {
  std::vector<TraceArtifact> artifacts;  ///< in the order of the wants, layers ascending; without a producer span
  std::vector<Missing> missing;          ///< wanted here and never seen, with the reason
};

class Recorder {
 public:
  /// Takes the wants of kinds activation, logits and logprobs; the others are not observed at sites.
  /// Errors: those of validate_wants.
  static Result<Recorder> make(std::span<const Want> wants, RecorderSetup setup);
  ~Recorder();
  Recorder(Recorder&&) noexcept;
  Recorder& operator=(Recorder&&) noexcept;

  /// Sites without a layer use layer 0, as a Tap does.
  bool wants(Site site, int layer, Moment moment) const {
    const std::size_t index = index_of(site, layer, moment);
    return index < wanted_.size() && wanted_[index];
  }
  bool wants(Site site, int layer) const {
    return wants(site, layer, Moment::before) || wants(site, layer, Moment::after);
  }

  /// A fault (a changed row shape, positions that go back, a full disk) is kept and returned by finish().
  void record(Site site, int layer, Moment moment, const RowBlock& block);
  void record(Site site, int layer, Moment moment, const AttentionBlock& block);

  /// Says why a site could not be seen; finish() uses it for wants that got no row.
  void cannot_see(Site site, int layer, std::string reason);

  /// Call once. With a null sink a wanted payload stays a summary, and its metadata says so.
  /// Errors: the first fault of recording; those of the sink.
  Result<Recording> finish(PayloadSink* sink);

  class Slot;  ///< of one want and layer

 private:
  struct State;
  Recorder(std::unique_ptr<State> state, std::vector<bool> wanted);
  static std::size_t index_of(Site site, int layer, Moment moment) {
    const auto place = static_cast<std::size_t>(layer) * kSiteCount + static_cast<std::size_t>(site);
    return place * 2 + static_cast<std::size_t>(moment);
  }
  template <class Block>
  void feed(Site site, int layer, Moment moment, const Block& block);

  std::vector<bool> wanted_;
  std::unique_ptr<State> state_;
};

}  // namespace vauban
