/// HfModel: a model as the files of a Hugging Face folder, from another folder or from a GGUF.
#pragma once

#include "transform/convert/convert.h"
#include "format/hf_writer.h"

namespace vauban {

struct HfModel {
  HfFolder folder;  ///< tensors are read from the source, which must outlive this
  std::vector<TensorPlan> plan;
  std::vector<std::string> notes;
};

Result<HfModel> make_hf_model(const ModelSource& source, const ConvertOptions& options, const Context& context);

}  // namespace vauban
