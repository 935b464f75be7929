/// Observer: the tap of the local runtime. It knows which rows of a step belong to which request, applies that
/// request's interventions to them (in list order), and hands what is wanted to its recorder: first the values before,
/// then the edits, then the values after. Rows of other requests are never touched. Interventions that stand side by side in the
/// list and only read the same rows do it together, in one pass over the tensor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/context.h"
#include "ops/ops.h"
#include "runtime/local/effects.h"
#include "runtime/local/engine.h"
#include "trace/recorder.h"

namespace vauban {

/// What one request watches and edits. Time is counted here, so that it can be taken out of the pass.
struct Observed {
  std::int64_t prompt_rows = 0;
  std::vector<Want> wants;  ///< those the recorder was made from; none of them has Positions::last
  std::optional<Recorder> recorder;
  std::vector<InterventionEffect> effects;
  std::vector<std::int32_t> kv_pages;  ///< of the last step it took part in
  double observe_s = 0, intervene_s = 0;
  std::int64_t observed_values = 0;
  std::optional<Error> fault;  ///< of an edit, the first one

  /// Whether a want of this site selects one of these positions.
  bool selects(Site site, Moment moment, std::span<const std::int64_t> positions) const;
  bool edits(Site site, int layer) const;
};

class Observer final : public StepTap {
 public:
  Observer(Ops& ops, const Clock& clock, int layers) : ops_(ops), clock_(clock), layers_(layers) {}

  /// `observed` is borrowed until remove().
  void add(std::size_t sequence, Observed& observed);
  void remove(std::size_t sequence);

  void begin_batch(const Batch& batch, std::span<const std::size_t> owners) override;
  Result<void> verdict() const override;

  /// An error of a sequence after the pass, with the names of the edits that it may come from.
  Error explained(std::size_t sequence, Error error) const;

 private:
  /// One request's rows of a tensor that came by.
  struct Share {
    Observed* observed = nullptr;
    std::vector<std::int32_t> rows;       ///< of the tensor, ascending and adjacent
    std::vector<std::int64_t> positions;  ///< beside rows
  };

  Tensor reach(Site site, int layer, Tensor x) const override;
  void reach_sequence(Site site, int layer, std::size_t sequence, const Tensor& x) const override;
  /// The rows of a share that an intervention's positions mean.
  struct Touched {
    std::vector<std::int32_t> rows;
    std::vector<std::int64_t> positions;  ///< beside rows
    std::int64_t of_prompt = 0;
  };

  std::vector<Share> shares_of(std::int64_t tensor_rows) const;
  void observe(const Share& share, Site site, int layer, Moment moment, const Tensor& x) const;
  Tensor intervene(const Share& share, Site site, int layer, Tensor x) const;
  static Touched touched_by(const InterventionEffect& effect, const Share& share);
  Tensor apply(InterventionEffect& effect, const Touched& touched, const Share& share, int layer, Tensor x) const;
  void read(std::span<InterventionEffect* const> effects, const Touched& touched, const Share& share, int layer,
            const Tensor& x) const;
  static void note(InterventionEffect& effect, const Touched& touched, const PrimitiveResult& result, const Share& share,
                   int layer);
  void listen();

  Ops& ops_;
  const Clock& clock_;
  int layers_;
  std::map<std::size_t, Observed*> observed_;
  const Batch* batch_ = nullptr;
  std::vector<std::size_t> owners_;
};

}  // namespace vauban
