/// CheckSubject: a model under test, with what its stages share: the loaded network, a text that it can predict, and the
/// means to ask whether it would predict it better if one thing about it were different.
///
/// The idea behind the stages that need no reference copy: training leaves every part of a model near its best value. A
/// norm at half its scale, a RoPE base eight times as large, a head that is the embedding: each must predict an ordinary
/// text worse than what is stored. Where one predicts it clearly better, what is stored was damaged.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/session.h"
#include "format/model_source.h"
#include "model/model.h"
#include "runtime/local/local_runtime.h"

namespace vauban {

struct CheckOptions {
  std::string model;
  std::optional<std::string> file;  ///< a text of the model's domain; else the best of those built in
  bool alternatives = true;         ///< try alternatives, each of which costs a pass or a load
  std::int64_t tokens = 320;        ///< of the text, at most
};

/// NLL of each predicted token, in nats.
struct Probe {
  std::string text_name;
  std::vector<std::int32_t> ids;
  std::vector<double> nll;  ///< of ids[1..]; NaN: not to be predicted (what a user says)
  double mean() const;
};

/// By how many nats per token an alternative predicts the text better, token by token.
struct Gain {
  double mean = 0.0, standard_error = 0.0;
  /// Beyond chance (4 standard errors: some hundred alternatives are tried) and beyond what a model that is merely not
  /// quite at its optimum shows.
  bool convincing() const { return mean > 0.03 && mean > 4.0 * standard_error; }
};

class CheckSubject {
 public:
  /// Errors: those of opening the container. What fails later is kept for the stages: architecture_error, load_error.
  static Result<std::unique_ptr<CheckSubject>> open(const CheckOptions& options, Session& session);

  ModelSource source;
  const Architecture* architecture = nullptr;
  ModelConfig config;
  TensorMap tensors;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string architecture_error, tokenizer_error, load_error, probe_error;  ///< empty: none
  std::unique_ptr<LocalRuntime> runtime;                                     ///< null where load_error is set
  std::optional<Probe> probe;                                                ///< none where probe_error is set
  CheckOptions options;

  /// The share of a blind guess's loss that the model still has on the text; 1: it predicts nothing.
  double loss_share() const;
  /// Whether the loss is well below chance. Where it is not, only an alternative with which it is counts as better.
  bool predicts() const;
  /// Why alternatives cannot be tried; empty: they can.
  std::string no_alternatives() const;

  /// Of `ids`, teacher-forced. Errors: those of the runtime; corrupt for a NLL that is not finite.
  static Result<std::vector<double>> nll_of(Runtime& runtime, std::span<const std::int32_t> ids, std::int64_t chunk_rows = 64);
  /// With weights edited, which are put back. A change that the backend cannot run gains nothing.
  Result<Gain> gain_of(std::span<const WeightEdit> edits);
  /// With another configuration: the network is loaded once more.
  Result<Gain> gain_of(const std::function<void(ModelConfig&)>& change);

  /// The loaded values of a weight, by canonical name; empty where the network has none.
  Result<std::vector<float>> values(const std::string& name) const;

 private:
  explicit CheckSubject(Session& session) : session_(session) {}
  void load();
  void choose_probe();
  Result<std::unique_ptr<LocalRuntime>> runtime_of(std::unique_ptr<Model> model, std::unique_ptr<Ops> ops);
  Result<std::unique_ptr<Ops>> backend();
  Result<Gain> gain_with(Runtime& other) const;
  Gain gain(const Probe& text, std::span<const double> other) const;
  std::vector<Probe> texts_;  ///< all that were tried: of a model that predicts none, an alternative may cure any
  Session& session_;
};

}  // namespace vauban
