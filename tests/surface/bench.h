/// SurfaceBench: a backend with the small seeded model loaded, and what checks need around it.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contract/local_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "surface/declaration.h"

namespace vauban::test {

class SurfaceBench {
 public:
  /// What the checks see instead of the local runtime. For planted faults.
  using Disguise = std::function<std::unique_ptr<Runtime>(Runtime& local)>;

  /// The same of the operations of every session that the checks open. For planted faults.
  using OpsDisguise = std::function<std::unique_ptr<Ops>(std::unique_ptr<Ops> own)>;

  /// `device`: as --device; empty: the backend's first. Errors: those of opening the model on it.
  static Result<std::unique_ptr<SurfaceBench>> open(std::string_view backend, std::string_view device = "",
                                                    const Disguise& disguise = {}, OpsDisguise ops_disguise = {});

  const std::string& backend() const { return declaration_.backend; }
  const Declaration& declaration() const { return declaration_; }
  Runtime& runtime() { return disguised_ ? *disguised_ : static_cast<Runtime&>(session_->runtime()); }
  LocalRuntime& local() { return session_->runtime(); }
  /// The same model on the reference backend.
  Result<LocalSession*> reference();
  /// Another model on the same backend and device.
  Result<std::unique_ptr<LocalSession>> open_here(const std::filesystem::path& model) const;

  /// Operations that a check made itself, as this bench shows them.
  std::unique_ptr<Ops> disguised(std::unique_ptr<Ops> own) const {
    return ops_disguise_ ? ops_disguise_(std::move(own)) : std::move(own);
  }

  const std::filesystem::path& model() const { return model_; }
  const std::string& device_name() const { return device_; }  ///< as asked for
  /// A path that nobody uses, in a folder that goes with the bench.
  std::filesystem::path scratch(std::string_view name) const { return folder_ / name; }

 private:
  SurfaceBench() = default;
  TempDir folder_;
  std::filesystem::path model_;
  std::string device_;
  Declaration declaration_;
  std::unique_ptr<LocalSession> session_, reference_;
  std::unique_ptr<Runtime> disguised_;
  OpsDisguise ops_disguise_;
};

/// Counts what is not as it should be.
class Faults {
 public:
  void expect(bool holds, std::string_view what) {
    if (holds) return;
    ++count_;
    if (!note_.empty()) note_ += "; ";
    note_ += what;
  }
  double count() const { return count_; }
  const std::string& note() const { return note_; }

 private:
  double count_ = 0;
  std::string note_;
};

inline constexpr std::int64_t kTinyWidth = 64, kTinyVocabulary = 300;
inline constexpr int kTinyLayers = 2;

/// Six ids of the small model's vocabulary.
std::vector<std::int32_t> surface_prompt();
TraceRequest surface_request(std::string id, int max_tokens, std::vector<Want> want = {});
Want want_payload(Site site);
/// A direction that no axis of the model knows, (kTinyWidth).
std::vector<double> surface_direction();
double dot(std::span<const float> row, std::span<const double> direction);
std::vector<double> unit(std::vector<double> direction);

/// Largest |a - b|; equal infinities differ by 0. Infinity for unequal counts, NaN, or nothing to compare.
double largest_difference(std::span<const float> a, std::span<const float> b);

/// A trace with the payload of its only payload want.
struct Watched {
  Trace trace;
  std::vector<MemorySink::Payload> payloads;
};
Result<Watched> watch(Runtime& runtime, const TraceRequest& request);
/// The rows of logits of the surface prompt and `max_tokens` greedy tokens. Errors: also not_found when none came.
Result<std::vector<float>> logits_of(Runtime& runtime, int max_tokens = 0);
bool has_kind(const Trace& trace, ArtifactKind kind);

}  // namespace vauban::test
