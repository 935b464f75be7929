/// The tensors of a model under their canonical names, one at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/session.h"
#include "model/model.h"

namespace vauban {

class CanonicalTensors {
 public:
  /// Errors: those of the container, the architecture and the configuration.
  static Result<std::unique_ptr<CanonicalTensors>> open(const std::string& model, Session& session);

  struct Values {
    DType dtype = DType::f32;  ///< as stored
    Shape shape;
    std::vector<float> values;
  };
  /// In canonical form, decoded. A head that is tied is the embedding. Errors: not_found; those of reading.
  Result<Values> read(const std::string& name);
  const std::vector<std::string>& names() const { return names_; }  ///< sorted; without a tied head
  bool has(const std::string& name) const { return specs_.contains(name); }
  const ModelSource& source() const { return source_; }
  const ModelConfig& config() const { return config_; }

 private:
  ModelSource source_;
  ModelConfig config_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<WeightLoader> loader_;
  std::vector<std::string> names_;
  std::map<std::string, TensorSpec> specs_;  ///< a tied head under its own name too
};

}  // namespace vauban
